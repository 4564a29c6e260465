"""One open SMTP connection of the lane: its socket, its conversation, and the bytes that move between the two.

In: what the selector says can be read or written. Out: the conversation moved on; why the connection ended, if it did.
"""

from __future__ import annotations

import selectors
import ssl
import time
from typing import TYPE_CHECKING

from newsletter.delivery.transports.smtp_protocol import Dialogue

if TYPE_CHECKING:
    from newsletter.delivery.transports import Turn
    from newsletter.delivery.transports.smtp_handshake import Session

_READ_SIZE = 65_536
_TLS_RECORD_SIZE = 16_384
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Line:
    """One open connection."""

    __slots__ = ("dialogue", "events", "is_full", "is_tls", "opened_at", "seatings", "sock", "touched_at")

    def __init__(self, session: Session, now: float) -> None:
        self.sock = session.sock
        self.is_tls = isinstance(session.sock, ssl.SSLSocket)
        self.dialogue = Dialogue(pipelining=session.pipelining, size=session.size)
        self.events: int = selectors.EVENT_READ
        self.opened_at = self.touched_at = now
        self.seatings = 0
        self.is_full = False  # the server has named a limit: it takes no more here

    def read(self, turn: Turn) -> str:
        """Read what the server sent. Returns why the connection has ended, or "" while it is open."""
        dialogue = self.dialogue
        try:
            while True:
                data = self.sock.recv(_READ_SIZE)
                if not data:
                    return "the server closed the connection"
                if dialogue.feed(data, turn):
                    self.touched_at = time.monotonic()
                if dialogue.is_over:
                    return dialogue.last_words[2] if dialogue.last_words else "hung up on purpose"
                if not self.is_tls and len(data) < _READ_SIZE:
                    return ""
        except _NOT_YET:
            return ""
        except OSError as error:
            return in_words(error)

    def write(self) -> bool:
        """Write the pending bytes. False when the socket takes no more for now. Raises OSError when it has broken."""
        dialogue = self.dialogue
        try:
            while data := dialogue.output():
                if self.is_tls:  # an interrupted TLS write cannot tell how much of it has left
                    data = data[:_TLS_RECORD_SIZE]
                    dialogue.expose(len(data))
                dialogue.wrote(self.sock.send(data))
                self.touched_at = time.monotonic()
        except _NOT_YET:
            return False
        return True


def in_words(error: OSError) -> str:
    return f"the connection broke: {error.strerror or type(error).__name__}"
