"""The mailbox reader: the same promises over IMAP, POP3 and a Maildir."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from newsletter.delivery.bounces.mailbox import SIZE_LIMIT, Letter, Mailbox, MailboxError, open_mailbox
from tests.contract_transports import certificate, tls  # noqa: F401  (fixtures)
from tests.sinks.mailboxes import ImapServer, MailboxServer, Pop3Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

LETTERS = [b"Subject: %d\r\n\r\nbody %d\r\n.a dot\r\n" % (n, n) for n in range(1, 6)]
LOGIN = "bounces:p%40ss%20word"


class MailboxContract:
    """What every kind of mailbox must do."""

    @pytest.fixture
    def letters(self) -> list[bytes]:
        return LETTERS

    @pytest.fixture
    def opened(self, tmp_path: Path, letters: list[bytes]) -> Iterator[Any]:
        raise NotImplementedError

    def test_letters_come_whole_and_the_oldest_first(self, opened: Any) -> None:
        with opened() as box:
            assert [letter.data for letter in box.letters(10)] == LETTERS

    def test_no_more_letters_come_than_asked_for(self, opened: Any) -> None:
        with opened() as box:
            assert [letter.data for letter in box.letters(2)] == LETTERS[:2]

    def test_a_letter_that_was_only_read_is_still_there(self, opened: Any) -> None:
        with opened() as box:
            list(box.letters(10))
        with opened() as box:
            assert len(list(box.letters(10))) == 5

    def test_a_removed_letter_is_gone_and_the_others_stay(self, opened: Any) -> None:
        with opened() as box:
            for letter in box.letters(10):
                if b"body 2" in letter.data:
                    box.remove(letter)
        with opened() as box:
            assert [letter.data for letter in box.letters(10)] == [LETTERS[0], *LETTERS[2:]]

    def test_a_letter_set_aside_is_kept_but_not_offered_again(self, opened: Any, tmp_path: Path) -> None:
        with opened() as box:
            for letter in box.letters(2):
                box.set_aside(letter)
        with opened() as box:
            assert [letter.data for letter in box.letters(10)] == LETTERS[2:]
        assert self.kept(tmp_path) == LETTERS[:2]

    def kept(self, tmp_path: Path) -> list[bytes]:
        raise NotImplementedError

    @pytest.mark.parametrize(
        "letters", [[b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 98 + b"\r\n") * 12_000]]
    )
    def test_a_huge_letter_is_cut_and_not_swallowed_whole(self, opened: Any, letters: list[bytes]) -> None:
        with opened() as box:
            (letter,) = box.letters(10)
        assert len(letters[0]) > SIZE_LIMIT
        assert len(letter.data) <= SIZE_LIMIT + 2
        assert letter.data.startswith(letters[0][:500_000])

    @pytest.mark.parametrize("letters", [[b"Subject: long line\r\n\r\n" + b"z" * 5000 + b"\r\n", LETTERS[0]]])
    def test_a_line_longer_than_any_standard_allows_stops_nobody(self, opened: Any, letters: list[bytes]) -> None:
        with opened() as box:
            assert [letter.data for letter in box.letters(10)] == letters


class OnServer(MailboxContract):
    server_class: type[MailboxServer]
    scheme: str

    @pytest.fixture
    def opened(self, tmp_path: Path, letters: list[bytes]) -> Iterator[Any]:
        with self.server_class(letters) as server:
            self.server = server
            url = f"{self.scheme}://{LOGIN}@127.0.0.1:{server.port}/INBOX"
            yield lambda: open_mailbox(url, aside=tmp_path / "aside", timeout=5)

    def test_a_reader_that_fails_removes_nothing_and_leaves_in_order(self, opened: Any) -> None:
        def fail(box: Mailbox, letter: Letter) -> None:
            box.remove(letter)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), opened() as box:
            fail(box, next(box.letters(1)))
        assert len(self.server.box) == 5

    def test_a_wrong_password_is_told_without_repeating_it(self, opened: Any, tmp_path: Path) -> None:
        url = f"{self.scheme}://bounces:hush@127.0.0.1:{self.server.port}/"
        with pytest.raises(MailboxError, match="no such user or password") as refusal:
            open_mailbox(url, aside=tmp_path, timeout=5).__enter__()
        assert "hush" not in str(refusal.value)

    def test_a_server_that_is_away_is_told(self, opened: Any, tmp_path: Path) -> None:
        self.server.shutdown()
        self.server.server_close()
        with pytest.raises(MailboxError, match="ConnectionRefusedError"):
            opened().__enter__()

    def test_it_is_read_over_verified_tls(
        self,
        tls: ssl.SSLContext,  # noqa: F811
        certificate: tuple[Path, Path],  # noqa: F811
        tmp_path: Path,
    ) -> None:
        with self.server_class(LETTERS, tls=tls) as server:
            url = f"{self.scheme}s://{LOGIN}@localhost:{server.port}/"
            with open_mailbox(url, aside=tmp_path, ca_file=str(certificate[0]), timeout=5) as box:
                assert len(list(box.letters(10))) == 5
            with pytest.raises(MailboxError, match="CERTIFICATE_VERIFY_FAILED"):
                open_mailbox(url, aside=tmp_path, timeout=5).__enter__()


class TestImap(OnServer):
    server_class = ImapServer
    scheme = "imap"

    def kept(self, tmp_path: Path) -> list[bytes]:
        return [letter.data for letter in self.server.box if letter.flags >= {r"\Seen", r"\Flagged"}]

    @pytest.mark.parametrize("keywords", [r" \*", ""])
    def test_a_letter_that_a_person_has_read_is_offered_once(self, opened: Any, keywords: str) -> None:
        self.server.keywords = keywords
        for letter in self.server.box:
            letter.flags.add(r"\Seen")
        with opened() as box:
            first, second, *_ = box.letters(10)
            box.set_aside(first)
            box.remove(second)
        with opened() as box:
            assert [letter.data for letter in box.letters(10)] == LETTERS[2:]

    def test_what_a_person_flags_or_unflags_changes_nothing_where_keywords_are_kept(self, opened: Any) -> None:
        self.server.box[0].flags.add(r"\Flagged")
        with opened() as box:
            letters = list(box.letters(10))
            assert len(letters) == 5
            box.set_aside(letters[1])
        self.server.box[1].flags.discard(r"\Flagged")
        with opened() as box:
            assert [letter.data for letter in box.letters(10)] == [LETTERS[0], *LETTERS[2:]]

    @pytest.mark.parametrize("has_uidplus", [True, False])
    def test_what_a_person_deleted_is_theirs_to_expunge(self, opened: Any, has_uidplus: bool) -> None:
        self.server.has_uidplus = has_uidplus
        self.server.box[4].flags.add(r"\Deleted")
        with opened() as box:
            box.remove(next(box.letters(1)))
        assert (LETTERS[4] in [letter.data for letter in self.server.box]) is has_uidplus
        assert LETTERS[0] not in [letter.data for letter in self.server.box]

    def test_a_folder_that_does_not_exist_is_told(self, opened: Any, tmp_path: Path) -> None:
        url = f"imap://{LOGIN}@127.0.0.1:{self.server.port}/Bounces"
        with pytest.raises(MailboxError, match="no such folder"):
            open_mailbox(url, aside=tmp_path, timeout=5).__enter__()


class TestPop3(OnServer):
    server_class = Pop3Server
    scheme = "pop3"

    def kept(self, tmp_path: Path) -> list[bytes]:
        return [path.read_bytes() for path in sorted((tmp_path / "aside").iterdir())]


class TestMaildir(MailboxContract):
    @pytest.fixture
    def opened(self, tmp_path: Path, letters: list[bytes]) -> Any:
        for folder in ("new", "cur", "tmp"):
            (tmp_path / "box" / folder).mkdir(parents=True)
        for number, data in enumerate(letters):
            folder = "new" if number % 2 else "cur"  # a mail program has looked at the list, but opened none
            (tmp_path / "box" / folder / f"17739{number:05d}.x.host{'' if number % 2 else ':2,'}").write_bytes(data)
        return lambda: open_mailbox(f"maildir://{tmp_path}/box", aside=tmp_path / "aside")

    def kept(self, tmp_path: Path) -> list[bytes]:
        return [path.read_bytes() for path in sorted((tmp_path / "box" / "cur").iterdir()) if path.name.endswith("FS")]

    def test_a_letter_that_a_person_has_read_or_flagged_is_offered(self, opened: Any, tmp_path: Path) -> None:
        for number, path in enumerate(sorted((tmp_path / "box").glob("[nc]*/*"))):
            path.rename(tmp_path / "box" / "cur" / f"{path.name.partition(':')[0]}:2,{'FRS'[: number % 4]}")
        with opened() as box:
            letters = list(box.letters(10))
            assert len(letters) == 5
            box.set_aside(letters[0])
        (kept,) = (path for path in (tmp_path / "box" / "cur").iterdir() if "aside" in path.name)
        kept.rename(kept.with_name(kept.name.partition(":")[0] + ":2,S"))  # a person takes the flag away
        with opened() as box:
            assert len(list(box.letters(10))) == 4

    def test_a_folder_that_is_no_maildir_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(MailboxError, match="no Maildir"):
            open_mailbox(f"maildir://{tmp_path}/elsewhere", aside=tmp_path).__enter__()


@pytest.mark.parametrize(
    "url", ["", "bounces@example.org", "http://u:hush@x/", "imap://u:hush@mail.example.org/", "pop3://u:hush@x/",
            "imaps://u:hush@host:port/"],
)  # fmt: skip
def test_an_address_that_makes_no_sense_or_is_unsafe_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(MailboxError) as refusal:
        open_mailbox(url, aside=tmp_path)
    assert "hush" not in str(refusal.value)
