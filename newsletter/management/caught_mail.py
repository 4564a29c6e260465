"""One mail that the catcher caught: an .eml file with its envelope beside it, and what a page shows of it.

In: the files. Out: headers and bodies, decoded where they can be.
"""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path

Address = tuple[str, int]


@dataclass(frozen=True)
class CaughtMail:
    number: int
    caught_at: datetime
    mail_from: str
    recipients: tuple[str, ...]
    subject: str
    size: int
    path: Path

    @property
    def raw(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def headers(self) -> Iterator[tuple[str, str]]:
        """Every header in its order, decoded; one that cannot be decoded is given as it stands."""
        for name, value in self.parsed.raw_items():
            yield name, readable(str(value))

    def header(self, wanted: str) -> str:
        return next((value for name, value in self.headers if name.casefold() == wanted.casefold()), "")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def text(self) -> str:
        return self._body("plain")

    def _body(self, kind: str) -> str:
        part = self.parsed.get_body((kind,))
        if part is None:
            return ""
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            return ""
        try:
            return content.decode(part.get_content_charset("utf-8"), "replace")
        except LookupError:
            return content.decode("utf-8", "replace")


def readable(value: str) -> str:
    """A header's value unfolded and decoded (RFC 2047)."""
    value = "".join(value.splitlines())
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value


def save(mail: CaughtMail) -> None:
    envelope = asdict(mail) | {"caught_at": mail.caught_at.isoformat(), "path": mail.path.name}
    mail.path.with_suffix(".json").write_text(json.dumps(envelope, indent=1))


def load(path: Path) -> CaughtMail:
    envelope = json.loads(path.read_text())
    envelope["caught_at"] = datetime.fromisoformat(envelope["caught_at"])
    envelope["recipients"] = tuple(envelope["recipients"])
    envelope["path"] = path.with_name(envelope["path"])
    return CaughtMail(**envelope)
