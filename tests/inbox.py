"""A relay that accepts everything: a real SMTP server on loopback that keeps what it was handed, envelope and bytes."""

from __future__ import annotations

import email
import email.policy
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.services import free_port


@dataclass(frozen=True)
class Letter:
    mail_from: str
    rcpt_to: str
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)


class Inbox:
    def __init__(self) -> None:
        self._letters: list[Letter] = []
        self._arrived = threading.Condition()
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    @property
    def url(self) -> str:
        """As EMAIL_URL wants it."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def letters(self) -> list[Letter]:
        with self._arrived:
            return list(self._letters)

    def to(self, address: str) -> list[Letter]:
        return [letter for letter in self.letters if letter.rcpt_to == address]

    def wait_for(self, count: int, *, address: str = "", timeout: float = 30) -> list[Letter]:
        """The letters (to that address) as soon as there are `count` of them."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            while True:
                found = [letter for letter in self._letters if address in ("", letter.rcpt_to)]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"{len(found)} of {count} letters to {address or 'anybody'} came in {timeout} s"
                self._arrived.wait(left)

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop(no_assert=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        with self._arrived:
            for recipient in envelope.rcpt_tos:
                self._letters.append(Letter(envelope.mail_from or "", recipient, envelope.original_content or b""))
            self._arrived.notify_all()
        return "250 2.0.0 OK"
