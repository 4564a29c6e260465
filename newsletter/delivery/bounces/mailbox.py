"""The mailbox that bounces, complaints and unsubscribe mails come back to: IMAP, POP3 or a Maildir.

In: an address such as `imaps://user:password@host/INBOX`. Out: letters, one at a time. A letter is gone only after its
reader said so and the mailbox was closed in order: a crash in between reads it again, which event ids make harmless.
"""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar
from urllib.parse import unquote, urlsplit

from subscriptions.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZE_LIMIT = 1_000_000  # bytes read of one letter: a report says what it has to say long before
LINES_LIMIT = 10_000  # the same for POP3, which counts lines
TIMEOUT = 60.0
ASIDE_KEYWORD = "PaperboyAside"
ASIDE_IN_NAME = ",paperboy=aside"
_Data = TypeVar("_Data")
# poplib gives up at lines of 2 kB, and with it on the whole mailbox: one sloppy letter would stop every other.
poplib._MAXLINE = SIZE_LIMIT  # type: ignore[attr-defined]


class MailboxError(Exception):
    """The mailbox could not be opened or read. The message never holds the password."""


@dataclass(frozen=True, slots=True)
class Letter:
    """``data`` is cut after SIZE_LIMIT."""

    uid: str
    data: bytes


class Mailbox(Protocol):
    """A mailbox as a context manager. Leaving by an error undoes removals where the protocol can."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None: ...

    def letters(self, limit: int) -> Iterator[Letter]:
        """Yield up to ``limit`` unhandled letters, oldest first."""

    def remove(self, letter: Letter) -> None:
        """Remove a letter that was understood and stored."""

    def set_aside(self, letter: Letter) -> None:
        """Keep a letter for a person to read, and do not offer it again."""


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    host: str
    port: int
    username: str
    password: str
    path: str


def open_mailbox(url: str, *, aside: Path, ca_file: str = "", timeout: float = TIMEOUT) -> Mailbox:
    """Make the mailbox of a URL: `imaps`, `imap+tls`, `imap`, `pop3s`, `pop3` or `maildir:///path`.

    Those without TLS are for this machine only. ``aside`` is a folder for letters that a POP3 mailbox cannot keep
    for a person. Raises MailboxError, which says what is wrong.
    """
    try:
        parts = urlsplit(url.strip())
        address = _Address(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port or _PORTS.get(parts.scheme, 0),
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            path=unquote(parts.path),
        )
    except ValueError:
        raise MailboxError("The mailbox must look like imaps://user:password@host/INBOX.") from None
    if address.scheme == "maildir":
        return _Maildir(Path(address.path))
    if address.scheme not in _PORTS:
        raise MailboxError("The mailbox must be imaps://, imap+tls://, pop3s:// or maildir://.")
    if address.scheme in {"imap", "pop3"} and not is_loopback(address.host):
        raise MailboxError(f"The password for {address.host} would travel in the clear: use TLS.")
    context = ssl.create_default_context(cafile=ca_file or None)
    if address.scheme.startswith("imap"):
        return _Imap(address, context, timeout)
    return _Pop3(address, context, timeout, aside)


_PORTS = {"imaps": 993, "imap+tls": 143, "imap": 143, "pop3s": 995, "pop3": 110}


@contextlib.contextmanager
def _in_words(host: str) -> Iterator[None]:
    try:
        yield
    except (OSError, imaplib.IMAP4.error, poplib.error_proto) as error:
        raise MailboxError(f"The mailbox at {host}: {type(error).__name__}: {error}") from error


class _Maildir:
    """Set aside: seen and flagged, as a mail program would do it, and marked in the name, which no program changes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        if not (self._path / "new").is_dir() or not (self._path / "cur").is_dir():
            raise MailboxError(f"{self._path} is no Maildir.")
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        pass

    def letters(self, limit: int) -> Iterator[Letter]:
        files = [*(self._path / "new").iterdir(), *(self._path / "cur").iterdir()]
        fresh = [path for path in files if not path.name.partition(":")[0].endswith(ASIDE_IN_NAME)]
        for path in sorted(fresh, key=lambda path: path.name)[:limit]:
            with path.open("rb") as file:
                yield Letter(f"{path.parent.name}/{path.name}", file.read(SIZE_LIMIT))

    def remove(self, letter: Letter) -> None:
        (self._path / letter.uid).unlink(missing_ok=True)

    def set_aside(self, letter: Letter) -> None:
        file = self._path / letter.uid
        file.rename(self._path / "cur" / f"{file.name.partition(':')[0]}{ASIDE_IN_NAME}:2,FS")


