"""Measures the fast lane alone: `python -m tests.sinks.measure --port N [--connections 16] [--messages 20000]`.

Every message is released as soon as it is ready, as delivery does after marking its rows. Prints rate and CPU.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter

from newsletter.delivery.transports import Message
from newsletter.delivery.transports.smtp_handshake import Relay
from newsletter.delivery.transports.smtp_transport import SmtpTransport

LINE = b"A paragraph of a digest, as long as quoted-printable lets a line become =\r\n"


def make_message(key: int, *, size: int) -> Message:
    head = b"From: digest@papers.example.org\r\nTo: reader%d@example.net\r\nSubject: %d\r\n\r\n" % (key, key)
    return Message(key, f"b+{key}@papers.example.org", f"reader{key}@example.net", head + LINE * (size // len(LINE)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=40_000)
    args = parser.parse_args()
    lane = SmtpTransport(Relay(host=args.host, port=args.port), connections=args.connections)
    stock = make_message(0, size=args.size)
    began, cpu_began = time.perf_counter(), time.process_time()
    queued = settled = 0
    kinds: Counter[str] = Counter()
    while settled < args.messages:
        room = min(lane.capacity(), args.messages - queued)
        # A fresh body for each, as composing makes them: nothing is won by a warm cache.
        lane.enqueue(
            [
                Message(queued + i, stock.sender, stock.recipient, b"X: %06d\r\n" % (queued + i) + stock.data)
                for i in range(room)
            ]
        )
        queued += room
        turn = lane.poll(1.0)
        lane.release(turn.ready)
        settled += len(turn.outcomes)
        kinds.update(outcome.kind for outcome in turn.outcomes)
    seconds = time.perf_counter() - began
    cpu = time.process_time() - cpu_began
    lane.close()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{settled / seconds:,.0f} messages/s, {cpu / settled * 1000:.3f} ms CPU a message, {rss:.0f} MB, {dict(kinds)}"
    )


if __name__ == "__main__":
    main()
