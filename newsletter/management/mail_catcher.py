"""A mailbox for development: real SMTP in, one .eml file per message out, and a web page to look at them.

Comes in: whatever is handed over by SMTP, kept byte for byte with its envelope. Goes out: `messages`, files in the
folder and a page that runs nothing and fetches nothing on behalf of a mail. A folder that holds messages already is
shown with them. For development only: anyone who can reach it can read every mail.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from newsletter.management.caught_mail import Address, CaughtMail, load, readable, save
from newsletter.management.mail_catcher_pages import MailPages

_LARGEST_MESSAGE = 32 * 1024 * 1024


class MailCatcher:
    """Catches mails from start() to stop(). Port 0 takes a free one; `smtp_address` and `http_address` say which."""

    def __init__(
        self,
        folder: Path,
        smtp_address: Address,
        http_address: Address | None = None,
        *,
        allowed_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self.folder = folder
        self.smtp_address = smtp_address
        self.http_address = http_address
        self.refused: set[str] = set()  # addresses that are answered as a mailbox that is gone
        self._allowed_hosts = allowed_hosts
        self._messages: list[CaughtMail] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._smtp_thread = threading.Thread(target=self._loop.run_forever, name="catch-mail-smtp", daemon=True)
        self._pages: MailPages | None = None

    @property
    def messages(self) -> list[CaughtMail]:
        """Everything caught so far, oldest first."""
        with self._lock:
            return list(self._messages)

    @property
    def url(self) -> str:
        """Where a browser finds the mails; empty without a web page."""
        return "http://{}:{}/".format(*self.http_address) if self.http_address else ""

    def start(self) -> None:
        """Start both servers. Raises OSError when an address is taken."""
        logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells every command otherwise
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._messages = [load(path) for path in sorted(self.folder.glob("*.json"))]
        self._smtp_thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        try:
            self.smtp_address = listening.result(timeout=10)
            if self.http_address:
                self._pages = MailPages(self, self.http_address, allowed_hosts=self._allowed_hosts)
                self.http_address = self._pages.start()
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        if self._pages:
            self._pages.stop()
        if self._smtp_thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._smtp_thread.join()
        self._loop.close()

    async def _listen(self) -> Address:
        def protocol() -> SMTP:
            return SMTP(self, enable_SMTPUTF8=True, data_size_limit=_LARGEST_MESSAGE, ident="Paperboy mail catcher")

        host, port = self.smtp_address
        self._server = await self._loop.create_server(protocol, host, port)
        return host, self._server.sockets[0].getsockname()[1]

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refused:
            return "550 5.1.1 No such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self._keep(envelope.original_content, str(envelope.mail_from or ""), tuple(envelope.rcpt_tos))
        return "250 2.0.0 Caught"

    def _keep(self, raw: bytes, mail_from: str, recipients: tuple[str, ...]) -> None:
        with self._lock:
            number = self._messages[-1].number + 1 if self._messages else 1
            path = self.folder / f"{number:06d}.eml"
            path.write_bytes(raw)
            parsed = email.message_from_bytes(raw, policy=email.policy.compat32)
            caught = CaughtMail(
                number=number,
                caught_at=datetime.now(UTC),
                mail_from=mail_from,
                recipients=recipients,
                subject=readable(str(parsed.get("Subject", ""))),
                size=len(raw),
                path=path,
            )
            save(caught)
            self._messages.append(caught)
