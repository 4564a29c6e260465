"""A web server on loopback that answers as told: one reply after the other for each path, the last one for ever."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Reply:
    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    claims: int | None = None  # a Content-Length that is not true: the connection closes early


class Replay:
    def __init__(self, address: str) -> None:
        self.address = address
        self.replies: dict[str, list[Reply]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, str]]] = []  # (path, headers in lower case)
        self.posted: list[bytes] = []

    def url(self, path: str) -> str:
        return f"http://{self.address}{path}"

    def on(self, path: str, *replies: Reply) -> str:
        self.replies[path] = list(replies)
        return self.url(path)


@contextmanager
def replaying() -> Iterator[Replay]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            replay.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            waiting = replay.replies[self.path.partition("?")[0]]
            reply = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else Reply(status=404)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body) if reply.claims is None else reply.claims))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.claims is not None:
                self.close_connection = True

        def do_POST(self) -> None:
            replay.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    replay = Replay(f"127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