class _Imap:
    """Removed: deleted. Set aside: seen, flagged, and marked by a keyword of ours; where no keywords are kept, flagged.

    A letter that a person has read is offered all the same.
    """

    def __init__(self, address: _Address, context: ssl.SSLContext, timeout: float) -> None:
        self._address = address
        self._context = context
        self._timeout = timeout

    def __enter__(self) -> Self:
        address = self._address
        with _in_words(address.host), contextlib.ExitStack() as undo:
            self._server: imaplib.IMAP4
            if address.scheme == "imaps":
                self._server = imaplib.IMAP4_SSL(
                    address.host, address.port, ssl_context=self._context, timeout=self._timeout
                )
            else:
                self._server = imaplib.IMAP4(address.host, address.port, timeout=self._timeout)
            undo.callback(self._server.shutdown)
            if address.scheme == "imap+tls":
                self._server.starttls(self._context)
            self._server.login(address.username, address.password)
            folder = address.path.strip("/") or "INBOX"
            self._expect_ok(self._server.select(f'"{folder}"'))
            self._keeps_keywords = self._may_keep_keywords()
            self._removed: list[str] = []
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            if kind is None and self._removed:
                self._expunge()
            self._server.logout()

    def letters(self, limit: int) -> Iterator[Letter]:
        fresh = ("UNKEYWORD", ASIDE_KEYWORD) if self._keeps_keywords else ("UNFLAGGED",)
        (found,) = self._uid("SEARCH", "UNDELETED", *fresh)
        for uid in found.decode().split()[:limit] if isinstance(found, bytes) else ():
            answer = self._uid("FETCH", uid, f"(BODY.PEEK[]<0.{SIZE_LIMIT}>)")
            yield Letter(uid, next((part[1] for part in answer if isinstance(part, tuple)), b""))

    def remove(self, letter: Letter) -> None:
        self._uid("STORE", letter.uid, "+FLAGS.SILENT", r"(\Deleted)")
        self._removed.append(letter.uid)

    def set_aside(self, letter: Letter) -> None:
        keyword = f" {ASIDE_KEYWORD}" if self._keeps_keywords else ""
        self._uid("STORE", letter.uid, "+FLAGS.SILENT", rf"(\Seen \Flagged{keyword})")

    def _may_keep_keywords(self) -> bool:
        """Whether the server stores keywords; one that names no permanent flags does (RFC 3501 §7.1)."""
        told = self._server.response("PERMANENTFLAGS")[1]
        flags = b" ".join(part for part in told if isinstance(part, bytes))
        return not flags or b"\\*" in flags or ASIDE_KEYWORD.encode() in flags

    def _expunge(self) -> None:
        """Expunge only what we removed, where the server can (RFC 4315): a person's deletions stay undoable."""
        if "UIDPLUS" in self._server.capabilities:
            self._uid("EXPUNGE", ",".join(self._removed))
        else:
            self._server.expunge()

    def _uid(self, command: str, *arguments: str) -> Sequence[bytes | tuple[bytes, bytes] | None]:
        with _in_words(self._address.host):
            return self._expect_ok(self._server.uid(command, *arguments))

    @staticmethod
    def _expect_ok(answer: tuple[str, _Data]) -> _Data:
        status, data = answer
        if status != "OK":
            raise imaplib.IMAP4.error(f"{status} {data!r}")
        return data


class _Pop3:
    """POP3 has no flags: what is set aside moves into a folder of ours, where a person finds it."""

    def __init__(self, address: _Address, context: ssl.SSLContext, timeout: float, aside: Path) -> None:
        self._address = address
        self._context = context
        self._timeout = timeout
        self._aside = aside

    def __enter__(self) -> Self:
        address = self._address
        with _in_words(address.host), contextlib.ExitStack() as undo:
            self._server: poplib.POP3
            if address.scheme == "pop3s":
                self._server = poplib.POP3_SSL(address.host, address.port, context=self._context, timeout=self._timeout)
            else:
                self._server = poplib.POP3(address.host, address.port, timeout=self._timeout)
            undo.callback(self._server.close)
            self._server.user(address.username)
            self._server.pass_(address.password)
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with contextlib.suppress(OSError, poplib.error_proto):
            if kind is None:
                self._server.quit()  # only now are removals carried out
            else:
                self._server.close()

    def letters(self, limit: int) -> Iterator[Letter]:
        with _in_words(self._address.host):
            sizes = self._server.list()[1][:limit]
        for entry in sizes:
            number, size = (int(part) for part in entry.split()[:2])
            with _in_words(self._address.host):
                whole = size <= SIZE_LIMIT
                lines = self._server.retr(number)[1] if whole else self._server.top(number, LINES_LIMIT)[1]
            yield Letter(str(number), b"\r\n".join(lines)[:SIZE_LIMIT] + b"\r\n")

    def remove(self, letter: Letter) -> None:
        with _in_words(self._address.host):
            self._server.dele(int(letter.uid))

    def set_aside(self, letter: Letter) -> None:
        with _in_words(self._address.host):
            lines = self._server.retr(int(letter.uid))[1]
        self._aside.mkdir(parents=True, exist_ok=True)
        (self._aside / f"{time.time_ns()}.eml").write_bytes(b"\r\n".join(lines) + b"\r\n")
        self.remove(letter)
