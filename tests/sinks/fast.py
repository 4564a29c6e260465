"""A sink process for benchmarks where Debian's smtp-sink is absent: `python -m tests.sinks.fast --port N --stats FILE`.

Speaks just enough pipelined ESMTP, throws the mail away, and writes connections, messages and bytes to FILE as JSON
when it ends (SIGTERM, SIGINT) and once a second. It parses nothing but line ends and the final dot.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from pathlib import Path

DOT = b"\r\n.\r\n"
EHLO = b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
REPLIES = {
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 Go ahead\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
    b"EHLO": EHLO,
    b"HELO": b"250 sink.example\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
counts = {"connections": 0, "messages": 0, "bytes": 0}


class Sink(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.is_body = False
        self.held = b""
        counts["connections"] += 1
        transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        data = self.held + data if self.held else data
        replies = []
        start = 0
        while start < len(data):
            if self.is_body:
                end = data.find(DOT, start)
                if end < 0:  # keep only what may be the beginning of the end
                    keep = max(start, len(data) - len(DOT) + 1)
                    counts["bytes"] += keep - start
                    start = keep
                    break
                counts["bytes"] += end + 2 - start
                counts["messages"] += 1
                start = end + len(DOT)
                self.is_body = False
                replies.append(b"250 2.0.0 Ok: queued\r\n")
                continue
            end = data.find(b"\r\n", start)
            if end < 0:
                break
            verb = data[start : start + 4].upper()
            start = end + 2
            replies.append(REPLIES.get(verb, b"500 5.5.2 Error\r\n"))
            self.is_body = verb == b"DATA"
            if verb == b"QUIT":
                self.transport.write(b"".join(replies))
                self.transport.close()
                return
        self.held = data[start:]
        if replies:
            self.transport.write(b"".join(replies))


async def serve(host: str, port: int, stats: Path | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(Sink, host, port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
        if stats is not None:
            partial = stats.with_suffix(".partial")
            partial.write_text(json.dumps(counts))
            partial.replace(stats)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--stats", type=Path)
    args = parser.parse_args()
    asyncio.run(serve(args.host, args.port, args.stats))


if __name__ == "__main__":
    main()
