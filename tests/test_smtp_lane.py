"""The fast lane: everything a transport owes, and what only this one can do."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from newsletter.delivery.transports import OutcomeKind, Phase, Turn
from newsletter.delivery.transports.smtp_handshake import Relay, Security
from newsletter.delivery.transports.smtp_protocol import Dialogue
from newsletter.delivery.transports.smtp_transport import SmtpTransport
from tests.contract_transports import (  # noqa: F401  (certificate and tls are fixtures)
    TransportContract,
    certificate,
    make_message,
    send_all,
    tls,
    wait_ready,
)
from tests.sinks.proxy import FaultyProxy
from tests.sinks.scripted import ScriptedServer

if TYPE_CHECKING:
    from newsletter.delivery.transports import Transport

HOST = "127.0.0.1"


def open_lane(port: int, *, timeout: float = 10, **over: Any) -> SmtpTransport:
    relay = Relay(host=HOST, port=port, ehlo_name="papers.example.org", command_timeout=timeout, dot_timeout=timeout)
    return SmtpTransport(relay, **over)


class TestSmtpLane(TransportContract):
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
            host=HOST,
            port=port,
            security=Security(security),
            username=credentials[0],
            password=credentials[1],
            command_timeout=timeout,
            dot_timeout=timeout,
        )
        return SmtpTransport(relay, connections=connections)


def test_every_byte_arrives_unchanged_whatever_dots_it_holds() -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port)
        message = make_message(1, text=".\n..\n...\n.x\n\n.\n")
        send_all(lane, [message])
        lane.close()
    assert server.mails[0].data == message.data


def test_a_message_known_to_begin_no_line_with_a_dot_arrives_unchanged_too() -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port)
        message = make_message(1, text="dots inside. .\nand. at the end.\n")._replace(is_dotless=True)
        send_all(lane, [message])
        lane.close()
    assert server.mails[0].data == message.data


def test_it_introduces_itself_by_the_configured_name() -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port)
        send_all(lane, [make_message(1)])
        lane.close()
    assert server.commands[0].lower() == "ehlo papers.example.org"


def test_a_granted_data_for_a_refused_recipient_is_ended_with_a_lone_dot() -> None:
    extensions = ("PIPELINING", "GENEROUS-DATA")
    with ScriptedServer(extensions=extensions).on("RCPT", reply="550 5.1.1 gone", times=1) as server:
        lane = open_lane(server.port, connections=1)
        outcomes = send_all(lane, [make_message(key) for key in (1, 2)])
        lane.close()
    assert (outcomes[1].kind, outcomes[1].phase) == (OutcomeKind.BOUNCED, Phase.RCPT)
    assert outcomes[2].kind is OutcomeKind.SENT
    assert [mail.recipient for mail in server.mails] == ["reader2@example.net"]
    assert server.connections == 1


def test_a_421_moves_the_message_to_a_new_connection() -> None:
    with ScriptedServer().on("MAIL", reply="421 4.3.2 closing", drop="after", times=1) as server:
        lane = open_lane(server.port, connections=1)
        outcomes = send_all(lane, [make_message(1)])
        lane.close()
    assert outcomes[1].kind is OutcomeKind.SENT
    assert server.connections == 2


def test_a_421_to_the_body_retries_it_and_moves_the_envelope_behind_it() -> None:
    with ScriptedServer().on("DOT", reply="421 4.3.2 closing", drop="after", times=1) as server:
        lane = open_lane(server.port, connections=1)
        outcomes = send_all(lane, [make_message(1), make_message(2)])
        lane.close()
    assert (outcomes[1].kind, outcomes[1].phase, outcomes[1].code) == (OutcomeKind.RETRY, Phase.DOT, 421)
    assert outcomes[2].kind is OutcomeKind.SENT


def test_a_server_that_always_hangs_up_costs_each_message_two_connections() -> None:
    with ScriptedServer().on("MAIL", drop="before") as server:
        lane = open_lane(server.port, connections=1)
        outcomes = send_all(lane, [make_message(1), make_message(2)])
        lane.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.RETRY}
    assert server.connections == 4


@pytest.mark.parametrize("reply", ["", "552 5.3.4 too big", "451 4.3.0 later"])
def test_an_unfinished_body_was_certainly_not_taken(reply: str) -> None:
    with ScriptedServer(extensions=("PIPELINING",)).on("BODY", reply=reply, times=1) as server:
        lane = open_lane(server.port, connections=1)
        huge = make_message(1, text="x" * 70 + "\n")
        huge = type(huge)(1, huge.sender, huge.recipient, huge.data + (b"y" * 78 + b"\r\n") * 300_000)
        outcome = send_all(lane, [huge])[1]
        lane.close()
    assert outcome.phase is Phase.BODY
    assert outcome.kind is (OutcomeKind.REJECTED if reply.startswith("5") else OutcomeKind.RETRY)
    assert server.mails == []


def test_a_body_cut_on_its_way_is_in_doubt_once_our_last_byte_was_given_away() -> None:
    with ScriptedServer() as server, FaultyProxy(server.port, cut_after=1500) as proxy:
        lane = open_lane(proxy.port, connections=1)
        outcome = send_all(lane, [make_message(1, text="A line of the digest.\n" * 200)])[1]
        lane.close()
    assert (outcome.kind, outcome.phase) == (OutcomeKind.UNKNOWN, Phase.DOT)
    assert server.mails == []


def test_a_half_open_connection_is_given_up_and_replaced() -> None:
    with ScriptedServer() as server, FaultyProxy(server.port) as proxy:
        lane = open_lane(proxy.port, connections=1, timeout=0.4)
        assert send_all(lane, [make_message(1)])[1].kind is OutcomeKind.SENT
        proxy.hang()
        assert send_all(lane, [make_message(2)])[2].kind is OutcomeKind.SENT
        lane.close()
    assert proxy.connections == 2


def test_a_reset_of_every_connection_loses_and_doubles_nothing() -> None:
    with ScriptedServer() as server, FaultyProxy(server.port, delay=0.002) as proxy:
        timers = [threading.Timer(0.1 * n, proxy.reset_all) for n in range(1, 6)]
        for timer in timers:
            timer.start()
        lane = open_lane(proxy.port, connections=4)
        outcomes = send_all(lane, [make_message(key) for key in range(400)], seconds=30)
        lane.close()
    arrived = [mail.recipient for mail in server.mails]
    kinds = {f"reader{key}@example.net": outcome.kind for key, outcome in outcomes.items()}
    assert len(arrived) == len(set(arrived))
    assert {kinds[recipient] for recipient in arrived} <= {OutcomeKind.SENT, OutcomeKind.UNKNOWN}
    assert {recipient for recipient, kind in kinds.items() if kind is OutcomeKind.SENT} <= set(arrived)
    assert sum(kind is OutcomeKind.UNKNOWN for kind in kinds.values()) <= 4 * 5


def test_a_server_that_limits_connections_is_served_over_those_it_grants() -> None:
    with ScriptedServer().on("DOT", delay=0.02) as server:
        lane = open_lane(server.port, connections=4)
        lane.enqueue([make_message(0)])
        lane.release(wait_ready(lane))
        server.on("CONNECT", reply="421 4.7.0 too many connections", drop="after")
        outcomes = send_all(lane, [make_message(key) for key in range(1, 30)]) if lane.poll(5).outcomes else {}
        lane.close()
    assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
    assert server.connections < 12  # it does not hammer at the closed door


def test_a_connection_is_replaced_after_its_share_of_messages() -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port, connections=1, messages_per_connection=3)
        send_all(lane, [make_message(key) for key in range(7)])
        lane.close()
    assert server.connections == 3
    assert server.commands.count("QUIT") >= 2


def test_a_connection_is_replaced_after_its_time() -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port, connections=1, seconds_per_connection=0.2)
        send_all(lane, [make_message(1)])
        lane.poll(0.4)
        send_all(lane, [make_message(2)])
        lane.close()
    assert server.connections == 2


def test_an_idle_connection_is_left_politely_and_a_new_one_opened() -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port, connections=1, idle_seconds=0.1)
        send_all(lane, [make_message(1)])
        lane.poll(1.2)
        assert server.commands[-1] == "QUIT"
        assert send_all(lane, [make_message(2)])[2].kind is OutcomeKind.SENT
        lane.close()


def test_it_opens_no_more_connections_than_there_are_messages() -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port, connections=8)
        send_all(lane, [make_message(1), make_message(2)])
        lane.close()
    assert 1 <= server.connections <= 2  # the first may have carried both before the second stood


@pytest.mark.parametrize("address", ["", "no-at-sign", "a@b>\r\nRCPT TO:<evil@x.org", "a b@x.org", "ä@x.org"])
def test_an_address_that_could_split_the_envelope_never_reaches_the_wire(address: str) -> None:
    with ScriptedServer() as server:
        lane = open_lane(server.port)
        message = make_message(1)
        for bad in (
            type(message)(1, message.sender, address, message.data),
            type(message)(1, address, message.recipient, message.data),
        ):
            outcome = send_all(lane, [bad])[1]
            assert (outcome.kind, outcome.phase) == (OutcomeKind.REJECTED, Phase.COMPOSE)
        lane.close()
    assert server.commands == []


def test_a_password_never_travels_in_the_clear() -> None:
    with pytest.raises(ValueError, match="in the clear"):
        Relay(host="mail.example.org", username="paperboy", password="secret")


def talk(dialogue: Dialogue, replies: bytes, turn: Turn) -> bytes:
    said = bytes(dialogue.output())
    dialogue.wrote(len(said))
    dialogue.feed(replies, turn)
    return said


def test_a_dying_connection_leaves_a_doubt_from_the_final_dot_on_and_never_before() -> None:
    message = make_message(1)
    for written in range(len(message.data) + 200):
        dialogue, turn = Dialogue(pipelining=True, size=False), Turn()
        dialogue.seat(message)
        talk(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n", turn)
        dialogue.hand_over()
        body = bytes(dialogue.output())
        if written > len(body):
            break
        dialogue.wrote(written) if written else None
        assert dialogue.lost("gone", turn) is None
        dot_is_out = written >= len(body) - len(b"\r\n")
        assert turn.outcomes[0].kind is (OutcomeKind.UNKNOWN if dot_is_out else OutcomeKind.RETRY)
    assert written > len(message.data)


def test_bytes_that_an_interrupted_write_may_have_sent_count_as_sent() -> None:
    dialogue, turn = Dialogue(pipelining=True, size=False), Turn()
    dialogue.seat(make_message(1))
    talk(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n", turn)
    dialogue.hand_over()
    dialogue.expose(len(dialogue.output()))
    dialogue.lost("gone", turn)
    assert turn.outcomes[0].kind is OutcomeKind.UNKNOWN


def test_replies_are_understood_however_they_are_cut() -> None:
    dialogue, turn = Dialogue(pipelining=True, size=True), Turn()
    dialogue.seat(make_message(1))
    said = bytes(dialogue.output())
    assert said.splitlines()[0].endswith(b"SIZE=%d" % len(make_message(1).data))
    dialogue.wrote(len(said))
    for byte in b"250-2.1.0 one\r\n250 2.1.0 two\r\n250 ok\n354\r\n":
        assert turn.ready == []
        dialogue.feed(bytes([byte]), turn)
    assert turn.ready == [1]


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n", b"999 what\r\n", b"\r\n", b"2" * 20_000])
def test_a_server_that_does_not_speak_smtp_is_left(nonsense: bytes) -> None:
    dialogue, turn = Dialogue(pipelining=True, size=False), Turn()
    dialogue.seat(make_message(1))
    talk(dialogue, nonsense, turn)
    assert dialogue.is_over
    seated = dialogue.lost("nonsense", turn)
    assert seated is not None
    assert turn.outcomes == []


def test_the_next_envelope_travels_right_behind_the_body() -> None:
    dialogue, turn = Dialogue(pipelining=True, size=False), Turn()
    dialogue.seat(make_message(1))
    talk(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n", turn)
    dialogue.hand_over()
    dialogue.seat(make_message(2))
    said = talk(dialogue, b"250 queued\r\n250 ok\r\n250 ok\r\n354 go\r\n", turn)
    envelope = b"MAIL FROM:<b+2@papers.example.org>\r\nRCPT TO:<reader2@example.net>\r\nDATA\r\n"
    assert said.endswith(b"\r\n.\r\n" + envelope)
    assert turn.ready == [1, 2]
    assert [outcome.kind for outcome in turn.outcomes] == [OutcomeKind.SENT]


def test_without_pipelining_the_envelope_waits_for_the_bodys_answer() -> None:
    dialogue, turn = Dialogue(pipelining=False, size=False), Turn()
    dialogue.seat(make_message(1))
    assert talk(dialogue, b"250 ok\r\n", turn).startswith(b"MAIL")
    assert talk(dialogue, b"250 ok\r\n", turn).startswith(b"RCPT")
    assert talk(dialogue, b"354 go\r\n", turn) == b"DATA\r\n"
    dialogue.hand_over()
    dialogue.seat(make_message(2))
    assert talk(dialogue, b"250 queued\r\n", turn).endswith(b"\r\n.\r\n")
    assert talk(dialogue, b"", turn).startswith(b"MAIL")
