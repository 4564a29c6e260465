"""The whole way of a paper into an inbox, by what a reader and a curator can see and press, on real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.house import BigHouse, House, SmallHouse
from tests.inbox import Inbox, Letter
from tests.mail_lint import bodies, lint
from tests.visitor import Visitor, link_of, list_unsubscribe, local

ALICE, BOB = "alice@example.net", "bob@example.org"
SITE = "https://papers.example.org"


@pytest.fixture
def small_house(migrated_file: Path, inbox: Inbox, tmp_path: Path) -> Iterator[House]:
    house = SmallHouse(migrated_file=migrated_file, inbox=inbox, folder=tmp_path)
    house.open()
    yield house
    house.close()


@pytest.fixture
def big_house(database_url: str, redis_url: str, inbox: Inbox, tmp_path: Path) -> Iterator[House]:
    house = BigHouse(database_url=database_url, redis_url=redis_url, inbox=inbox, folder=tmp_path)
    house.open()
    yield house
    house.close()


@pytest.mark.long
def test_a_paper_reaches_an_inbox_on_sqlite_and_one_process(small_house: House) -> None:
    walk(small_house)


@pytest.mark.services
def test_a_paper_reaches_an_inbox_on_postgresql_redis_and_celery(big_house: House) -> None:
    walk(big_house)


def walk(house: House) -> None:
    house.work_behind()
    with Visitor(house.site.url) as visitor, house.curator() as curator:
        for reader, topics in ((ALICE, ("language-models", "efficiency")), (BOB, ("vision",))):
            visitor.sign_up(reader, topics=topics)
            (confirmation,) = house.inbox.wait_for(1, address=reader)
            assert_confirmation(confirmation)
            visitor.confirm(confirmation)

        first = house.draft_of_today()
        curator.act(first, "approve")
        curator.act(first, "freeze")
        curator.act(first, "send-now")
        digests = {reader: house.inbox.wait_for(2, address=reader)[1] for reader in (ALICE, BOB)}
        for reader, digest in digests.items():
            assert_digest(digest, reader=reader)
        assert papers_of(digests[ALICE]) != papers_of(digests[BOB])
        assert visitor.web.get(local(link_of(digests[ALICE], "/d/"))).status_code == 200

        visitor.unsubscribe(digests[BOB])
        second = house.draft_of_tomorrow()
        curator.act(second, "freeze")
        curator.act(second, "send-now")
        later = house.inbox.wait_for(3, address=ALICE)[2]
    assert_digest(later, reader=ALICE)
    assert not papers_of(later) & papers_of(digests[ALICE]), "no paper comes twice"
    assert not lines_of(later) & (lines_of(digests[ALICE]) | papers_of(digests[ALICE])), "nor is it listed again"
    assert house.deliveries(first) == {ALICE: "sent", BOB: "sent"}
    assert house.deliveries(second) == {ALICE: "sent"}
    assert len(house.inbox.to(BOB)) == 2, "a confirmation and one digest, nothing after leaving"


def assert_confirmation(letter: Letter) -> None:
    mail = letter.parsed
    assert letter.mail_from == "hello@papers.example.org"
    assert mail["From"].addresses[0].addr_spec == "hello@papers.example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in mail, "there is nothing to unsubscribe from yet"
    assert mail.get_content_type() == "multipart/alternative"


def assert_digest(letter: Letter, *, reader: str) -> None:
    """The envelope, every header by the linter's rules, and what only this run can know."""
    assert lint(letter.raw, hosts=tuple(settings.PAPER_LINK_HOSTS)) == []
    mail = letter.parsed
    assert letter.mail_from.startswith("b+")
    assert letter.mail_from.endswith("@papers.example.org")
    assert letter.rcpt_to == reader
    assert mail["To"].addresses[0].addr_spec == reader
    assert mail["From"].addresses[0].addr_spec == "digest@papers.example.org"
    assert str(mail["List-Id"]).endswith("<digest.papers.example.org>")
    assert list_unsubscribe(letter).startswith(f"{SITE}/u/")
    assert set(bodies(letter.raw)) == {"plain", "html"}
    assert len(papers_of(letter)) >= 1


def papers_of(letter: Letter) -> set[str]:
    """The arXiv addresses of the papers chosen for a digest."""
    return addresses_in(bodies(letter.raw)["plain"].partition("\nAlso new\n")[0])


def lines_of(letter: Letter) -> set[str]:
    """Those of the other new papers that are listed below them."""
    return addresses_in(bodies(letter.raw)["plain"].partition("\nAlso new\n")[2])


def addresses_in(text: str) -> set[str]:
    return {word for word in text.split() if word.startswith("https://arxiv.org/abs/")}
