"""Any Django mail backend as a transport, and so any provider through django-anymail.

In: messages and permissions. Out: outcomes, as `transports` promises. Each worker thread keeps one connection of its
own and sends one message at a time. A message whose connection proves dead before its body left is tried once more
on a new one.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import smtplib
import socket
import ssl
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, Turn, outcome_of_reply
from subscriptions import mail
from subscriptions.smtp_replies import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from email.message import EmailMessage

    from django.core.mail import EmailMultiAlternatives
    from django.core.mail.backends.base import BaseEmailBackend

    from subscriptions.models import MailSettings

_QUEUE_PER_CONNECTION = 4
_OWN_HEADERS = frozenset(
    {"from", "to", "subject", "mime-version", "content-type", "content-transfer-encoding", "dkim-signature"}
)
# Raised by HTTP libraries before a single byte of the request was sent.
_NEVER_CONNECTED = frozenset({"ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "NameResolutionError"})


class BackendTransport:
    """Keeps the `Transport` promise over several connections of EMAIL_BACKEND, or of the relay in ``chosen``."""

    def __init__(
        self,
        *,
        connections: int = 8,
        idle_seconds: float = 15,
        chosen: MailSettings | None = None,
    ) -> None:
        self._connections = connections
        self._idle_seconds = idle_seconds
        self._chosen = chosen
        self._queue: deque[Message] = deque()
        self._ready: dict[int, Message] = {}  # reported, waiting for permission
        self._released: set[int] = set()
        self._jobs: SimpleQueue[Message | None] = SimpleQueue()
        self._results: SimpleQueue[Outcome] = SimpleQueue()
        self._workers: list[threading.Thread] = []
        self._is_drained = False

    def capacity(self) -> int:
        held = len(self._queue) + len(self._ready) + len(self._released)
        return 0 if self._is_drained else max(0, self._connections * _QUEUE_PER_CONNECTION - held)

    def enqueue(self, messages: Sequence[Message]) -> None:
        self._queue.extend(messages)

    def poll(self, timeout: float) -> Turn:
        turn = Turn()
        self._offer(turn)
        with contextlib.suppress(Empty):
            turn.outcomes.append(self._results.get(timeout=0 if turn.ready else timeout))
            while True:
                turn.outcomes.append(self._results.get_nowait())
        self._released.difference_update(result.key for result in turn.outcomes)
        self._offer(turn)
        return turn

    def release(self, keys: Iterable[int]) -> None:
        for key in keys:
            message = self._ready.pop(key, None)
            if message is not None:
                self._released.add(key)
                self._start_worker()
                self._jobs.put(message)

    def withhold(self, keys: Iterable[int]) -> None:
        gone = set(keys)
        self._queue = deque(message for message in self._queue if message.key not in gone)
        for key in gone:
            self._ready.pop(key, None)

    def is_opening(self) -> bool:
        return False  # a connection is opened when a message is released, and then it is on its way

    def drain(self) -> list[int]:
        self._is_drained = True
        keys = [*self._ready, *(message.key for message in self._queue)]
        self._ready.clear()
        self._queue.clear()
        return keys

    def close(self) -> None:
        self._is_drained = True
        for _ in self._workers:
            self._jobs.put(None)
        for worker in self._workers:
            worker.join(5)

    def _offer(self, turn: Turn) -> None:
        """Give each free connection one message."""
        while self._queue and len(self._ready) + len(self._released) < self._connections:
            message = self._queue.popleft()
            self._ready[message.key] = message
            turn.ready.append(message.key)

    def _start_worker(self) -> None:
        if len(self._workers) < min(self._connections, len(self._released)):
            worker = threading.Thread(target=self._work, name=f"mail-{len(self._workers)}", daemon=True)
            self._workers.append(worker)
            worker.start()

    def _work(self) -> None:
        desk = _Desk(self._idle_seconds, self._chosen)
        while (message := self._jobs.get()) is not None:
            try:
                result = desk.send(message)
            except Exception as error:  # whatever a backend may raise: nobody knows how far it got
                result = Outcome(message.key, OutcomeKind.UNKNOWN, Phase.API, text=redact(_in_words(error)))
            self._results.put(result)
        desk.leave()


class _Desk:
    """One worker's connection, and the classification of its failures."""

    def __init__(self, idle_seconds: float, chosen: MailSettings | None) -> None:
        self._chosen = chosen
        self._idle_seconds = idle_seconds
        self._connection: BaseEmailBackend | None = None
        self._progress = mail.Progress()
        self._used_at = 0.0

    def send(self, message: Message) -> Outcome:
        if time.monotonic() - self._used_at > self._idle_seconds:
            self.leave()
        is_reused = self._connection is not None
        result = self._attempt(message)
        was_dead = result.code in {0, 421} and result.phase in {Phase.MAIL, Phase.RCPT}
        was_worn = result.kind is OutcomeKind.LIMITED or (result.kind is OutcomeKind.RETRY and result.code)
        if is_reused and (was_dead or (was_worn and result.phase is Phase.MAIL)):
            result = self._attempt(message)  # nothing had left, and the connection may be all that is wrong
        self._used_at = time.monotonic()
        return result

    def leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # a dead connection may say so in any manner: it goes anyway
                connection.close()

    def _attempt(self, message: Message) -> Outcome:
        try:
            connection = self._connection or self._open()
        except Exception as error:
            phase, code = _opening_fault(error)
            return Outcome(message.key, OutcomeKind.INFRASTRUCTURE, phase, code, text=redact(_in_words(error)))
        try:
            letter = rebuild(message, is_provider=_is_provider(connection))
            letter.message()  # Django serialises only while sending; here a failure is certainly harmless
        except Exception as error:
            return outcome_of_reply(message.key, Phase.COMPOSE, text=_in_words(error))
        try:
            taken = connection.send_messages([letter])
        except Exception as error:
            self.leave()  # after any error it may be dead and look alive
            return _failure(message.key, error, phase=Phase(self._progress.step), letter=letter)
        if not taken:
            self.leave()
            return Outcome(message.key, OutcomeKind.INFRASTRUCTURE, Phase.CONNECT, text="The backend took no message.")
        return _accepted(message.key, letter, phase=Phase(self._progress.step))

    def _open(self) -> BaseEmailBackend:
        self._connection = mail.open_connection(self._chosen)
        self._progress = mail.follow(self._connection)
        return self._connection


