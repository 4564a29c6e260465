import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from newsletter.catalogue import http_client
from newsletter.catalogue.http_client import FetchError, FetchPolicy, FetchResponse, HostBusy
from newsletter.models import SourceHost
from tests.builders import NOON
from tests.replay import Replay, Reply, replaying

pytestmark = pytest.mark.django_db

LOCAL = FetchPolicy(scheme="http", public_only=False)
HOSTS = frozenset({"127.0.0.1"})


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def get(url: str, **over: Any) -> FetchResponse:
    fields = {"hosts": HOSTS, "content_types": frozenset({"application/json"}), "now": NOON, "rules": LOCAL}
    fields |= {"spacing": timedelta(seconds=1)}
    return http_client.fetch(url, **(fields | over))


def free_after(replay: Replay) -> timedelta:
    return SourceHost.objects.get(host=replay.address).free_at - NOON


def test_bytes_and_validators_come_back(web: Replay) -> None:
    reply = Reply(b"[1]", kind="application/json; charset=utf-8", headers={"ETag": '"a"', "Last-Modified": "yesterday"})
    assert get(web.on("/x", reply)) == FetchResponse(200, b"[1]", '"a"', "yesterday")
    path, headers = web.asked[0]
    assert (path, headers["host"]) == ("/x", web.address)
    assert headers["user-agent"].startswith("Paperboy/")
    assert "if-none-match" not in headers


def test_what_has_not_changed_is_not_sent_again(web: Replay) -> None:
    answer = get(web.on("/x", Reply(status=304)), etag='"a"', modified="yesterday")
    assert (answer.status, answer.body) == (304, b"")
    assert web.asked[0][1]["if-none-match"] == '"a"'
    assert web.asked[0][1]["if-modified-since"] == "yesterday"


def test_a_second_request_waits_for_the_turn_of_its_host(web: Replay) -> None:
    url = web.on("/x", Reply(b"[]"))
    get(url)
    with pytest.raises(HostBusy) as busy:
        get(url, now=NOON + timedelta(milliseconds=500))
    assert busy.value.retry_at is not None
    get(url, now=busy.value.retry_at)
    assert len(web.asked) == 2


def test_a_turn_that_is_held_keeps_all_others_out(web: Replay) -> None:
    SourceHost.objects.create(host=web.address, free_at=NOON + timedelta(seconds=60))
    with pytest.raises(HostBusy):
        get(web.on("/x", Reply(b"[]")))
    assert web.asked == []


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "120"}, 120),
        (503, {"Retry-After": "600"}, 600),
        (503, {"Retry-After": "99999999999999"}, 6 * 3600),
        (429, {"RateLimit": '"api";r=0;t=57'}, 57),
        (429, {}, 30),
        (503, {"Retry-After": "soon"}, 30),
        (500, {}, 30),
        (403, {}, 30),
        (404, {"Retry-After": "40"}, 40),
    ],
)
def test_a_host_that_refuses_is_left_alone_as_long_as_it_asks(
    web: Replay, status: int, headers: dict[str, str], wait: int
) -> None:
    with pytest.raises(FetchError) as error:
        get(web.on("/x", Reply(status=status, headers=headers)))
    assert error.value.status == status
    assert error.value.retry_at is not None
    for moment in (free_after(web), error.value.retry_at - NOON):
        assert timedelta(seconds=wait) <= moment <= timedelta(seconds=wait + 5)


@pytest.mark.parametrize("status", [400, 404, 410])
def test_an_address_that_is_not_there_says_nothing_against_its_host(web: Replay, status: int) -> None:
    with pytest.raises(FetchError) as error:
        get(web.on("/x", Reply(status=status)))
    assert error.value.retry_at is None
    assert free_after(web) < timedelta(seconds=5)
    assert SourceHost.objects.get().strikes == 0


def test_a_date_in_retry_after_is_understood(web: Replay) -> None:
    with pytest.raises(FetchError) as error:
        get(web.on("/x", Reply(status=503, headers={"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"})))
    assert error.value.retry_at is not None
    assert error.value.retry_at - NOON >= timedelta(hours=6)


def test_without_a_word_the_waits_grow_and_a_good_answer_ends_them(web: Replay) -> None:
    url, now, waits = web.on("/x", *[Reply(status=500)] * 4, Reply(b"[]")), NOON, []
    for _ in range(4):
        with pytest.raises(FetchError) as error:
            get(url, now=now)
        assert error.value.retry_at is not None
        waits.append(round((error.value.retry_at - now).total_seconds(), -1))
        now = error.value.retry_at
    assert waits == [30, 60, 120, 240]
    get(url, now=now)
    assert SourceHost.objects.get().strikes == 0


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", ""])
def test_a_web_page_with_status_200_is_not_an_answer(web: Replay, kind: str) -> None:
    with pytest.raises(FetchError, match="the host answered with"):
        get(web.on("/x", Reply(b"<html>sorry</html>", kind=kind)))


def test_an_answer_without_end_is_cut_off(web: Replay) -> None:
    with pytest.raises(FetchError, match="longer than 1000 bytes"):
        get(web.on("/x", Reply(b"[" * 5000)), rules=FetchPolicy(scheme="http", public_only=False, max_bytes=1000))


