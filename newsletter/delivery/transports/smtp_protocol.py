"""One SMTP connection's conversation after the opening, without a socket: bytes in, bytes out, and what they mean.

In: messages to seat, permission to hand over, the server's bytes. Out: bytes to write; outcomes and ready keys.
While one body is in flight, the next message's envelope follows right behind it (RFC 2920) where the server allows.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from newsletter.delivery.transports import OutcomeKind, Phase, outcome_of_reply

if TYPE_CHECKING:
    from newsletter.delivery.transports import Message, Outcome, Turn

REPLY_LIMIT = 16_384  # a server that says more in one breath is not speaking SMTP


class _Step(Enum):
    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    DOT = auto()
    LONE_DOT = auto()  # ends a DATA that was granted although the recipient was refused (RFC 2920 §3.1)


_PHASES = {
    _Step.RSET: Phase.MAIL,
    _Step.MAIL: Phase.MAIL,
    _Step.RCPT: Phase.RCPT,
    _Step.DATA: Phase.DATA,
    _Step.DOT: Phase.DOT,
    _Step.LONE_DOT: Phase.RCPT,
}


class Dialogue:
    """At most one message whose envelope is under way (``seated``) and one whose body is (``sending``)."""

    __slots__ = (
        "_commands",
        "_dot_at",
        "_expected",
        "_exposed",
        "_failure",
        "_incoming",
        "_needs_reset",
        "_out",
        "_pipelining",
        "_queued",
        "_size",
        "_text",
        "_withheld",
        "_written",
        "accepted",
        "is_open",
        "is_over",
        "last_words",
        "refused",
        "seated",
        "sending",
        "settled",
    )

    def __init__(self, *, pipelining: bool, size: bool) -> None:
        self.seated: Message | None = None
        self.sending: Message | None = None
        self.is_open = False  # the server waits for the body of the seated message
        self.is_over = False  # nothing more may be said on this connection
        self.last_words: tuple[Phase, int, str] | None = None  # why it ended, as the seated message sees it
        self.settled = 0  # bodies answered so far
        self.accepted = 0  # of them, those that were taken
        self.refused: list[tuple[Message, Outcome]] = []  # untouched, and refused for what this connection has had
        self._pipelining = pipelining
        self._size = size
        self._failure: tuple[Phase, int, str] | None = None
        self._withheld = False
        self._needs_reset = False
        self._commands: deque[tuple[_Step, bytes]] = deque()  # not yet allowed out
        self._expected: deque[_Step] = deque()  # said, not yet answered
        self._incoming = b""
        self._text: list[str] = []  # lines of a reply that is not complete
        # Offsets in the stream of everything ever to be written on this connection.
        self._out: list[bytes | memoryview] = []
        self._queued = 0
        self._written = 0
        self._exposed = 0
        self._dot_at = 0

    @property
    def wants_envelope(self) -> bool:
        return self.seated is None and not self.is_over

    @property
    def is_idle(self) -> bool:
        return self.seated is None and self.sending is None

    @property
    def waits_for_server(self) -> bool:
        return bool(self._expected or self._out)

    @property
    def awaited(self) -> Phase:
        """The phase whose reply is awaited; each has its own timeout (RFC 5321 §4.5.3.2)."""
        if self.sending is not None:
            return Phase.DOT if self._exposed > self._dot_at else Phase.BODY
        return Phase.DATA if self._expected and self._expected[0] is _Step.DATA else Phase.MAIL

    def seat(self, message: Message) -> None:
        """Send this message's envelope, now or as soon as the server may hear it."""
        self.seated = message
        self.is_open = False
        self._withheld = False
        self._failure = None
        size = b" SIZE=%d" % len(message.data) if self._size else b""
        if self._needs_reset:
            self._needs_reset = False
            self._commands.append((_Step.RSET, b"RSET\r\n"))
        self._commands.append((_Step.MAIL, b"MAIL FROM:<%b>%b\r\n" % (message.sender.encode("ascii"), size)))
        self._commands.append((_Step.RCPT, b"RCPT TO:<%b>\r\n" % message.recipient.encode("ascii")))
        self._commands.append((_Step.DATA, b"DATA\r\n"))
        self._speak()

    def hand_over(self) -> None:
        """Send the body the server waits for. From the final dot on, the message may be somebody else's."""
        message = self.seated
        if message is None or not self.is_open or self.sending is not None:
            raise RuntimeError("hand_over() without a server that waits for this body")
        data = message.data
        if not message.is_dotless:
            data = data.replace(b"\r\n.", b"\r\n..")
            data = b"." + data if data.startswith(b".") else data
        if not data.endswith(b"\r\n"):
            data += b"\r\n"
        self._push(data)
        self._dot_at = self._queued
        self._push(b".\r\n")
        self._expected.append(_Step.DOT)
        self.sending, self.seated, self.is_open = message, None, False

    def withhold(self) -> None:
        """Drop the seated message without an outcome. After a 354 only closing the connection keeps its body back."""
        self._withheld = True
        if self.is_open:
            self.is_over = True

    def output(self) -> bytes | memoryview:
        """The bytes to write next; empty when there are none."""
        if not self._out:
            return b""
        if len(self._out) > 1:
            self._out = [b"".join(self._out)]
        return self._out[0]

    def expose(self, count: int) -> None:
        """Treat the next ``count`` bytes as possibly sent: the write about to happen may not tell how many left."""
        self._exposed = max(self._exposed, self._written + count)

    def wrote(self, count: int) -> None:
        self._written += count
        self._exposed = max(self._exposed, self._written)
        rest = memoryview(self._out[0])[count:]
        self._out = [rest] if rest else []

    def feed(self, data: bytes, turn: Turn) -> bool:
        """Take the server's bytes; True when at least one reply was complete."""
        incoming = self._incoming + data
        start = 0
        answered = False
        while not self.is_over:
            end = incoming.find(b"\n", start)
            if end < 0:
                break
            line = incoming[start:end].decode("ascii", "replace").rstrip("\r")
            start = end + 1
            code, mark = line[:3], line[3:4]
            if not (code.isdecimal() and "2" <= code[0] <= "5" and mark in {"", " ", "-"}):
                self._end(0, f"not an SMTP reply: {line[:80]}")
                break
            if mark == "-":
                self._text.append(line[4:])
                continue
            text = " ".join((*self._text, line[4:])) if self._text else line[4:]
            self._text = []
            answered = True
            self._answer(int(code), text, turn)
        self._incoming = incoming[start:]
        if len(self._incoming) + sum(map(len, self._text)) > REPLY_LIMIT:
            self._end(0, "an endless SMTP reply")
        return answered

    def lost(self, reason: str, turn: Turn) -> Message | None:
        """Settle what was in flight on a lost connection. Returns the seated message, which is untouched."""
        self.is_over = True
        if self.sending is not None:
            phase = Phase.DOT if self._exposed > self._dot_at else Phase.BODY
            turn.outcomes.append(outcome_of_reply(self.sending.key, phase, text=reason))
            self.sending = None
        seated, self.seated = self.seated, None
        if self.last_words is None:
            self.last_words = (self._seat_phase(), 0, reason)
        if seated is None or self._withheld:
            return None
        if self._failure is not None:
            phase, code, text = self._failure
            turn.outcomes.append(outcome_of_reply(seated.key, phase, code=code, text=text))
            return None
        return seated

    def _speak(self) -> None:
        while self._commands and (self._pipelining or not self._expected):
            step, line = self._commands.popleft()
            self._push(line)
            self._expected.append(step)

    def _push(self, data: bytes) -> None:
        self._out.append(data)
        self._queued += len(data)

    def _end(self, code: int, text: str) -> None:
        self.is_over = True
        if code >= 500:  # it ends the connection and says nothing about the message that happens to be seated
            code, text = 0, f"{code} {text}"
        self.last_words = (self._seat_phase(), code, text)

    def _seat_phase(self) -> Phase:
        """The phase of the seated message, whatever the state of the body ahead of it."""
        if self.is_open:
            return Phase.DATA
        steps = (step for step in self._expected if step is not _Step.DOT)
        return _PHASES[next(steps, _Step.MAIL)]

    def _answer(self, code: int, text: str, turn: Turn) -> None:
        if not self._expected or (code == 421 and self._expected[0] is not _Step.DOT):
            self._end(code, text)  # the server hangs up
            return
        step = self._expected.popleft()
        if step is _Step.DOT:
            self._settle(code, text, turn)
        elif step is _Step.MAIL or step is _Step.RCPT:
            if code // 100 != 2:
                self._fail(_PHASES[step], code, text, turn)
        elif step is _Step.DATA:
            self._answer_data(code, text, turn)
        elif step is _Step.LONE_DOT:
            self._refuse(turn)
        self._speak()

    def _answer_data(self, code: int, text: str, turn: Turn) -> None:
        if code // 100 != 3:
            self._fail(Phase.DATA, code, text, turn)
        elif self._failure is not None:
            self._push(b".\r\n")
            self._expected.append(_Step.LONE_DOT)
        elif self._withheld:
            self.is_over = True
        elif self.seated is not None:
            self.is_open = True
            turn.ready.append(self.seated.key)

    def _settle(self, code: int, text: str, turn: Turn) -> None:
        message, self.sending = self.sending, None
        if message is None:
            return
        # An answer to a body that is not finished refuses it, whatever it says.
        phase = Phase.DOT if self._exposed > self._dot_at else Phase.BODY
        if phase is Phase.BODY or code == 421 or 300 <= code < 400:
            self._end(code, text)
        outcome = outcome_of_reply(message.key, phase, code=code, text=text)
        self.settled += 1
        self.accepted += outcome.kind is OutcomeKind.SENT
        turn.outcomes.append(outcome)

    def _fail(self, phase: Phase, code: int, text: str, turn: Turn) -> None:
        """Note the first refusal of the seated message; it is settled once every command said has its answer."""
        if self._failure is None:
            self._failure = (phase, code, text)
        if self._commands or phase is Phase.DATA:
            self._commands.clear()
            self._needs_reset = True
            self._refuse(turn)

    def _refuse(self, turn: Turn) -> None:
        message, self.seated = self.seated, None
        if message is None or self._failure is None or self._withheld:
            return
        phase, code, text = self._failure
        outcome = outcome_of_reply(message.key, phase, code=code, text=text)
        # At MAIL nobody knows the message yet: "not now", after others were taken, is about this connection.
        is_worn_out = outcome.kind is OutcomeKind.RETRY and phase is Phase.MAIL and self.accepted > 0
        if outcome.kind is OutcomeKind.LIMITED or is_worn_out:
            self.refused.append((message, outcome))
        else:
            turn.outcomes.append(outcome)
