"""The program of docs/chat.md, run as it stands there: a real message of ours becomes one of the chat's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django.fixtures import Settings

from newsletter.delivery.webhooks.signature import signed_headers
from newsletter.models import Edition
from tests.builders import NOON, make_edition, make_paper
from tests.processes import ROOT
from tests.receiver import Receiver, receiving
from tests.services import die_with_parent, free_port
from tests.test_webhooks import SECRET, endpoint_at, tell

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
TITLE = "Eyes & <b>Ears</b> of *Robots* [2]"


def code_of(page: str) -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), flags=re.M | re.S)
    return str(code)


class Chat(HTTPServer):
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Message)


class _Message(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.command, self.path, self.headers.get("Authorization", ""), body))
        self.send_response(self.server.status)
        self.end_headers()

    do_PUT = do_POST

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def bridge(kind: str, chat: Chat, folder: Path) -> Iterator[str]:
    (folder / "check.py").write_text(code_of("docs/webhooks.md").replace("whsec_…", SECRET))
    (folder / "bridge.py").write_text(code_of("docs/chat.md"))
    port = free_port()
    env = {
        **os.environ, "CHAT": kind, "CHAT_URL": f"http://127.0.0.1:{chat.server_port}/hook",
        "CHAT_TOKEN": "bot" if kind == "matrix" else "", "PORT": str(port),
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "bridge.py"], cwd=folder, env=env, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent(15)
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}/"
            transport = httpx.HTTPTransport(retries=8)  # until it listens
            with httpx.Client(transport=transport) as client:
                client.get(url)
            yield url
        finally:
            process.terminate()


@pytest.fixture
def message(settings: Settings) -> bytes:
    """What Paperboy posts of an edition of seven papers."""
    settings.DEBUG = settings.WEBHOOK_PRIVATE_TARGETS = True
    papers = [make_paper(title=TITLE if number == 0 else f"Paper {number}") for number in range(7)]
    make_edition(papers=papers, state=Edition.State.DONE, frozen_at=NOON, done_at=NOON)
    server: Receiver
    with receiving() as server:
        endpoint_at(server.url)
        tell()
        return server.got[0].body


def send(url: str, body: bytes, *, uid: str = "msg_1", secret: str = SECRET) -> int:
    headers = signed_headers(body, uid=uid, at=datetime.now(UTC), secrets=[secret])
    return httpx.post(url, content=body, headers=headers, timeout=30).status_code


def test_slack_gets_links_and_no_markup_of_a_title(chat: Chat, message: bytes, tmp_path: Path) -> None:
    with bridge("slack", chat, tmp_path) as url:
        assert send(url, message) == 200
        assert send(url, message) == 200  # the same message again
    ((method, path, _token, said),) = chat.got
    assert (method, path) == ("POST", "/hook")
    assert "7 papers, 2026-03-18" in said["text"]
    assert "|Eyes &amp; &lt;b&gt;Ears&lt;/b&gt; of *Robots* [2]>" in said["text"]
    assert len(said["text"].splitlines()) == 6


def test_discord_gets_markdown_that_calls_nobody(chat: Chat, message: bytes, tmp_path: Path) -> None:
    with bridge("discord", chat, tmp_path) as url:
        assert send(url, message) == 200
    ((_method, _path, _token, said),) = chat.got
    assert said["allowed_mentions"] == {"parse": []}
    assert r"[Eyes & \<b\>Ears\</b\> of \*Robots\* \[2\]](<" in said["content"]
    assert len(said["content"]) <= 2000


def test_matrix_gets_html_once_by_its_own_id(chat: Chat, message: bytes, tmp_path: Path) -> None:
    with bridge("matrix", chat, tmp_path) as url:
        assert send(url, message, uid="msg_7") == 200
    ((method, path, token, said),) = chat.got
    assert (method, path, token) == ("PUT", "/hook/msg_7", "Bearer bot")
    assert ">Eyes &amp; &lt;b&gt;Ears&lt;/b&gt; of *Robots* [2]</a>" in said["formatted_body"]
    assert said["msgtype"] == "m.notice"


def test_a_stranger_is_refused_a_test_is_taken_and_a_chat_that_is_away_is_tried_again(
    chat: Chat, message: bytes, tmp_path: Path
) -> None:
    with bridge("slack", chat, tmp_path) as url:
        assert send(url, message, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == 401
        assert httpx.post(url, content=message).status_code == 400
        assert send(url, b'{"type": "test", "data": {}}') == 200
        assert chat.got == []
        chat.status = 500
        assert send(url, message, uid="msg_2") == 502
        chat.status = 200
        assert send(url, message, uid="msg_2") == 200
    assert len(chat.got) == 2
