"""A mail relay that takes its time and, when told to, hangs up in any phase, refuses, defers, greylists.

In: SMTP on loopback, with PIPELINING. Out: `accepted`, the truth about who received what. A message counts from its
final dot on, before the reply to it leaves: what happens to the reply is the sender's problem, as it is in life.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

EHLO = "250-relay.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES"
# What may go wrong, each by the moment at which it does.
FAULTS = (
    "refuse connections",
    "drop at MAIL",
    "drop after RCPT",
    "drop in DATA",
    "drop after the dot",
    "421 between mails",
    "4xx at RCPT",
    "4xx after the dot",
    "5xx at RCPT",
    "slow",
    "greylisting",
    "4xx to everything",
    "too many messages in a connection",
    "too much mail",
    "sender refused with 5.1.0",
)
PER_CONNECTION = 5  # messages, when the relay limits them


@dataclass(frozen=True)
class Accepted:
    recipient: str
    message_id: str
    at: float  # time.time(): the same clock as PostgreSQL's on this machine


@dataclass
class Relay:
    """Change `pace` and `fault` while it runs; they hold for what comes after."""

    pace: tuple[float, float] = (0.0, 0.0)  # seconds from the final dot to its reply, at least and at most
    fault: str = ""
    share: float = 1.0  # of the occasions, how many the fault hits
    seed: int = 0
    port: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # recipients that got a 5xx
    cut_in_flight: int = 0  # connections we dropped between a 354 and the reply to its final dot
    connections: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._seen: set[str] = set()  # by greylisting
        self._talks: set[_Talk] = set()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *exc: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def misbehaving(self, fault: str, *, share: float = 1.0) -> Iterator[None]:
        assert fault in FAULTS, fault
        self.fault, self.share = fault, share
        try:
            yield
        finally:
            self.fault = ""

    def drop_everybody(self) -> None:
        """As if the relay's machine was switched off: every connection ends at once, whatever was being said."""
        self._run(self._close_all())

    def received(self) -> dict[str, int]:
        """Recipient -> how many mails it got."""
        counts: dict[str, int] = {}
        for mail in list(self.accepted):
            counts[mail.recipient] = counts.get(mail.recipient, 0) + 1
        return counts

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 22, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._close_all()

    async def _close_all(self) -> None:
        for talk in list(self._talks):
            self.cut_in_flight += talk.is_in_flight
            talk.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = _Talk(self, reader, writer)
        self._talks.add(talk)
        self.connections += 1
        try:
            await talk.run()
        except _HangUp:
            self.cut_in_flight += talk.is_in_flight
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender is gone
        finally:
            self._talks.discard(talk)
            writer.close()

    def strikes(self, *faults: str) -> bool:
        """Whether one of these is going on and hits now."""
        return self.fault in faults and self._chance.random() < self.share

    def is_first_try(self, recipient: str) -> bool:
        if recipient in self._seen:
            return False
        self._seen.add(recipient)
        return True

    def delay(self) -> float:
        slow = 3.0 if self.fault == "slow" else 1.0
        return self._chance.uniform(*self.pace) * slow

    def accept(self, recipient: str, body: bytes) -> None:
        head = body[: body.find(b"\r\n\r\n")].decode("ascii", "replace")
        ids = [line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith("message-id:")]
        self.accepted.append(Accepted(recipient, ids[0] if ids else "", time.time()))


class _HangUp(Exception):
    pass


class _Talk:
    """One connection."""

    def __init__(self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.relay, self.reader, self.writer = relay, reader, writer
        self.has_sender = False
        self.recipient = ""
        self.is_in_flight = False
        self.taken = 0

    async def run(self) -> None:
        if self.relay.strikes("refuse connections"):
            raise _HangUp
        await self.say("220 relay.example ESMTP")
        while line := (await self.reader.readline()).decode("ascii", "replace").rstrip("\r\n"):
            verb = line[:4].upper()
            if verb == "EHLO":
                await self.say(EHLO)
            elif verb == "MAIL":
                await self.mail()
            elif verb == "RCPT":
                await self.rcpt(line.split("<")[1].split(">")[0])
            elif verb == "DATA":
                await self.data()
            elif verb == "RSET":
                self.has_sender, self.recipient = False, ""
                await self.say("250 2.0.0 ok")
            elif verb == "QUIT":
                await self.say("221 2.0.0 bye")
                return
            else:
                await self.say("502 5.5.1 no")

    async def mail(self) -> None:
        if self.relay.strikes("drop at MAIL"):
            raise _HangUp
        if self.relay.strikes("421 between mails"):
            await self.say("421 4.3.2 shutting down")
            raise _HangUp
        if self.taken >= PER_CONNECTION and self.relay.strikes("too many messages in a connection"):
            await self.say("452 4.5.3 too many messages in this connection")
        elif self.relay.strikes("too much mail"):
            await self.say("450 4.7.1 Error: too much mail")
        elif self.relay.strikes("4xx to everything"):
            await self.say("451 4.3.0 not now")
        else:
            self.has_sender = True
            await self.say("250 2.1.0 ok")

    async def rcpt(self, recipient: str) -> None:
        if not self.has_sender:
            await self.say("503 5.5.1 MAIL first")
        elif self.relay.strikes("4xx at RCPT"):
            await self.say("451 4.3.0 try again later")
        elif self.relay.strikes("5xx at RCPT"):
            self.relay.refused.add(recipient)
            await self.say("550 5.7.1 we do not want this")
        elif self.relay.strikes("sender refused with 5.1.0"):
            self.relay.refused.add(recipient)
            await self.say("550 5.1.0 <digest@papers.example.org> sender rejected")
        elif self.relay.strikes("greylisting") and self.relay.is_first_try(recipient):
            await self.say("450 4.7.1 greylisted, come back")
        else:
            self.recipient = recipient
            await self.say("250 2.1.5 ok")
        if self.relay.strikes("drop after RCPT"):
            raise _HangUp

    async def data(self) -> None:
        if not self.recipient:
            await self.say("554 5.5.1 no valid recipients")
            return
        recipient, self.recipient, self.has_sender = self.recipient, "", False
        await self.say("354 go ahead")
        self.is_in_flight = True
        if self.relay.strikes("drop in DATA"):
            await self.reader.read(1000)
            raise _HangUp
        body = await self.reader.readuntil(b"\r\n.\r\n")
        if self.relay.strikes("4xx after the dot"):
            await self.say("452 4.3.1 insufficient storage")
            self.is_in_flight = False
            return
        is_dropped = self.relay.strikes("drop after the dot")
        if not is_dropped or self.relay._chance.random() < 0.5:  # one half of the doubtful ones did arrive
            self.relay.accept(recipient, body)
        if is_dropped:
            raise _HangUp
        await asyncio.sleep(self.relay.delay())
        await self.say("250 2.0.0 queued")
        self.is_in_flight = False
        self.taken += 1

    async def say(self, text: str) -> None:
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()
