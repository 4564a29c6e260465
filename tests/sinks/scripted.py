"""An SMTP server for tests that does as it is told: answer anything at any phase, hang up, be slow, offer little.

Runs an asyncio loop in a thread of its own on a loopback port. Delivered messages are kept, un-stuffed, in `mails`.
A rule is looked up for each command: `server.on("RCPT", reply="550 5.1.1 no such user", times=1)`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine
    from typing import Any


@dataclass
class Rule:
    """What to do when ``phase`` comes: CONNECT EHLO STARTTLS AUTH MAIL RCPT DATA BODY DOT or a bare verb."""

    phase: str
    reply: str = ""  # instead of the usual one; may hold several lines
    drop: str = ""  # "before" the reply, "after" it, or "reset" (RST) instead of it
    delay: float = 0.0
    times: int = -1  # how often the rule applies; -1: always
    match: str = ""  # only when the command line holds this
    after: int = 0  # only once the connection has had so many messages accepted
    every: int = 1  # only each n-th time that all else fits
    met: int = 0


@dataclass
class Mail:
    sender: str
    recipient: str
    data: bytes


@dataclass
class ScriptedServer:
    extensions: tuple[str, ...] = ("PIPELINING", "SIZE 10240000", "8BITMIME", "ENHANCEDSTATUSCODES")
    tls: ssl.SSLContext | None = None  # offers STARTTLS
    implicit_tls: bool = False
    credentials: tuple[str, str] | None = None  # requires AUTH
    mails: list[Mail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)  # as heard, in order, of all connections
    early: list[str] = field(default_factory=list)  # commands heard before the reply they should have waited for
    connections: int = 0
    rules: list[Rule] = field(default_factory=list)
    port: int = 0

    def on(self, phase: str, **what: Any) -> Self:
        self.rules.append(Rule(phase, **what))
        return self

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *exc: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def pause(self) -> None:
        """Stop listening; connections that are open live on."""
        self._run(self._unlisten())

    def resume(self) -> None:
        self._run(self._start())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        context = self.tls if self.implicit_tls else None
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=context, limit=1 << 20, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _unlisten(self) -> None:
        self._server.close()

    async def _stop(self) -> None:
        """End all conversations, also those of connections that were accepted this very moment."""
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.sleep(0)  # each begins before it ends, and so closes what it opened
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._server.close()
        await asyncio.sleep(0)  # for the transports to close

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await _Talk(self, reader, writer).run()
        except (_HangUp, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def rule_for(self, phase: str, line: str, *, accepted: int) -> Rule | None:
        for rule in self.rules:
            if rule.phase == phase and rule.times != 0 and rule.match in line and rule.after <= accepted:
                rule.met += 1
                if rule.met % rule.every == 0:
                    rule.times -= 1
                    return rule
        return None


class _HangUp(Exception):
    pass


class _Talk:
    def __init__(self, server: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.sender = self.recipient = ""
        self.is_secure = server.implicit_tls
        self.is_known = server.credentials is None
        self.accepted = 0

    async def run(self) -> None:
        await self.answer("CONNECT", "220 sink.example ESMTP")
        while line := (await self.reader.readline()).decode("ascii", "replace").rstrip("\r\n"):
            self.server.commands.append(line)
            # Without PIPELINING a client must wait: anything already here was sent too early.
            if "PIPELINING" not in self.server.extensions and self.reader._buffer:  # type: ignore[attr-defined]
                self.server.early.append(line)
            verb = line.split(":")[0].split()[0].upper()
            await getattr(self, f"on_{verb.lower()}", self.on_unknown)(line)

    async def answer(self, phase: str, usual: str, line: str = "", *, accepting: Mail | None = None) -> bool:
        """Reply by rule or as usual; True when the usual reply went out. A mail is kept before it is acknowledged."""
        rule = self.server.rule_for(phase, line, accepted=self.accepted)
        if accepting is not None and (rule is None or (not rule.reply and rule.drop in {"", "after"})):
            self.server.mails.append(accepting)
            self.accepted += 1
        if rule is None:
            await self.say(usual)
            return True
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.drop == "reset":
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
            raise _HangUp
        if rule.drop == "before":
            raise _HangUp
        await self.say(rule.reply or usual)
        if rule.drop == "after":
            raise _HangUp
        return not rule.reply

    async def say(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()

    async def on_ehlo(self, line: str) -> None:
        offers = [*self.server.extensions]
        if self.server.tls is not None and not self.is_secure:
            offers.append("STARTTLS")
        if self.server.credentials is not None:
            offers.append("AUTH PLAIN")
        lines = ["sink.example", *offers]
        await self.answer("EHLO", "\n".join([f"250-{x}" for x in lines[:-1]] + [f"250 {lines[-1]}"]), line)

    async def on_helo(self, line: str) -> None:
        await self.answer("EHLO", "250 sink.example", line)

    async def on_starttls(self, line: str) -> None:
        if await self.answer("STARTTLS", "220 go ahead", line) and self.server.tls is not None:
            await self.writer.start_tls(self.server.tls)
            self.is_secure = True

    async def on_auth(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split()[-1]).decode().split("\0")
        if (user, password) == self.server.credentials:
            self.is_known = await self.answer("AUTH", "235 2.7.0 welcome", line)
        else:
            await self.answer("AUTH", "535 5.7.8 authentication failed", line)

    async def on_mail(self, line: str) -> None:
        if not self.is_known:
            await self.say("530 5.7.0 authenticate first")
        elif self.sender:
            await self.say("503 5.5.1 nested MAIL")
        elif await self.answer("MAIL", "250 2.1.0 ok", line):
            self.sender = line.split("<")[1].split(">")[0]

    async def on_rcpt(self, line: str) -> None:
        if not self.sender:
            await self.say("503 5.5.1 MAIL first")
        elif await self.answer("RCPT", "250 2.1.5 ok", line):
            self.recipient = line.split("<")[1].split(">")[0]

    async def on_data(self, line: str) -> None:
        if not self.recipient:
            # Some servers refuse, others let the client go ahead and refuse what comes (RFC 2920 §3.1).
            if "GENEROUS-DATA" not in self.server.extensions:
                await self.say("554 5.5.1 no valid recipients")
                return
            await self.say("354 go ahead")
        elif not await self.answer("DATA", "354 go ahead", line):
            return
        await self.take_body()

    async def take_body(self) -> None:
        body = bytearray()
        rule = self.server.rule_for("BODY", "", accepted=self.accepted)
        while True:
            piece = await self.reader.readline()
            if not piece:
                raise _HangUp
            if piece == b".\r\n":
                break
            body += piece[1:] if piece.startswith(b".") else piece
            if rule is not None and len(body) > 100:
                if rule.reply:
                    await self.say(rule.reply)
                raise _HangUp
        mail = Mail(self.sender, self.recipient, bytes(body))
        self.sender = self.recipient = ""
        if not mail.recipient:
            await self.say("554 5.5.1 no valid recipients")
        else:
            await self.answer("DOT", "250 2.0.0 queued as 4F2A", mail.recipient, accepting=mail)

    async def on_rset(self, line: str) -> None:
        self.sender = self.recipient = ""
        await self.say("250 2.0.0 ok")

    async def on_noop(self, line: str) -> None:
        await self.say("250 2.0.0 ok")

    async def on_quit(self, line: str) -> None:
        with contextlib.suppress(ConnectionError):
            await self.say("221 2.0.0 bye")
        raise _HangUp

    async def on_unknown(self, line: str) -> None:
        await self.say("500 5.5.2 what?")
