"""The other end of the wire, in processes of their own: a sink, the yardstick that fills it, a relay far away.

In: nothing but what Debian's postfix brings (smtp-sink, smtp-source) or, without it, our own sink. Out: a port to send
to. All on loopback; everything started ends with us.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil

from tests.services import die_with_parent, free_port

SESSIONS = 16
PATIENCE_SECONDS = 20


def tool(name: str) -> str | None:
    """Debian keeps postfix's tools where only root looks."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


class Sink:
    """smtp-sink where there is one, else tests.sinks.fast; or a relay somebody else has listening on loopback."""

    def __init__(self, process: subprocess.Popen[bytes] | None, *, name: str, port: int) -> None:
        self._process, self.name, self.port = process, name, port

    def cpu_seconds(self) -> float:
        if self._process is None:
            return 0.0
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def open_sink(port: int = 0) -> Iterator[Sink]:
    if port:
        yield Sink(None, name=f"port {port}", port=port)
        return
    port, binary = free_port(), tool("smtp-sink")
    command = [sys.executable, "-m", "tests.sinks.fast", "--port", str(port)]
    account: dict[str, Any] = {}
    if binary:
        command = [binary, f"127.0.0.1:{port}", "1000"]
        account = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    with _running(command, port=port, **account) as process:
        yield Sink(process, name="smtp-sink" if binary else "tests.sinks.fast", port=port)


@contextlib.contextmanager
def far_away(sink: Sink, *, round_trip: float) -> Iterator[int]:
    """The port of the same sink behind a delay."""
    port = free_port()
    command = [sys.executable, "-m", "tests.sinks.proxy", "--listen", str(port), "--to", str(sink.port)]
    with _running([*command, "--delay", str(round_trip / 2)], port=port):
        yield port


def smtp_source(sink: Sink, *, count: int, size: int, keeps_open: bool) -> float | None:
    """Messages a second of postfix's own load generator; None where it is not installed.

    By itself it opens a connection for every message; with ``keeps_open`` it does as we do.
    """
    binary = tool("smtp-source")
    if binary is None:
        return None
    began = time.perf_counter()
    subprocess.run(
        [
            *(binary, *(["-d"] if keeps_open else []), "-s", str(SESSIONS), "-m", str(count), "-l", str(size)),
            *("-f", "digest@papers.example.org", "-t", "reader@mail1.example", f"127.0.0.1:{sink.port}"),
        ],
        check=True,
        timeout=600,
    )
    return count / (time.perf_counter() - began)


@contextlib.contextmanager
def _running(command: list[str], *, port: int, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent(signal.SIGTERM),
        **options,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} does not listen on port {port}")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
