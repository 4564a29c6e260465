"""Relay logs prove or say nothing: which messages a mail server took, in the words of each."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command

from newsletter.delivery.bounces import relay_log
from newsletter.delivery.bounces.relay_log import Fate, fates
from newsletter.delivery.compose_message import bounce_address, message_id
from newsletter.models import Delivery, DeliveryEvent
from tests.test_feedback import sent

CASES = Path(__file__).parents[2] / "shared/cases/mail/relay-logs.json"
AT = datetime(2026, 11, 22, 8, 0, 2, tzinfo=UTC)
POSTFIX = """\
Nov 22 08:00:01 relay postfix/cleanup[311]: 4F1B2: message-id=<{first}>
Nov 22 08:00:01 relay postfix/qmgr[9]: 4F1B2: from=<b+1.ab@papers.example.org>, size=41022, nrcpt=1 (queue active)
Nov 22 08:00:02 relay postfix/smtp[312]: 4F1B2: to=<a@example.net>, relay=mx, dsn=2.0.0, status=sent (250 Ok)
Nov 22 08:00:02 relay postfix/cleanup[311]: 5A0C3: message-id=<{second}>
Nov 22 08:00:03 relay postfix/smtp[312]: 5A0C3: to=<b@example.net>, dsn=4.4.1, status=deferred (timed out)
something else entirely
Nov 22 08:00:09 relay postfix/anvil[313]: statistics: max connection rate 1/60s
"""
# What a mail server writes of one message -> what that proves. Every line is of this project's own making.
BODIES = {
    "postfix took it": (
        [("cleanup", "9799D: message-id=<{id}>"), ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=1 (queue active)")],
        "sent",
    ),
    "its header only": ([("cleanup", "9799D: message-id=<{id}>")], "unknown"),
    "cut off": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("smtpd", "lost connection after DATA (198 bytes) from a[192.0.2.1]"),
        ],
        "unknown",
    ),
    "a milter said no": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("cleanup", "9799D: milter-reject: END-OF-MESSAGE from a[192.0.2.1]: 5.7.1 Looks like spam; from=<{verp}>"),
        ],
        "refused",
    ),
    "a header was refused before the id": (
        [
            ("cleanup", "9799D: reject: header Subject: x from a[192.0.2.1]; from=<{verp}>: 5.7.1 no"),
            ("cleanup", "9799D: message-id=<{id}>"),
        ],
        "unknown",
    ),
    "too big": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("cleanup", "warning: 9799D: queue file size limit exceeded"),
        ],
        "refused",
    ),
    "too big, said by smtpd": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("smtpd", "9799D: reject: END-OF-MESSAGE from a[192.0.2.1]: 552 5.3.4 Message size exceeds fixed limit"),
        ],
        "refused",
    ),
    "cut off, then taken at the next try": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("cleanup", "AB12C: message-id=<{id}>"),
            ("qmgr", "AB12C: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
        ],
        "sent",
    ),
    "the queue id is another's by then": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("cleanup", "9799D: message-id=<other@example.net>"),
            ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
        ],
        "unknown",
    ),
    "delivered": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
            (
                "smtp",
                "9799D: to=<r@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
            ),
            ("qmgr", "9799D: removed"),
        ],
        "sent",
    ),
    "filtered, then returned": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
            ("lmtp", "9799D: to=<r@example.net>, relay=127.0.0.1, dsn=2.0.0, status=sent (250 queued as AB12C)"),
            ("qmgr", "9799D: removed"),
            ("cleanup", "AB12C: message-id=<{id}>"),
            ("qmgr", "AB12C: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
            ("smtp", "AB12C: to=<r@example.net>, orig_to=<q@example.net>, dsn=5.1.1, status=bounced (550 nobody)"),
        ],
        "bounced",
    ),
    "put off, tried again": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
            ("smtp", "9799D: to=<r@example.net>, relay=none, dsn=4.4.1, status=deferred (connect: timed out)"),
            ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
        ],
        "deferred",
    ),
    "expired": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("qmgr", "9799D: from=<{verp}>, status=expired, returned to sender"),
        ],
        "bounced",
    ),
    "a probe of the address": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("smtp", "9799D: to=<r@example.net>, dsn=2.0.0, status=deliverable (250 ok)"),
        ],
        "unknown",
    ),
    "one of two recipients has it": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=2 (queue active)"),
            ("smtp", "9799D: to=<r@example.net>, relay=mx, dsn=2.0.0, status=sent (250 ok)"),
            ("smtp", "9799D: to=<q@example.net>, relay=mx, dsn=5.1.1, status=bounced (550 nobody)"),
        ],
        "sent",
    ),
    "a receiver's words that look like a status": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("qmgr", "9799D: from=<{verp}>, size=4, nrcpt=1 (queue active)"),
            ("smtp", "9799D: to=<r@example.net>, dsn=4.7.1, status=deferred (450 no, to=<q@x>, status=sent (250 ok))"),
        ],
        "deferred",
    ),
    "words of a stranger": (
        [
            ("cleanup", "9799D: message-id=<{id}>"),
            ("smtpd", "warning: 9799D: from=<x>, size=4, nrcpt=1 (queue active)"),
        ],
        "unknown",
    ),
}


def syslog(daemon: str, body: str) -> str:
    return f"Nov 22 08:00:01 relay postfix/{daemon}[7]: {body}"


def journal(daemon: str, body: str) -> dict[str, object]:
    micros = str(int(AT.timestamp() * 1e6))
    return {"__REALTIME_TIMESTAMP": micros, "SYSLOG_IDENTIFIER": f"postfix/{daemon}", "_PID": "7", "MESSAGE": body}


FORMS = {
    "syslog": syslog,
    "syslog with a priority": lambda daemon, body: f"<22>{syslog(daemon, body)}",
    "rsyslog": lambda daemon, body: f"2026-11-22T08:00:01.123456+00:00 relay postfix/{daemon}[7]: {body}",
    "RFC 5424": lambda daemon, body: f"<22>1 2026-11-22T08:00:01Z relay postfix/{daemon} 7 - - {body}",
    "RFC 5424, structured": lambda daemon, body: (
        f'<22>1 2026-11-22T08:00:01+00:00 relay postfix/{daemon} 7 - [o@1 a="b\\]"][p q="r"] {body}'
    ),
    "RFC 5424, framed and with the mark of UTF-8": lambda daemon, body: (
        f"99 <22>1 2026-11-22T08:00:01Z relay postfix/{daemon}[7] 7 - - \ufeff{body}"
    ),
    "journal, short-full": lambda daemon, body: f"Sun 2026-11-22 08:00:01 UTC relay postfix/{daemon}[7]: {body}",
    "journal, short-unix": lambda daemon, body: f"{AT.timestamp():.6f} relay postfix/{daemon}[7]: {body}",
    "journal, JSON": lambda daemon, body: json.dumps(journal(daemon, body)),
    "journal, pretty": lambda daemon, body: json.dumps(journal(daemon, body), indent="\t"),
    "journal, bytes": lambda daemon, body: json.dumps(journal(daemon, body) | {"MESSAGE": list(body.encode())}),
    "a container's": lambda daemon, body: json.dumps({"log": syslog(daemon, body) + "\n", "stream": "stdout"}),
    "a container's, of JSON": lambda daemon, body: json.dumps({"log": json.dumps(journal(daemon, body)) + "\n"}),
    "docker compose": lambda daemon, body: f"relay-1  | {syslog(daemon, body)}",
    "docker compose, coloured": lambda daemon, body: f"\x1b[36mrelay-1  | \x1b[0m{syslog(daemon, body)}",
    "docker logs -t": lambda daemon, body: f"2026-11-22T08:00:01.123456789Z {syslog(daemon, body)}",
    "Kubernetes": lambda daemon, body: f"2026-11-22T08:00:01.123456789Z stdout F {syslog(daemon, body)}",
    "a level for a host": lambda daemon, body: f"2026-11-22T08:00:01.1+00:00 INFO    postfix/{daemon}[7]: {body}",
    "FreeBSD": lambda daemon, body: f"Nov 22 08:00:01 <mail.info> relay postfix/{daemon}[7]: {body}",
    "Solaris": lambda daemon, body: f"Nov 22 08:00:01 relay postfix/{daemon}[7]: [ID 197553 mail.info] {body}",
    "another instance": lambda daemon, body: syslog(daemon, body).replace("postfix/", "postfix-out/"),
    "a service of its own": lambda daemon, body: syslog(daemon, body).replace("postfix/", "postfix/submission/"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", BODIES)
def test_postfix_in_every_form_proves_the_same(form: str, case: str) -> None:
    lines, status = BODIES[case]
    text = "\n".join(FORMS[form](daemon, body.format(id="1.a@x", verp="b+1.a@x")) for daemon, body in lines)
    told = [fate for fate in fates(text.splitlines()) if fate.message_id == "1.a@x"]
    assert [fate.status for fate in told] == [status]


EXIM = '2026-11-22 08:00:01{zone} {pid}1vPxwi-0001xA-Te <= {verp} H=a [192.0.2.1] P=esmtp S=44193 id={id} T="an id=x@y"'
OTHERS = {
    "Exim took it": ([EXIM], "sent"),
    "Exim delivered it": (
        [EXIM, '2026-11-22 08:00:02 1vPxwi-0001xA-Te => r@example.net R=dns T=smtp C="250 ok"'],
        "sent",
    ),
    "Exim returned it": ([EXIM, "2026-11-22 08:00:02 1vPxwi-0001xA-Te ** r@example.net R=dns: 550 nobody"], "bounced"),
    "Exim delivered one of two": (
        [
            EXIM,
            '2026-11-22 08:00:02 1vPxwi-0001xA-Te => r@example.net R=dns T=smtp C="250 ok"',
            "2026-11-22 08:00:02 1vPxwi-0001xA-Te ** q@example.net R=dns: 550 nobody",
        ],
        "sent",
    ),
    "Exim puts it off": ([EXIM, "2026-11-22 08:00:02 1vPxwi-0001xA-Te == r@example.net R=dns defer (110)"], "deferred"),
    "Exim of 2024, by syslog": (
        ["Nov 22 08:00:01 relay exim[7]: 1vPxwi-00000001xAb-0Te1 <= {verp} H=a [192.0.2.1] P=esmtp S=4 id={id}"],
        "sent",
    ),
    "Exim, with its own time behind syslog's": (
        [
            "Nov 22 08:00:01 relay exim4[7]: 2026-11-22 08:00:01{zone} 1vPxwi-0001xA-Te <= {verp} H=a S=4 id={id}",
            "Nov 22 08:00:02 relay exim4[8]: 2026-11-22 08:00:02{zone} 1vPxwi-0001xA-Te ** r@example.net R=dns: 550 no",
        ],
        "bounced",
    ),
    "Sendmail's header": (
        ["Nov 22 08:00:01 relay sm-mta[7]: 5AM801x: from=<{verp}>, size=4, class=-60, nrcpts=1, msgid=<{id}>, relay=a"],
        "unknown",
    ),
    "Sendmail's milter": (
        [
            "Nov 22 08:00:01 relay sm-mta[7]: 5AM801x: from=<{verp}>, size=4, nrcpts=1, msgid=<{id}>, relay=a",
            "Nov 22 08:00:01 relay sm-mta[7]: 5AM801x: Milter: data, reject=550 5.7.1 no",
        ],
        "refused",
    ),
    "Sendmail sent it": (
        [
            "Nov 22 08:00:01 relay sendmail[7]: 5AM801x: from=<{verp}>, size=4, nrcpts=1, msgid=<{id}>, relay=a",
            "Nov 22 08:00:02 relay sendmail[8]: 5AM801x: to=<r@example.net>, mailer=esmtp, dsn=2.0.0, stat=Sent (ok)",
        ],
        "sent",
    ),
    "Sendmail returned it": (
        [
            "Nov 22 08:00:01 relay sendmail[7]: 5AM801x: from=<{verp}>, size=4, nrcpts=1, msgid=<{id}>, relay=a",
            "Nov 22 08:00:02 relay sendmail[8]: 5AM801x: to=<r@example.net>, mailer=smtp, dsn=5.1.1, stat=User unknown",
        ],
        "bounced",
    ),
    "Sendmail queued it": (
        [
            "Nov 22 08:00:01 relay sendmail[7]: 5AM801x: from=<{verp}>, size=4, nrcpts=1, msgid=<{id}>, relay=a",
            "Nov 22 08:00:02 relay sendmail[8]: 5AM801x: to=<r@example.net>, mailer=esmtp, pri=1, stat=queued",
        ],
        "deferred",
    ),
    "JSON, rejected": (['{{"message_id": "<{id}>", "status": "rejected"}}'], "refused"),
    "JSON, delivered": (['{{"message_id": "{id}", "status": "Delivered"}}'], "sent"),
    "JSON, two words": (['{{"message_id": "{id}", "status": "Hard-Bounce"}}'], "bounced"),
    "JSON, a word nobody knows": (['{{"message_id": "{id}", "status": "opened"}}'], "unknown"),
    "JSON, a reply": (['{{"message_id": "{id}", "status": "250 2.0.0 Ok"}}'], "sent"),
    "JSON, a reply code": (['{{"Message-ID": "{id}", "status": 451}}'], "deferred"),
    "JSON, a refusal": (['{{"messageId": "{id}", "status": "5.7.1"}}'], "refused"),
    "JSON, in capitals": (['{{"Message-Id": "{id}", "Status": "BOUNCED"}}'], "bounced"),
    "JSON, no code": (['{{"message_id": "{id}", "status": "2 of 3 sent"}}'], "unknown"),
    "JSON without a status": (['{{"message_id": "{id}"}}'], "unknown"),
}
ENVELOPE = (
    "Nov 22 08:00:01 relay smtpd[7]: 8f1b3a7c2d0e4f5a smtp envelope evpid=aabbccdd11223344 from=<{verp}> to=<r@x>"
)
TAKEN = "Nov 22 08:00:01 relay smtpd[7]: 8f1b3a7c2d0e4f5a smtp message msgid=aabbccdd size=44193 nrcpt=1 proto=ESMTP"
DELIVERY = (
    "Nov 22 08:00:02 relay smtpd[7]: 8f1b3a7c2d0e4f5b mta delivery evpid=aabbccdd11223344 from=<{verp}> to=<r@x> "
    'rcpt=<-> source="192.0.2.1" relay="192.0.2.2 (mx)" delay=1s result="{result}" stat="250 ok"'
)
OPENSMTPD = {
    "its envelope": ([ENVELOPE], "unknown"),
    "taken": ([ENVELOPE, TAKEN], "sent"),
    "delivered": ([ENVELOPE, TAKEN, DELIVERY.replace("{result}", "Ok")], "sent"),
    "taken, in the order of version 6": ([TAKEN, ENVELOPE], "sent"),
    "put off, in the order of version 6": ([TAKEN, ENVELOPE, DELIVERY.replace("{result}", "TempFail")], "deferred"),
    "put off": ([ENVELOPE, TAKEN, DELIVERY.replace("{result}", "TempFail")], "deferred"),
    "returned": ([ENVELOPE, TAKEN, DELIVERY.replace("{result}", "PermFail")], "bounced"),
    "the form of 2016": (
        ["Nov 22 08:00:01 relay smtpd[7]: smtp-in: Accepted message aabbccdd on session 8f1b: from=<{verp}>, to=<r@x>"],
        "sent",
    ),
}


@pytest.mark.parametrize("zone", ["", ".123", " +0100"])
@pytest.mark.parametrize("pid", ["", "[77] "])
@pytest.mark.parametrize("case", OTHERS)
def test_other_servers_are_read_in_their_own_words(case: str, zone: str, pid: str) -> None:
    lines, status = OTHERS[case]
    (told,) = fates([line.format(id="1.a@x", verp="b+1.a@x", zone=zone, pid=pid) for line in lines])
    assert (told.message_id, told.status) == ("1.a@x", status)


@pytest.mark.parametrize("case", OPENSMTPD)
def test_opensmtpd_names_the_sender_instead_of_the_message(case: str) -> None:
    lines, status = OPENSMTPD[case]
    (told,) = fates([line.format(verp="b+1.a@x") for line in lines])
    assert (told.message_id, told.sender, told.status) == ("", "b+1.a@x", status)


def test_a_postfix_log_tells_what_became_of_each_message() -> None:
    log = POSTFIX.format(first="1.a@x", second="2.b@x").splitlines()
    assert list(fates(log)) == [Fate("1.a@x", "sent", "250 Ok"), Fate("2.b@x", "deferred", "timed out")]


def test_json_lines_are_understood_and_broken_ones_passed_over() -> None:
    lines = ['{"message_id": "<1.a@x>", "status": "sent"}', '{"message_id": 5}', "{broken", "[]", "{" * 5000]
    assert list(fates(lines)) == [Fate("1.a@x", "sent")]


def test_times_are_read_and_a_december_line_in_january_is_last_years() -> None:
    lines = [syslog("qmgr", "x").replace("Nov 22", "Dec 31"), syslog("qmgr", "y").replace("Nov 22", "Jan  1")]
    reading = relay_log.read(lines, now=datetime(2027, 1, 1, 12, tzinfo=UTC))
    assert reading.first == datetime(2026, 12, 31, 8, 0, 1, tzinfo=UTC)
    assert reading.last == datetime(2027, 1, 1, 8, 0, 1, tzinfo=UTC)


def test_reading_is_linear_and_keeps_only_what_is_wanted() -> None:
    def log(messages: int) -> Iterator[str]:
        for number in range(messages):
            lines, _ = BODIES["delivered"]
            queue = f"Q{number:06}"
            for daemon, body in lines:
                yield syslog(daemon, body.replace("9799D", queue).format(id=f"{number}@x", verp="b+1.a@x"))

    seconds = []
    for messages in (2_000, 8_000):
        begin = time.process_time()
        reading = relay_log.read(log(messages), wanted=lambda fate: fate.message_id == "7@x")
        seconds.append(time.process_time() - begin)
        assert [fate.message_id for fate in reading.fates] == ["7@x"]
        assert not reading._queue
    assert seconds[1] < 10 * seconds[0]


@pytest.mark.parametrize(
    "line",
    [
        syslog("smtp", "9799D: to=<a>, " + "x=<y>, " * 8000),
        syslog("smtp", "9799D: to=<a>, " + "x=<y" * 8000),
        "Nov 22 08:00:01 relay smtpd[7]: aabbccddee mta delivery evpid=aabbccdd11223344 " + "result=Ok " * 6000,
        "Nov 22 08:00:01 relay sendmail[7]: 5AM801x: to=<a>" + ", stat" * 9000,
        "<22>1 2026-11-22T08:00:01Z relay p 7 - " + "[a]" * 20000,
        "2026-11-22 08:00:01 1vPxwi-0001xA-Te <= a" + " id" * 20000,
        "{" + '"a":{' * 10000,
    ],
)
def test_a_line_made_to_hurt_is_read_at_once(line: str) -> None:
    begin = time.process_time()
    list(fates([syslog("cleanup", "9799D: message-id=<1.a@x>"), line] * 20))
    assert time.process_time() - begin < 2


# --- settling ---------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _that_day() -> Iterator[None]:
    """A log of classic syslog names no year."""
    with time_machine.travel(AT + timedelta(days=8)):
        yield


def in_doubt(number: int = 1) -> list[Delivery]:
    rows = sent(number)
    Delivery.objects.update(state=Delivery.State.UNKNOWN, sent_at=None, due_at=AT - timedelta(minutes=1))
    for row in rows:
        DeliveryEvent.objects.create(
            delivery=row, kind=DeliveryEvent.Kind.UNKNOWN, at=AT + timedelta(seconds=5), source="smtp", handled_at=AT
        )
    return rows


def settle(tmp_path: Path, text: str, *, absent_failed: bool = False, **options: str) -> str:
    log, out = tmp_path / "mail.log", StringIO()
    log.write_text(text)
    call_command("settle_unknown", log=log, absent_failed=absent_failed, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def quiet(begin: str = "07:50:00", end: str = "08:10:00") -> str:
    """A log of that time without a message in it."""
    return "".join(f"Nov 22 {at} relay postfix/anvil[3]: statistics: max cache size 1\n" for at in (begin, end))


@pytest.mark.django_db
def test_what_the_relay_took_over_is_sent_and_the_rest_stays_unknown(tmp_path: Path) -> None:
    first, second, third = in_doubt(3)
    log = quiet() + POSTFIX.format(first=message_id(first.pk), second=message_id(second.pk))
    assert settle(tmp_path, log) == "2 sent, 0 failed, 1 still unknown\n"
    assert Delivery.objects.get(pk=third.pk).state == Delivery.State.UNKNOWN
    assert settle(tmp_path, log, absent_failed=True) == "0 sent, 1 failed, 0 still unknown\n"
    assert Delivery.objects.get(pk=third.pk).state == Delivery.State.FAILED
    assert Delivery.objects.get(pk=first.pk).state == Delivery.State.SENT


@pytest.mark.django_db
@pytest.mark.parametrize("case", BODIES)
def test_a_delivery_comes_to_what_the_log_proves(tmp_path: Path, case: str) -> None:
    (row,) = in_doubt()
    lines, status = BODIES[case]
    named = {"id": message_id(row.pk), "verp": bounce_address(row.pk)}
    log = "\n".join(syslog(daemon, body.format(**named)) for daemon, body in lines)
    plain = {"sent": "sent", "deferred": "sent", "bounced": "failed", "refused": "failed", "unknown": "unknown"}[status]
    settle(tmp_path, log)
    assert Delivery.objects.get().state == plain
    settle(tmp_path, log, absent_failed=True)
    assert Delivery.objects.get().state == ("failed" if plain == "unknown" else plain)


@pytest.mark.django_db
@pytest.mark.parametrize("case", OPENSMTPD)
def test_opensmtpd_settles_by_our_bounce_address(tmp_path: Path, case: str) -> None:
    (row,) = in_doubt()
    lines, status = OPENSMTPD[case]
    settle(tmp_path, "\n".join(line.format(verp=bounce_address(row.pk)) for line in lines))
    state = {"sent": "sent", "deferred": "sent", "bounced": "failed", "unknown": "unknown"}[status]
    assert Delivery.objects.get().state == state


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("", "no line of a mail server"),
        ("Nov 22 08:00:01 relay cron[3]: (root) CMD (true)\n", "no line of a mail server"),
        (quiet().replace("Nov 22", "Nov 15"), "2026-11-15 07:50:00 to 2026-11-15 08:10:00 UTC, but 1 deliveries"),
        (quiet(end="08:00:03"), "between 2026-11-22 07:59:02 and 2026-11-22 08:00:07 UTC"),
        (quiet(begin="07:59:30"), "Give a log of all that time"),
        ('{"message_id": "x@y", "status": "sent"}\n', "names no times"),
    ],
)
def test_a_log_that_proves_nothing_is_refused(tmp_path: Path, log: str, says: str) -> None:
    in_doubt()
    with pytest.raises(CommandError, match=says):
        settle(tmp_path, log, absent_failed=True)
    assert Delivery.objects.get().state == Delivery.State.UNKNOWN
    assert settle(tmp_path, log) == "0 sent, 0 failed, 1 still unknown\n"


@pytest.mark.django_db
def test_a_log_without_digests_that_were_sent_then_is_of_another_relay(tmp_path: Path) -> None:
    first, _ = in_doubt(2)
    Delivery.objects.filter(pk=first.pk).update(state=Delivery.State.SENT, sent_at=AT)
    with pytest.raises(CommandError, match="lacks 1 digests"):
        settle(tmp_path, quiet(), absent_failed=True)
    lines, _ = BODIES["delivered"]
    log = quiet() + "\n".join(syslog(daemon, body.format(id=message_id(first.pk), verp="x")) for daemon, body in lines)
    assert settle(tmp_path, log, absent_failed=True) == "0 sent, 1 failed, 0 still unknown\n"


@pytest.mark.django_db
def test_local_times_are_read_in_the_zone_that_is_named(tmp_path: Path) -> None:
    in_doubt()
    local = quiet(begin="08:50:00", end="09:10:00")
    with pytest.raises(CommandError, match="--time-zone"):
        settle(tmp_path, local, absent_failed=True)
    with pytest.raises(CommandError, match="no time zone Mars"):
        settle(tmp_path, local, absent_failed=True, time_zone="Mars")
    assert settle(tmp_path, local, absent_failed=True, time_zone="Europe/Berlin").startswith("0 sent, 1 failed")


@pytest.mark.django_db
def test_a_worker_reaped_hours_later_needs_a_log_from_its_digests_hour_on(tmp_path: Path) -> None:
    in_doubt()
    DeliveryEvent.objects.update(source="reaper", at=AT + timedelta(hours=3))
    with pytest.raises(CommandError, match="but 1 deliveries"):
        settle(tmp_path, quiet(), absent_failed=True)
    assert settle(tmp_path, quiet(end="11:02:00"), absent_failed=True).startswith("0 sent, 1 failed")


@pytest.mark.django_db
def test_a_message_id_that_is_not_ours_settles_nothing(tmp_path: Path) -> None:
    (row,) = in_doubt()
    settle(tmp_path, POSTFIX.format(first=f"{row.pk}.forged@papers.example.org", second="x@y"))
    assert Delivery.objects.get().state == Delivery.State.UNKNOWN


@pytest.mark.django_db
def test_a_log_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("settle_unknown", log=tmp_path / "missing")


@pytest.mark.django_db
@pytest.mark.parametrize("case", json.loads(CASES.read_text()) if CASES.exists() else [])
def test_the_reported_logs_come_to_what_was_asked_for(case: dict[str, str], tmp_path: Path) -> None:
    (row,) = in_doubt()
    Delivery.objects.update(due_at=AT + timedelta(days=7))
    DeliveryEvent.objects.all().delete()
    log = case["log"].format(id=message_id(row.pk), verp=bounce_address(row.pk))
    settle(tmp_path, log)
    assert Delivery.objects.get().state in case["plain"]
    Delivery.objects.update(state=Delivery.State.UNKNOWN)
    if case["absent_failed"] == "the command refuses":
        with pytest.raises(CommandError):
            settle(tmp_path, log, absent_failed=True)
    else:
        settle(tmp_path, log, absent_failed=True)
        assert Delivery.objects.get().state in case["absent_failed"].replace("never failed", "")


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress)])
def test_a_packed_log_is_read_and_a_damaged_one_is_said_plainly(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    log, out = tmp_path / f"mail.log.1.{suffix}", StringIO()
    packed = pack(POSTFIX.format(first="1.a@x", second="2.b@x").encode() * 500)
    log.write_bytes(packed)
    call_command("read_relay_log", log, stdout=out)
    assert "deferred 2.b@x timed out" in out.getvalue()
    middle = len(packed) // 2
    for damaged in (packed[:middle], packed[:middle] + bytes(20) + packed[middle + 20 :], b"Nov 22 08:00:01 relay"):
        log.write_bytes(damaged)
        with pytest.raises(CommandError, match="cannot be read"):
            call_command("read_relay_log", log, stdout=StringIO())


@pytest.mark.django_db
def test_read_relay_log_prints_a_line_a_message(tmp_path: Path) -> None:
    (row,) = in_doubt()
    log, out = tmp_path / "mail.log.1.gz", StringIO()
    text = POSTFIX.format(first="1.a@x", second="2.b@x") + ENVELOPE.format(verp=bounce_address(row.pk)) + "\n" + TAKEN
    log.write_bytes(gzip.compress(text.encode()))
    call_command("read_relay_log", log, json=True, stdout=out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"message_id": "1.a@x", "fate": "sent"},
        {"message_id": "2.b@x", "fate": "deferred"},
        {"message_id": message_id(row.pk), "fate": "sent"},
    ]
    call_command("read_relay_log", log, stdout=out)
    assert "deferred 2.b@x timed out" in out.getvalue()
    with pytest.raises(CommandError, match="holds no line of a mail server"):
        call_command("read_relay_log", Path(__file__).with_name("builders.py"))
