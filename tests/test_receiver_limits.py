"""Servers that limit: so many messages a connection, a second, a minute. Everything is sent, and no reader pays."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from newsletter.delivery.transports import OutcomeKind, Phase
from newsletter.delivery.transports.connection_rate import PAUSES, Brake
from newsletter.delivery.transports.relay_pool import Member, RelayPool
from newsletter.delivery.transports.smtp_handshake import BLOCK_TIMEOUT, DATA_TIMEOUT, Relay
from newsletter.delivery.transports.smtp_transport import SmtpTransport
from tests.contract_transports import make_message, send_all
from tests.sinks.scripted import ScriptedServer

HOST = "127.0.0.1"
NO_PIPELINING = ("8BITMIME", "ENHANCEDSTATUSCODES")


def open_lane(port: int, *, connections: int = 4, relay: dict[str, Any] | None = None) -> SmtpTransport:
    return SmtpTransport(Relay(host=HOST, port=port, **(relay or {})), connections=connections)


def run(server: ScriptedServer, number: int, *, connections: int = 4, seconds: float = 40) -> Counter[OutcomeKind]:
    lane = open_lane(server.port, connections=connections)
    outcomes = send_all(lane, [make_message(key) for key in range(number)], seconds=seconds)
    lane.close()
    arrived = Counter(mail.recipient for mail in server.mails)
    assert set(arrived.values()) <= {1}
    assert len(arrived) == sum(outcome.kind is OutcomeKind.SENT for outcome in outcomes.values())
    return Counter(outcome.kind for outcome in outcomes.values())


@pytest.mark.parametrize("extensions", [ScriptedServer().extensions, NO_PIPELINING])
@pytest.mark.parametrize(
    "limit",
    [
        {"phase": "MAIL", "reply": "452 4.5.3 Too many messages in this connection"},
        {"phase": "MAIL", "reply": "451 4.3.2 Please try again later"},
        {"phase": "MAIL", "reply": "450 4.7.1 Error: too much mail from 192.0.2.7"},
        {"phase": "MAIL", "reply": "550 5.7.0 Too many messages in one session"},
        {"phase": "RCPT", "reply": "452 4.5.3 Too many recipients received"},
        {"phase": "DATA", "reply": "454 Throttling failure: too many messages"},
        {"phase": "MAIL", "reply": "421 4.7.0 Too many messages, closing", "drop": "after"},
        {"phase": "MAIL", "reply": "421 4.3.2 closing", "drop": "after"},
        {"phase": "RCPT", "drop": "before"},
        {"phase": "MAIL", "drop": "reset"},
    ],
)
def test_a_limit_per_connection_costs_connections_and_nothing_else(
    limit: dict[str, str], extensions: tuple[str, ...]
) -> None:
    with ScriptedServer(extensions=extensions) as server:
        server.on(after=10, **limit)
        assert run(server, 150) == {OutcomeKind.SENT: 150}
    assert 15 <= server.connections <= 40


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_server_that_hangs_up_after_each_few_messages_gets_all_in_one_run(number: int) -> None:
    with ScriptedServer().on("DOT", after=number - 1, drop="after") as server:  # `after` counts those before this one
        assert run(server, 120) == {OutcomeKind.SENT: 120}
    assert server.connections <= 120 / number + 30


def test_messages_behind_a_body_are_not_seated_once_the_servers_limit_is_known() -> None:
    with ScriptedServer().on("DOT", drop="after") as server:
        run(server, 60, connections=1)
    envelopes = sum(command.startswith("MAIL") for command in server.commands)
    assert envelopes <= 60 + 4  # what was said behind a body before the third connection ended so


@pytest.mark.parametrize("phase", ["MAIL", "DATA"])
def test_throttling_every_other_time_is_waited_out(phase: str) -> None:
    with ScriptedServer().on(phase, reply="454 Throttling failure: Maximum sending rate exceeded", every=2) as server:
        assert run(server, 30) == {OutcomeKind.SENT: 30}


def test_a_whole_message_refused_for_a_limit_is_not_tried_again_by_itself_and_the_others_wait() -> None:
    with ScriptedServer().on("DOT", reply="550 5.4.5 Daily user sending limit exceeded", times=2) as server:
        kinds = run(server, 20, connections=2)
    assert kinds == {OutcomeKind.SENT: 18, OutcomeKind.LIMITED: 2}


@pytest.mark.parametrize("phase", ["MAIL", "DATA"])
def test_a_limit_that_does_not_end_sends_everything_back_untouched(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.delivery.transports.connection_rate.PAUSES", (0.05, 0.1))
    with ScriptedServer().on(phase, reply="450 4.7.1 too much mail") as server:
        kinds = run(server, 12)
        assert kinds == {OutcomeKind.LIMITED: 12}
        assert len([line for line in server.commands if line.startswith("MAIL")]) <= 16  # it does not hammer


def test_a_domain_that_names_a_limit_holds_up_no_other() -> None:
    with ScriptedServer().on("RCPT", reply="450 4.7.1 too many messages for you", match="@slow.example") as server:
        lane = open_lane(server.port)
        domains = ["slow", "a", "b", "c", "d"] * 10
        messages = [make_message(key, recipient=f"r{key}@{domain}.example") for key, domain in enumerate(domains)]
        began = time.monotonic()
        outcomes = send_all(lane, messages)
        lane.close()
    assert time.monotonic() - began < 30, "others waited while the domain was held"
    kinds = Counter(outcome.kind for outcome in outcomes.values())
    assert kinds == {OutcomeKind.SENT: 40, OutcomeKind.LIMITED: 10}
    assert {outcome.phase for outcome in outcomes.values() if outcome.kind is OutcomeKind.LIMITED} == {Phase.RCPT}


def test_a_limit_moves_the_mail_to_another_relay() -> None:
    with ScriptedServer().on("MAIL", reply="454 4.7.0 sending rate exceeded") as one, ScriptedServer() as two:
        pool = RelayPool([Member(open_lane(server.port, connections=2)) for server in (one, two)])
        outcomes = send_all(pool, [make_message(key) for key in range(40)], seconds=40)
        pool.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
    assert len(two.mails) == 40


# Slow greetings


def test_a_relay_may_take_its_time_to_greet() -> None:
    with ScriptedServer().on("CONNECT", delay=1.5) as server:
        lane = open_lane(server.port, relay={"connect_timeout": 0.3})
        outcomes = send_all(lane, [make_message(1)])
        lane.close()
    assert outcomes[1].kind is OutcomeKind.SENT


def test_the_times_are_those_of_the_rfc() -> None:
    relay = Relay(host=HOST)
    assert relay.greeting_timeout == 300
    assert [relay.patience(phase) for phase in (Phase.MAIL, Phase.RCPT)] == [300, 300]
    assert (relay.patience(Phase.DATA), relay.patience(Phase.BODY)) == (DATA_TIMEOUT, BLOCK_TIMEOUT) == (120, 180)


def test_a_relay_that_never_greets_ends_after_its_time() -> None:
    with ScriptedServer().on("CONNECT", delay=30) as server:
        lane = open_lane(server.port, relay={"greeting_timeout": 0.5})
        lane.enqueue([make_message(1)])
        assert lane.poll(0.2).outcomes == []
        assert lane.is_opening()
        (outcome,) = lane.poll(5).outcomes
        assert not lane.is_opening()
        lane.close()
    assert (outcome.kind, outcome.phase) == (OutcomeKind.INFRASTRUCTURE, Phase.CONNECT)


def test_a_lane_that_waits_for_a_greeting_stops_at_once() -> None:
    with ScriptedServer().on("CONNECT", delay=30) as server:
        lane = open_lane(server.port)
        lane.enqueue([make_message(1), make_message(2)])
        lane.poll(0.2)
        began = time.monotonic()
        assert lane.drain() == [1, 2]
        lane.close()
    assert time.monotonic() - began < 30, "it waited for the greeting"


def test_a_relay_that_does_not_greet_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.delivery.transports.relay_pool.STUCK_SECONDS", 0.3)
    with ScriptedServer().on("CONNECT", delay=30) as silent, ScriptedServer() as quick:
        spare = Member(open_lane(quick.port, connections=2), 0)
        pool = RelayPool([Member(open_lane(silent.port, connections=2)), spare])
        outcomes = send_all(pool, [make_message(key) for key in range(30)], seconds=10)
        pool.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}


# The brake


def simulate(brake: Brake, *, allowed: float, seconds: float) -> tuple[int, int]:
    """(accepted, refused) by a relay that allows so many messages a second, a bucket of one second's."""
    now, tokens, refilled, accepted, refused = 0.0, allowed, 0.0, 0, 0
    while now < seconds:
        now = max(now + 0.001, brake.ready_at)
        tokens, refilled = min(allowed, tokens + (now - refilled) * allowed), now
        brake.seat(now)
        if tokens >= 1:
            tokens -= 1
            accepted += 1
            brake.accept(1)
        else:
            refused += 1
            assert brake.limit(now)
    return accepted, refused


@pytest.mark.parametrize("allowed", [2.0, 5.0, 14.0, 100.0])
def test_the_pace_finds_what_the_relay_takes(allowed: float) -> None:
    accepted, refused = simulate(Brake(0.0), allowed=allowed, seconds=120)
    assert accepted >= 0.7 * allowed * 120
    assert refused <= (0.1 if allowed > 4 else 2) * accepted  # what is slower is left to the pauses


def test_pauses_grow_while_nothing_is_taken_and_end_in_giving_up() -> None:
    brake, now = Brake(0.0), 0.0
    for pause in PAUSES:
        assert brake.limit(now)
        assert brake.limit(now + pause / 2)  # another connection hears the same: counted once
        assert brake.ready_at == now + pause
        now += pause
    assert not brake.limit(now)
    brake.accept(1)
    assert brake.limit(now + 60)
