"""A site that is up stays up: slow and endless request bodies, against gunicorn as the image starts it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from newsletter.views import request_body_limits
from tests.processes import ROOT, Program
from tests.services import free_port

SLOW = 20  # connections; the image has sixteen threads


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Gunicorn by the command of the Dockerfile, on a port of its own; the proxies' header says who asks."""
    port = free_port()
    command = re.search(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert command
    arguments = [f"127.0.0.1:{port}" if part == "0.0.0.0:8000" else part for part in json.loads(command[1])]
    folder: Path = tmp_path_factory.mktemp("gunicorn")
    program = Program(
        "gunicorn",
        ["-m", *arguments],
        env={"DEBUG": "1", "TRUSTED_PROXY_COUNT": "1", "DATABASE_URL": f"sqlite:///{folder / 'none.sqlite3'}"},
        folder=folder,
        ready="Booting worker with pid",
    )
    program.start()
    try:
        for _ in range(100):
            with suppress(OSError):
                if status(port, "GET", "/healthz") == 200:
                    break
            time.sleep(0.1)
        yield port
    finally:
        program.terminate()


def status(port: int, method: str, path: str, *, body: bytes | None = None, client: str = "198.51.100.7") -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request(method, path, body=body, headers={"X-Forwarded-For": client, "Host": "localhost"})
        return connection.getresponse().status


def begin(port: int, *, headers: str = "Content-Length: 100000", client: str = "203.0.113.1") -> socket.socket:
    slow = socket.create_connection(("127.0.0.1", port), timeout=30)
    slow.sendall(
        f"POST /subscribe/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n{headers}\r\n\r\na".encode()
    )
    return slow


def test_slow_bodies_of_one_network_stop_neither_pages_nor_other_peoples_forms(port: int) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(begin(port)) for _ in range(SLOW)]
        stop = threading.Event()
        stack.callback(stop.set)
        threading.Thread(target=_drip, args=(held, stop), daemon=True).start()
        time.sleep(0.5)
        for _ in range(20):
            assert status(port, "GET", "/healthz") == 200
            assert status(port, "POST", "/healthz/", body=b"email=a%40example.org") not in {408, 503}


def test_a_network_that_sends_slowly_is_answered_in_words_and_let_go(port: int) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(begin(port)) for _ in range(SLOW)]
        began = time.monotonic()
        answers = [_first_line(each) for each in held]
        assert {answer.split(b" ")[1] for answer in answers} == {b"408", b"503"}
        assert time.monotonic() - began < 3 * request_body_limits.SECONDS
    assert status(port, "POST", "/healthz/", body=b"a=b", client="203.0.113.1") not in {408, 503}


def test_bodies_from_many_networks_leave_threads_for_pages(port: int) -> None:
    with ExitStack() as stack:
        for number in range(SLOW):
            stack.enter_context(begin(port, client=f"10.0.{number}.1"))
        for _ in range(20):
            assert status(port, "GET", "/healthz") == 200


@pytest.mark.parametrize("headers", ["Content-Length: 999999999", "Content-Length: 99999999999999999999999999"])
def test_a_body_that_no_form_needs_is_refused_unread(port: int, headers: str) -> None:
    with begin(port, headers=headers) as connection:
        began = time.monotonic()
        assert b" 413 " in _first_line(connection)
        assert time.monotonic() - began < request_body_limits.SECONDS / 2


def test_an_endless_body_in_pieces_is_cut(port: int) -> None:
    with begin(port, headers="Transfer-Encoding: chunked") as connection:
        with suppress(OSError):
            connection.sendall(b"\r\n")
            for _ in range(4 * request_body_limits.BYTES // 65_536):
                connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        with suppress(OSError):
            assert _first_line(connection)[9:12] in {b"413", b"400", b""}
    assert status(port, "GET", "/healthz") == 200


def _drip(held: list[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(0.3):
        for each in held:
            with suppress(OSError):
                each.sendall(b"a")


def _first_line(connection: socket.socket) -> bytes:
    return connection.makefile("rb").readline()