def rebuild(message: Message, *, is_provider: bool = False) -> EmailMultiAlternatives:
    """The mail as a Django message. A provider sets its own envelope sender and gets our key as metadata."""
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    letter = mail.build_message(
        subject=str(parsed["Subject"] or ""),
        text=_content(parsed, "plain"),
        html=_content(parsed, "html"),
        sender=str(parsed["From"]),
        recipient=message.recipient,
        headers={name: str(value) for name, value in parsed.items() if name.casefold() not in _OWN_HEADERS},
        envelope="" if is_provider else message.sender,
    )
    if is_provider:
        letter.metadata = {"delivery": str(message.key)}  # type: ignore[attr-defined]  # anymail's own attribute
    return letter


def _content(parsed: EmailMessage, subtype: str) -> str:
    part = parsed.get_body((subtype,))
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


def _is_provider(connection: BaseEmailBackend) -> bool:
    return hasattr(connection, "esp_name")


def _opening_fault(error: Exception) -> tuple[Phase, int]:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Phase.AUTH, error.smtp_code
    if isinstance(error, smtplib.SMTPHeloError):
        return Phase.EHLO, error.smtp_code
    if isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError):
        return Phase.TLS, 0
    return Phase.CONNECT, error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0


def _accepted(key: int, letter: EmailMultiAlternatives, *, phase: Phase) -> Outcome:
    """Outcome of a send without an error: a provider's id, or a refusal that anymail was told to ignore."""
    if phase is not Phase.API:
        return Outcome(key, OutcomeKind.SENT, Phase.DOT, 250, text="accepted")
    status = getattr(letter, "anymail_status", None)
    if status is None:
        return Outcome(key, OutcomeKind.SENT, Phase.API, 200, text="accepted")
    if _is_refusal(status):
        return _refused(key, status, text=f"{status.status}")
    code = getattr(status.esp_response, "status_code", 200)
    return outcome_of_reply(key, Phase.API, code=code, text=f"accepted as {status.message_id}")


def _is_refusal(status: Any) -> bool:
    """Whether every recipient (there is one) was refused; ``status`` is anymail's own object."""
    return bool(status.status) and status.status <= {"invalid", "rejected", "failed"}


def _refused(key: int, status: Any, *, text: str) -> Outcome:
    kind = OutcomeKind.BOUNCED if "invalid" in status.status else OutcomeKind.REJECTED
    return Outcome(key, kind, Phase.API, text=redact(text))


def _failure(key: int, error: Exception, *, phase: Phase, letter: EmailMultiAlternatives) -> Outcome:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
        return outcome_of_reply(key, Phase.RCPT, code=code, text=_decoded(reply))
    if isinstance(error, smtplib.SMTPSenderRefused):
        return outcome_of_reply(key, Phase.MAIL, code=error.smtp_code, text=_decoded(error.smtp_error))
    if isinstance(error, smtplib.SMTPResponseException):
        return outcome_of_reply(key, phase, code=max(0, error.smtp_code), text=_decoded(error.smtp_error))
    text = _in_words(error)
    if phase is not Phase.API:
        return outcome_of_reply(key, phase, text=text)
    status = getattr(letter, "anymail_status", None)
    if status is not None and _is_refusal(status):
        return _refused(key, status, text=text)
    status_code = getattr(error, "status_code", None)
    if status_code:
        return outcome_of_reply(key, Phase.API, code=int(status_code), text=text)
    if _never_connected(error):
        return Outcome(key, OutcomeKind.INFRASTRUCTURE, Phase.CONNECT, text=redact(text))
    if isinstance(error, ValueError | TypeError) and not isinstance(error, OSError):
        return outcome_of_reply(key, Phase.COMPOSE, text=text)  # what the provider's interface cannot express
    return outcome_of_reply(key, Phase.API, text=text)


def _never_connected(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError):
            return True
        if type(error).__name__ in _NEVER_CONNECTED:
            return True
        error = error.__cause__ or error.__context__
    return False


def _decoded(reply: bytes | str) -> str:
    return reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