def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut_off(web: Replay) -> None:
    bomb = Reply(gzip.compress(b"[" * 5_000_000), headers={"Content-Encoding": "gzip"})
    assert len(bomb.body) < 20_000
    with pytest.raises(FetchError, match="longer than"):
        get(web.on("/x", bomb), rules=FetchPolicy(scheme="http", public_only=False, max_bytes=100_000))


def test_an_answer_packed_twice_is_not_unpacked(web: Replay) -> None:
    bomb = Reply(gzip.compress(gzip.compress(b" " * 1000)), headers={"Content-Encoding": "gzip, gzip"})
    with pytest.raises(FetchError, match="packed more than once"):
        get(web.on("/x", bomb))


def test_an_answer_that_takes_too_long_in_all_is_given_up(web: Replay) -> None:
    with pytest.raises(FetchError, match="longer than 0 seconds"):
        get(web.on("/x", Reply(b"[]")), rules=FetchPolicy(scheme="http", public_only=False, in_all=0.0))


def test_a_connection_that_breaks_in_the_middle_is_an_error(web: Replay) -> None:
    with pytest.raises(FetchError, match="the connection failed"):
        get(web.on("/x", Reply(b"[1,", claims=100)))


def test_nobody_at_home_is_an_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(FetchError, match="the connection failed"):
        get(f"http://{address}/x")


def test_redirects_are_followed_within_one_turn(web: Replay) -> None:
    web.on("/b", Reply(b"[2]"))
    assert get(web.on("/a", Reply(status=302, headers={"Location": "/b"}))).body == b"[2]"
    assert [path for path, _ in web.asked] == ["/a", "/b"]


def test_redirects_without_end_are_given_up(web: Replay) -> None:
    with pytest.raises(FetchError, match="redirects"):
        get(web.on("/a", Reply(status=302, headers={"Location": "/a"})))
    assert len(web.asked) == 4


@pytest.mark.parametrize(
    "location",
    ["http://localhost/x", "http://169.254.169.254/latest", "file:///etc/passwd", "https://127.0.0.1/x",
     "http://u@127.0.0.1/", "http://[::1]/"],
)  # fmt: skip
def test_a_redirect_leads_nowhere_else(web: Replay, location: str) -> None:
    with pytest.raises(FetchError):
        get(web.on("/a", Reply(status=302, headers={"Location": location})))
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "url",
    ["http://arxiv.org/x", "https://arxiv.org:8443/x", "https://a@arxiv.org/", "https://evil.example/",
     "https://arxiv.org.evil.example/", "https://[/"],
)  # fmt: skip
def test_out_in_the_world_only_plain_https_on_the_hosts_of_the_source_is_asked(url: str) -> None:
    with pytest.raises(FetchError):
        get(url, rules=http_client.WORLD, hosts=frozenset({"arxiv.org"}))


@pytest.mark.parametrize(
    "name",
    ["localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"],
)
def test_a_name_that_leads_inside_our_network_is_not_asked(name: str) -> None:
    host = f"[{name}]" if ":" in name else name
    with pytest.raises(FetchError, match="inside a network"):
        get(f"https://{host}/x", rules=http_client.WORLD, hosts=frozenset({name}))


def test_proxies_of_the_environment_are_not_used(web: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(web.on("/x", Reply(b"[]"))).status == 200


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
NAMED = HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"  # a file name follows


@pytest.mark.parametrize(
    ("beginning", "piece"),
    [(HEAD, b"X-A: b\r\n"), (NAMED, b"a" * 100), (HEAD + b"\r\n", b"a"), (b"HTTP/1.1 200", b" ")],
)
def test_whatever_drips_is_cut_off_when_its_time_is_up(beginning: bytes, piece: bytes) -> None:
    with (
        dripping(beginning, piece, every=0.05) as address,
        pytest.raises(FetchError, match=r"took longer|longer than|connection failed"),
    ):
        get(f"http://{address}/", rules=replace(LOCAL, in_all=1.0, silence=5.0))


def test_a_packed_answer_whose_head_never_ends_is_cut_off_by_its_size() -> None:
    with (
        dripping(NAMED, b"a" * 50_000, every=0.0) as address,
        pytest.raises(FetchError, match="longer than 100000 bytes"),
    ):
        get(f"http://{address}/", rules=replace(LOCAL, max_bytes=100_000))


@pytest.mark.parametrize("left", [0, 1, 9])
def test_a_packed_answer_that_was_cut_short_is_no_answer(web: Replay, left: int) -> None:
    headers = {"Content-Encoding": "gzip"}
    body = gzip.compress(b"[1, 2, 3]")
    with pytest.raises(FetchError, match="cut short"):
        get(web.on("/x", Reply(body[: left - 12], headers=headers)))


@contextmanager
def dripping(beginning: bytes, piece: bytes, *, every: float) -> Iterator[str]:
    """A server that begins to answer and goes on for ever, a piece at a time."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _peer = server.accept()
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(beginning)
                while not stop.wait(every):
                    connection.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        yield "{}:{}".format(*server.getsockname())
        stop.set()
