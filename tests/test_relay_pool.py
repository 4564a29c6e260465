"""Several relays as one transport: shares, spares, and failing over without losing or doubling a message."""

from __future__ import annotations

import os
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest

from newsletter.delivery.transports import OutcomeKind
from newsletter.delivery.transports.relay_pool import Member, RelayPool
from newsletter.delivery.transports.relay_urls import Common, open_relays, relay_from_url
from newsletter.delivery.transports.smtp_handshake import Relay, Security
from newsletter.delivery.transports.smtp_transport import SmtpTransport
from tests.contract_transports import (  # noqa: F401  (certificate and tls are fixtures)
    TransportContract,
    certificate,
    make_message,
    send_all,
    tls,
)
from tests.sinks.scripted import ScriptedServer

if TYPE_CHECKING:
    from newsletter.delivery.transports import Transport

COMMON = Common(ehlo_name="papers.example.org")


def make_member(server: ScriptedServer, *, weight: int = 1, connections: int = 2) -> Member:
    return Member(SmtpTransport(Relay(host="127.0.0.1", port=server.port), connections=connections), weight)


class TestPoolOfOne(TransportContract):
    """The pool adds and takes away nothing."""

    def open(
        self,
        port: int,
        *,
        connections: int = 2,
        security: str = "none",
        credentials: tuple[str, str] = ("", ""),
        timeout: float = 10,
    ) -> Transport:
        relay = Relay(
            host="127.0.0.1",
            port=port,
            security=Security(security),
            username=credentials[0],
            password=credentials[1],
            command_timeout=timeout,
            dot_timeout=timeout,
        )
        return RelayPool([Member(SmtpTransport(relay, connections=connections))])


def test_relays_share_the_mail_by_weight() -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        pool = RelayPool([make_member(one, weight=3), make_member(two, weight=1)])
        outcomes: dict[int, Any] = {}
        for first in range(0, 80, 4):
            outcomes |= send_all(pool, [make_message(first + n) for n in range(4)])
        pool.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
    assert (len(one.mails), len(two.mails)) == (60, 20)


def test_a_slow_relay_does_not_hold_up_the_other() -> None:
    with ScriptedServer().on("DOT", delay=0.5) as slow, ScriptedServer() as fast:
        pool = RelayPool([make_member(slow, connections=1), make_member(fast, connections=1)])
        send_all(pool, [make_message(key) for key in range(40)])
        pool.close()
    assert len(fast.mails) > 30


def test_mail_for_a_relay_that_is_down_goes_by_another() -> None:
    with ScriptedServer() as two:
        with ScriptedServer() as one:
            members = [make_member(one), make_member(two)]
        pool = RelayPool(members)
        outcomes = send_all(pool, [make_message(key) for key in range(30)])
        pool.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
    assert sorted(mail.recipient for mail in two.mails) == sorted(f"reader{key}@example.net" for key in range(30))


def test_a_relay_that_refuses_our_login_late_is_left_too() -> None:
    with ScriptedServer().on("MAIL", reply="530 5.7.0 log in first") as one, ScriptedServer() as two:
        pool = RelayPool([make_member(one), make_member(two)])
        outcomes = send_all(pool, [make_message(key) for key in range(10)])
        pool.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
    assert len(two.mails) == 10


def test_a_relay_that_is_back_gets_its_share_again() -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        one.pause()
        pool = RelayPool([make_member(one), make_member(two)], rest_seconds=0.2)
        send_all(pool, [make_message(key) for key in range(4)])
        assert (len(one.mails), len(two.mails)) == (0, 4)
        one.resume()
        until, key = time.monotonic() + 20, 4
        while not one.mails and time.monotonic() < until:  # until its rest is over
            send_all(pool, [make_message(each) for each in range(key, key + 4)])
            key += 4
        pool.close()
    assert len(one.mails) == 2


