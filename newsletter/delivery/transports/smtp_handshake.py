"""Opening one SMTP connection as far as "you may send": TCP, EHLO, verified TLS, AUTH, all by the standard library.

In: a Relay. Out: a Session (connected socket and what EHLO offered) or a SessionError that says how far it came.
Blocks for as long as RFC 5321 lets a server take: the lane runs it in threads of their own, several at once.
"""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue

from newsletter.delivery.transports import Phase
from newsletter.models.timings import SMTP_PHASE
from subscriptions.addresses import is_loopback
from subscriptions.relay_tls import tls_context

# RFC 5321 §4.5.3.2, in seconds: what a client must be ready to wait for each part of the conversation.
GREETING_TIMEOUT = COMMAND_TIMEOUT = 300
DATA_TIMEOUT = 120
BLOCK_TIMEOUT = 180


class Security(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"  # required: a server that does not offer it gets no mail from us
    TLS = "tls"  # from the first byte (port 465)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Where mail goes and how. Timeouts in seconds."""

    host: str
    port: int = 25
    security: Security = Security.NONE
    username: str = ""
    password: str = ""
    ca_file: str = ""  # trusted besides the system's authorities, for a relay with a private certificate
    cert_file: str = ""
    key_file: str = ""
    ehlo_name: str = "localhost"
    connect_timeout: float = 10  # of TCP alone: a machine that answers may then take its time to greet
    greeting_timeout: float = GREETING_TIMEOUT
    command_timeout: float = COMMAND_TIMEOUT
    # RFC 5321 §4.5.3.2.6 wants ten minutes: giving up early makes doubtful messages. A near relay answers in seconds.
    dot_timeout: float = 180

    def __post_init__(self) -> None:
        if self.username and self.security is Security.NONE and not is_loopback(self.host):
            raise ValueError(f"The password for {self.host} would travel in the clear: use TLS or STARTTLS.")

    def patience(self, phase: Phase) -> float:
        """How many seconds without a sign of life end the connection while ``phase`` is awaited."""
        if phase is Phase.DOT:
            return self.dot_timeout
        most = {Phase.DATA: DATA_TIMEOUT, Phase.BODY: BLOCK_TIMEOUT}.get(phase, COMMAND_TIMEOUT)
        return min(self.command_timeout, most)


@dataclass(frozen=True, slots=True)
class Session:
    sock: socket.socket
    pipelining: bool
    size: bool


class SessionError(Exception):
    def __init__(self, phase: Phase, code: int, text: str) -> None:
        super().__init__(f"{phase}: {code} {text}")
        self.phase = phase
        self.code = code
        self.text = text


class _Client(smtplib.SMTP):
    """The standard library's client, with a time for the TCP connection and another for the greeting."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        super().__init__(relay.host, relay.port, relay.ehlo_name, timeout=relay.connect_timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), timeout)
        sock.settimeout(self._relay.greeting_timeout)
        if self._relay.security is Security.TLS:
            return _tls_context(self._relay).wrap_socket(sock, server_hostname=host)
        return sock


def open_session(relay: Relay) -> Session:
    """A connection ready for MAIL, its socket non-blocking. Raises SessionError, whatever went wrong."""
    phase = Phase.CONNECT
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _Client(relay)
        if smtp.sock is not None:
            smtp.sock.settimeout(relay.command_timeout)
        phase = Phase.EHLO
        smtp.ehlo_or_helo_if_needed()
        if relay.security is Security.STARTTLS:
            phase = Phase.TLS
            smtp.starttls(context=_tls_context(relay))
            phase = Phase.EHLO
            smtp.ehlo_or_helo_if_needed()
        if relay.username:
            phase = Phase.AUTH
            smtp.login(relay.username, relay.password)
        return _taken_over(smtp)
    except smtplib.SMTPResponseException as error:
        _abandon(smtp)
        reply = error.smtp_error
        text = reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply
        raise SessionError(phase, error.smtp_code, text) from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        _abandon(smtp)
        if isinstance(error, ssl.SSLError):
            phase = Phase.TLS
        raise SessionError(phase, 0, str(error) or type(error).__name__) from error


def _tls_context(relay: Relay) -> ssl.SSLContext:
    return tls_context(ca_file=relay.ca_file, cert_file=relay.cert_file, key_file=relay.key_file)


def _taken_over(smtp: smtplib.SMTP) -> Session:
    """Take the bare socket from smtplib; from here on the transport reads and writes it."""
    sock, file = smtp.sock, smtp.file
    if sock is None:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
    if file is not None:
        file.close()
    smtp.file = smtp.sock = None
    sock.setblocking(False)
    return Session(sock, pipelining=smtp.has_extn("pipelining"), size=smtp.has_extn("size"))


def _abandon(smtp: smtplib.SMTP | None) -> None:
    if smtp is not None:
        smtp.close()


class Opener:
    """Opens sessions side by side, each in a thread of its own; ``bell`` becomes readable when one has arrived."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._arrived: SimpleQueue[Session | SessionError] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self.opening = 0
        self.bell, self._rope = os.pipe()
        os.set_blocking(self.bell, False)

    def start(self) -> None:
        self.opening += 1
        threading.Thread(target=self._open, name="smtp-opener", daemon=True).start()

    def arrivals(self) -> list[Session | SessionError]:
        os.read(self.bell, 4096)
        arrived: list[Session | SessionError] = []
        while True:
            try:
                arrived.append(self._arrived.get_nowait())
            except Empty:
                self.opening -= len(arrived)
                return arrived

    def close(self) -> None:
        """Close: sessions that open after this are closed at once."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            os.close(self.bell)
            os.close(self._rope)
        while not self._arrived.empty():
            arrival = self._arrived.get_nowait()
            if isinstance(arrival, Session):
                arrival.sock.close()

    def _open(self) -> None:
        began = time.monotonic()
        try:
            arrival: Session | SessionError = open_session(self._relay)
        except SessionError as error:
            arrival = error
        SMTP_PHASE.add(time.monotonic() - began, "connect")
        with self._lock:
            if not self._is_closed:
                self._arrived.put(arrival)
                os.write(self._rope, b".")
            elif isinstance(arrival, Session):
                arrival.sock.close()
