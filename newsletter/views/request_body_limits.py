"""Limits on reading the body of a request: its size, its duration, and how many are read at once.

In: requests as gunicorn hands them over, one thread each, whose body may come a byte a minute. Out: the same requests
with the whole body in memory, or 413 (too long), 408 (too slow), 503 (too many bodies are being read). Most threads
are never tied up by bodies, so pages and /healthz answer whatever slow clients do. A proxy that reads bodies first, as
nginx does, makes this idle (docs/operations.md).
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from subscriptions.addresses import client_address, network_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

SECONDS = 8.0  # for a whole body
BYTES = 8 * 2**20  # a reader's library with abstracts; of a form Django takes 2.5 MB (DATA_UPLOAD_MAX_MEMORY_SIZE)
AT_ONCE = 4  # of the eight threads that gunicorn has in each process
AT_ONCE_OF_ONE_NETWORK = 2
_PIECE = 16_384


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class ReadBodiesFirst:
    """WSGI middleware that reads each body before it calls the application."""

    def __init__(self, application: Application, *, trusted_proxies: int, seconds: float = SECONDS) -> None:
        self._application = application
        self._trusted_proxies = trusted_proxies
        self._seconds = seconds
        self._reading: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._cutter = _Cutter()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        connection = environ.get("gunicorn.socket")
        is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if connection is None or not (is_chunked or environ.get("CONTENT_LENGTH", "") not in {"", "0"}):
            return self._application(environ, start_response)
        try:
            body = self._read(environ, connection)
        except _Refused as refused:
            with suppress(OSError):  # read no more of it, or the thread would wait for the rest
                connection.shutdown(socket.SHUT_RD)
            return _answer(start_response, refused)
        environ["wsgi.input"] = io.BytesIO(body)
        if is_chunked:
            environ["CONTENT_LENGTH"] = str(len(body))
        return self._application(environ, start_response)

    def _read(self, environ: WSGIEnvironment, connection: socket.socket) -> bytes:
        length = environ.get("CONTENT_LENGTH", "")
        if length.isdecimal() and int(length[:20]) > BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send at most {BYTES} bytes.")
        client = client_address(
            environ.get("REMOTE_ADDR", ""),
            environ.get("HTTP_X_FORWARDED_FOR", ""),
            trusted_proxies=self._trusted_proxies,
        )
        network = network_of(client)
        with self._lock:
            if self._reading.total() >= AT_ONCE or self._reading[network] >= AT_ONCE_OF_ONE_NETWORK:
                raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too much is being sent at the moment. Try again.")
            self._reading[network] += 1
        cut = self._cutter.cut_off(connection, after=self._seconds)
        try:
            return _whole(environ["wsgi.input"], length=int(length) if length.isdecimal() else None)
        finally:
            self._cutter.leave(cut)
            with self._lock:
                self._reading[network] -= 1
                if not self._reading[network]:
                    del self._reading[network]


def _whole(stream: Any, *, length: int | None) -> bytes:
    pieces, size = [], 0
    while length is None or size < length:
        try:
            piece = stream.read(_PIECE if length is None else min(_PIECE, length - size))
        except (OSError, EOFError) as error:
            raise _Refused(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive. Send it again.") from error
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        if size > BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send at most {BYTES} bytes.")
    if length is not None and size < length:
        raise _Refused(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive. Send it again.")
    return b"".join(pieces)


def _answer(start_response: StartResponse, refused: _Refused) -> list[bytes]:
    body = f"{refused.sentence}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(int(SECONDS))))
    start_response(f"{refused.status.value} {refused.status.phrase}", [*headers, ("Cache-Control", "no-store")])
    return [body]


class _Cutter:
    """A thread that shuts down connections whose time is up; a blocked read then returns nothing."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, socket.socket]] = {}
        self._changed = threading.Condition()
        self._last = 0
        self._thread: threading.Thread | None = None

    def cut_off(self, connection: socket.socket, *, after: float) -> int:
        with self._changed:
            if self._thread is None:  # not before: gunicorn forks after the application is loaded
                self._thread = threading.Thread(target=self._watch, name="slow-bodies", daemon=True)
                self._thread.start()
            self._last += 1
            self._waiting[self._last] = (time.monotonic() + after, connection)
            self._changed.notify()
            return self._last

    def leave(self, number: int) -> None:
        with self._changed:
            self._waiting.pop(number, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for number, (until, connection) in list(self._waiting.items()):
                    if until <= now:
                        del self._waiting[number]
                        with suppress(OSError):
                            connection.shutdown(socket.SHUT_RD)
                nearest = min((until for until, _connection in self._waiting.values()), default=None)
                self._changed.wait(None if nearest is None else max(0.0, nearest - now))
