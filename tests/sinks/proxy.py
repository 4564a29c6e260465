"""A TCP proxy that misbehaves on request, to put between us and a server: delay, drop, reset, half-open, cut after N.

In tests `with FaultyProxy(port, delay=0.01) as proxy`; for benchmarks
`python -m tests.sinks.proxy --listen N --to PORT --delay 0.010` (delay is each way: 0.010 makes 20 ms a round trip).
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


@dataclass
class FaultyProxy:
    """Attributes may be changed while it runs; they hold for what comes after."""

    target: int
    host: str = "127.0.0.1"
    port: int = 0
    delay: float = 0.0  # seconds, each way
    cut_after: int = -1  # hang up once so many bytes of one connection have gone towards the server
    is_refusing: bool = False  # accept and hang up at once
    connections: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self.start())
        return self

    def __exit__(self, *exc: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def drop_all(self) -> None:
        """Close every connection the ordinary way (FIN)."""
        self._run(self._end_all(is_reset=False))

    def reset_all(self) -> None:
        """Tear every connection down (RST)."""
        self._run(self._end_all(is_reset=True))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def hang(self) -> None:
        """Let the connections that stand now swallow everything and say nothing: half-open ones. New ones work."""
        self._hung |= self._pairs

    async def start(self) -> None:
        self._pairs: set[_Side] = set()
        self._hung: set[_Side] = set()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Side(self, None), self.host, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        await self._end_all(is_reset=False)

    async def _end_all(self, *, is_reset: bool) -> None:
        for side in list(self._pairs):
            side.end(is_reset=is_reset)


class _Side(asyncio.Protocol):
    """One half of a connection: what it hears, it makes its peer say, ``delay`` later."""

    def __init__(self, proxy: FaultyProxy, peer: _Side | None) -> None:
        self.proxy = proxy
        self.peer = peer
        self.is_towards_server = peer is None
        self.transport: asyncio.Transport | None = None
        self.passed = 0
        self.early: list[bytes] = []  # heard before the peer was connected
        self.late: deque[tuple[float, bytes | None]] = deque()  # None: the end of the stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.proxy._pairs.add(self)
        if self.peer is None:
            self.proxy.connections += 1
            if self.proxy.is_refusing:
                transport.close()
            else:
                self.dialling = asyncio.ensure_future(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, peer = await loop.create_connection(lambda: _Side(self.proxy, self), "127.0.0.1", self.proxy.target)
        except OSError:
            self.end(is_reset=True)
            return
        self.peer = peer
        for data in self.early:
            self._pass_on(data)

    def data_received(self, data: bytes) -> None:
        if self in self.proxy._hung:
            return
        if self.peer is None:
            self.early.append(data)
            return
        if self.is_towards_server and self.proxy.cut_after >= 0:
            room = self.proxy.cut_after - self.passed
            if len(data) >= room:
                self._pass_on(data[: max(0, room)])
                self._pass_on(None)
                return
        self.passed += len(data)
        self._pass_on(data)

    def _pass_on(self, data: bytes | None) -> None:
        if self.proxy.delay <= 0 and not self.late:
            self._say(data)
            return
        self.late.append((time.monotonic() + self.proxy.delay, data))
        if len(self.late) == 1:
            asyncio.get_running_loop().call_later(self.proxy.delay, self._say_late)

    def _say_late(self) -> None:
        now = time.monotonic()
        while self.late and self.late[0][0] <= now + 0.0005:
            self._say(self.late.popleft()[1])
        if self.late:
            asyncio.get_running_loop().call_later(max(0.0, self.late[0][0] - now), self._say_late)

    def _say(self, data: bytes | None) -> None:
        if data is None:
            self.end(is_reset=False)
        elif self.peer is not None and self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.proxy._pairs.discard(self)
        if self.peer is not None and self.peer.transport is not None and not self.peer.transport.is_closing():
            self._pass_on(None)

    def end(self, *, is_reset: bool) -> None:
        for side in (self, self.peer):
            if side is None or side.transport is None:
                continue
            if is_reset:
                sock = side.transport.get_extra_info("socket")
                if sock is not None and sock.fileno() >= 0:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.transport.abort()
            else:
                side.transport.close()


async def _serve(proxy: FaultyProxy) -> None:
    await proxy.start()
    print(proxy.port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, default=0)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.010)
    args = parser.parse_args()
    asyncio.run(_serve(FaultyProxy(args.to, port=args.listen, delay=args.delay)))


if __name__ == "__main__":
    main()