def test_a_spare_relay_serves_only_while_the_others_fail() -> None:
    with ScriptedServer() as main, ScriptedServer() as spare:
        pool = RelayPool([make_member(main), make_member(spare, weight=0)], rest_seconds=5)
        send_all(pool, [make_message(key) for key in range(6)])
        assert (len(main.mails), len(spare.mails)) == (6, 0)
        main.on("CONNECT", reply="421 4.3.2 closing", drop="after").on("MAIL", reply="421 4.3.2 closing", drop="after")
        outcomes = send_all(pool, [make_message(key) for key in range(6, 12)])
        pool.close()
    # While the main relay goes down a message may lose two connections: then it is tried again later, not lost.
    kinds = [outcome.kind for outcome in outcomes.values()]
    assert set(kinds) <= {OutcomeKind.SENT, OutcomeKind.RETRY}
    assert (len(main.mails), len(spare.mails)) == (6, kinds.count(OutcomeKind.SENT))
    assert spare.mails


def test_when_every_relay_is_down_the_caller_hears_of_each_message_once() -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        members = [make_member(one), make_member(two)]
    pool = RelayPool(members)
    outcomes = send_all(pool, [make_message(key) for key in range(8)])
    pool.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.INFRASTRUCTURE}


def test_a_doubtful_message_never_moves_to_another_relay() -> None:
    with ScriptedServer().on("DOT", drop="before") as one, ScriptedServer() as two:
        pool = RelayPool([make_member(one), make_member(two, weight=0)])
        outcome = send_all(pool, [make_message(1)])[1]
        pool.close()
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert two.mails == []


@pytest.mark.parametrize(
    ("url", "host", "port", "security", "login", "weight"),
    [
        ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Security.NONE, ("", ""), 1),
        ("smtp://relay", "relay", 25, Security.NONE, ("", ""), 1),
        ("smtp+tls://u:p%40ss@mx.example.org?weight=3", "mx.example.org", 587, Security.STARTTLS, ("u", "p@ss"), 3),
        ("smtps://u:p@mx.example.org:2587", "mx.example.org", 2587, Security.STARTTLS, ("u", "p"), 1),
        (" smtp+ssl://u:p@mx.example.org?weight=0", "mx.example.org", 465, Security.TLS, ("u", "p"), 0),
    ],
)
def test_an_address_says_where_how_and_how_much(
    url: str, host: str, port: int, security: Security, login: tuple[str, str], weight: int
) -> None:
    relay, share = relay_from_url(url, common=COMMON)
    assert (relay.host, relay.port, relay.security) == (host, port, security)
    assert (relay.username, relay.password, share) == (*login, weight)
    assert relay.ehlo_name == "papers.example.org"


@pytest.mark.parametrize(
    "url",
    ["", "mx.example.org", "http://u:hush@x", "smtp://u:hush@", "smtp://u:hush@x:port", "smtp://x?weight=-1",
     "smtp://x?weight=much", "smtp://u:hush@mx.example.org"],
)  # fmt: skip
def test_a_bad_address_is_refused_without_repeating_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"relay|clear") as refusal:
        relay_from_url(url, common=COMMON)
    assert "hush" not in str(refusal.value)


def test_one_relay_needs_no_pool() -> None:
    relay = Relay(host="127.0.0.1")
    one = open_relays([(relay, 1)], common=COMMON)
    two = open_relays([(relay, 3), (relay, 1)], common=COMMON)
    assert isinstance(one, SmtpTransport)
    assert isinstance(two, RelayPool)
    assert one.capacity() == two.capacity()
    one.close()
    two.close()


def test_a_process_with_more_than_a_thousand_files_open_still_sends() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard) if hard > 0 else 4096, hard))
    opened: list[int] = []
    try:
        while not opened or opened[-1] < 1100:
            opened.append(os.open(os.devnull, os.O_RDONLY))
        with ScriptedServer() as one, ScriptedServer() as two:
            pool = RelayPool([make_member(one), make_member(two)])
            outcomes = send_all(pool, [make_message(number) for number in range(8)])
            pool.close()
        assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
