"""A program elsewhere that takes webhooks, on loopback: it answers each POST as told and keeps what it got."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def is_signed_with(self, secret: str) -> bool:
        """As docs/webhooks.md tells receivers to check it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        versions = [one.partition(",") for one in self.headers["webhook-signature"].split()]
        return any(version == "v1" and hmac.compare_digest(value, wanted) for version, _comma, value in versions)


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Callable[[], Iterator[bytes]] = b"thank you"
    holds: bool = False  # says nothing until the test is over


class Receiver:
    """Answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer()]
        self.got: list[Got] = []
        self.asked = threading.Condition()
        self.is_over = threading.Event()
        self.url = ""

    def will(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def wait_for(self, number: int, *, timeout: float = 30) -> Sequence[Got]:
        with self.asked:
            assert self.asked.wait_for(lambda: len(self.got) >= number, timeout), self.got
        return self.got

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with receiver.asked:
                receiver.got.append(Got(self.path, headers, body))
                answer = receiver.next_answer()
                receiver.asked.notify_all()
            if answer.holds:
                receiver.is_over.wait(60)
                self.close_connection = True
                return
            with suppress(OSError):  # who reads no further hangs up
                self._say(answer)

        def _say(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if isinstance(answer.body, bytes):
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
                return
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for chunk in answer.body():
                self.wfile.write(chunk)
                if receiver.is_over.is_set():
                    return

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()
