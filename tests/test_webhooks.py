"""Webhooks: every program that asked hears of every edition, signed, at least once, or somebody is told why not."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from newsletter import tasks
from newsletter.catalogue.http_client import FetchPolicy
from newsletter.delivery import webhooks
from newsletter.delivery.webhooks import endpoint_secrets, http_post, outbox
from newsletter.delivery.webhooks.signature import signed_headers
from newsletter.models import Edition, Paper, WebhookDelivery, WebhookEndpoint, WebhookEvent
from newsletter.monitoring import current_alarms as alarm_rows
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.inbox import Inbox
from tests.processes import ROOT, Processes
from tests.receiver import Answer, Receiver, receiving
from tests.test_races import at_once, succeeded

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

FAR = datetime(2100, 1, 1, tzinfo=UTC)
SECRET = "whsec_" + "c2VjcmV0" * 4
PUBLIC = FetchPolicy()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_PRIVATE_TARGETS = True
    with receiving() as server:
        yield server


def endpoint_at(url: str, **over: Any) -> WebhookEndpoint:
    fields: dict[str, Any] = {"secret": endpoint_secrets.seal(SECRET), "created_at": NOON - timedelta(days=10)}
    return WebhookEndpoint.objects.create(url=url, **(fields | over))


def done_edition(**over: Any) -> Edition:
    edition = make_edition(papers=[assign(make_paper(), "vision"), make_paper()], state="done", **over)
    Edition.objects.filter(pk=edition.pk).update(done_at=over.get("done_at", NOON))
    return edition


def deliver(*, at: datetime = NOON) -> int:
    with time_machine.travel(at, tick=False):
        return webhooks.deliver_due(deadline=FAR)


def tell(*, at: datetime = NOON) -> int:
    webhooks.announce_due(now=at)
    return deliver(at=at)


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.select_related("endpoint", "event").get()


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_program_hears_of_an_edition_that_is_done_once_and_signed(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    edition = done_edition(editor_note="Good morning.")
    assert [tell(), tell()] == [1, 0]
    (got,) = receiver.got
    assert got.is_signed_with(SECRET)
    assert not got.is_signed_with(endpoint_secrets.new_secret())
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert got.headers["user-agent"].startswith("Paperboy/")
    assert got.told["type"] == "edition.sent"
    data = got.told["data"]
    assert (data["id"], data["cadence"], data["period_on"], data["papers"]) == (edition.pk, "daily", "2026-03-18", 2)
    assert data["api_url"] == f"https://papers.example.org/api/v1/editions/{edition.pk}/"
    assert [item["paper"]["title"] for item in data["items"]] == [
        item.paper.title for item in edition.items.select_related("paper")
    ]
    delivery = only()
    assert (delivery.state, delivery.status, delivery.attempts, delivery.excerpt) == ("sent", 200, 1, "thank you")
    assert delivery.settled_at == NOON


def test_no_reader_is_in_what_is_told(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    reader = make_reader("alice.secret@hidden.example", follows=("vision",))
    done_edition()
    tell()
    body = receiver.got[0].body.decode()
    assert "alice" not in body
    assert "hidden.example" not in body
    assert reader.unsubscribe_token not in body


def test_hidden_papers_are_not_told_and_hostile_text_stays_text(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    papers = [make_paper(title="<script>\u2028</script> 論文"), make_paper(is_hidden=True)]
    edition = make_edition(papers=papers, state="done")
    Edition.objects.filter(pk=edition.pk).update(done_at=NOON)
    tell()
    assert [item["paper"]["title"] for item in receiver.got[0].told["data"]["items"]] == [papers[0].title]


def test_an_endpoint_hears_only_of_editions_done_since_it_is_there(receiver: Receiver) -> None:
    endpoint_at(receiver.url, created_at=NOON + timedelta(seconds=1))
    done_edition()
    assert tell(at=NOON + timedelta(minutes=1)) == 0


@pytest.mark.parametrize("over", [{"is_active": False}, {"events": []}, {"events": ["something.else"]}])
def test_who_is_off_or_did_not_ask_hears_nothing(receiver: Receiver, over: dict[str, Any]) -> None:
    endpoint_at(receiver.url, **over)
    done_edition()
    assert tell() == 0


def test_an_edition_that_is_opened_again_and_done_again_is_told_once(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    edition = done_edition()
    tell()
    Edition.objects.filter(pk=edition.pk).update(done_at=NOON + timedelta(hours=2))
    assert tell(at=NOON + timedelta(hours=3)) == 0


def test_news_of_last_week_is_none() -> None:
    endpoint_at("https://hooks.example.org/", created_at=NOON - timedelta(days=90))
    done_edition()
    assert webhooks.announce_due(now=NOON + timedelta(days=8)) == 0


def test_the_tick_tells_and_a_task_posts(receiver: Receiver, settings: Settings) -> None:
    endpoint_at(receiver.url)
    with time_machine.travel(NOON, tick=False):
        done_edition()
        tasks.keep_house(now=NOON)
        tasks.call_webhooks()
    assert only().state == "sent"


def test_every_endpoint_gets_the_same_bytes_under_the_same_id(receiver: Receiver) -> None:
    for _ in range(12):
        endpoint_at(receiver.url)
    done_edition()
    webhooks.announce_due(now=NOON)
    Paper.objects.update(upvotes=99)
    assert deliver() == 12
    assert len({(got.id, got.body) for got in receiver.got}) == 1
    assert WebhookEvent.objects.count() == 1


def test_looking_for_news_costs_the_same_however_many_editions_were_told(
    receiver: Receiver, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        endpoint_at(receiver.url)
        done_edition(period_on=NOON.date() - timedelta(days=number))
    tell()
    with django_assert_num_queries(3):
        webhooks.announce_due(now=NOON)


# --- when it is not taken ---------------------------------------------------------------------------------------------


def test_what_was_not_taken_is_sent_again_with_the_same_id_and_a_fresh_signature(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    done_edition()
    receiver.will(Answer(500, body=b"broken\x00 here"), Answer(200))
    assert tell() == 1
    delivery = only()
    assert (delivery.state, delivery.status, delivery.excerpt) == ("retry", 500, "broken  here")
    assert delivery.next_at is not None
    assert timedelta(seconds=48) <= delivery.next_at - NOON <= timedelta(seconds=72)
    assert delivery.endpoint.failing_since == NOON
    assert deliver(at=NOON + timedelta(seconds=40)) == 0
    assert deliver(at=NOON + timedelta(seconds=72)) == 1
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert second.headers["webhook-timestamp"] != first.headers["webhook-timestamp"]
    assert second.is_signed_with(SECRET)
    delivery = only()
    assert (delivery.state, delivery.attempts, len(delivery.tries)) == ("sent", 2, 2)
    assert delivery.endpoint.failing_since is None


def test_it_is_tried_for_three_days_and_then_no_more(receiver: Receiver, settings: Settings) -> None:
    settings.WEBHOOK_OFF_AFTER_DAYS = 30
    endpoint_at(receiver.url)
    done_edition()
    receiver.will(Answer(503))
    webhooks.announce_due(now=NOON)
    tries = []
    while (next_at := only().next_at) is not None:
        tries.append(next_at)
        deliver(at=next_at)
    assert len(tries) == len(receiver.got) == 10
    assert timedelta(days=2.5) < tries[-1] - tries[0] < timedelta(days=4)
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert all(0.8 <= wait / usual <= 1.2 for wait, usual in zip(waits, outbox.WAITS, strict=True))
    assert len({wait / usual for wait, usual in zip(waits, outbox.WAITS, strict=True)}) > 1  # not all at once again
    assert (only().state, only().status) == ("failed", 503)


def test_a_receiver_that_asks_for_time_gets_it_up_to_a_day(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    done_edition()
    for asked, given in ((600, 600), (10**9, 86_400)):
        receiver.will(Answer(429, headers={"Retry-After": str(asked)}))
        WebhookDelivery.objects.update(next_at=NOON, attempts=0)
        tell()
        next_at = only().next_at
        assert next_at is not None
        assert min(given, 6 * 3600) <= (next_at - NOON).total_seconds() <= given


def test_who_says_nothing_in_time_is_given_up_and_holds_up_nobody(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_post, "SECONDS", 0.3)
    with receiving() as quick:
        slow, fast = endpoint_at(receiver.url), endpoint_at(quick.url)
        done_edition()
        receiver.will(Answer(holds=True))
        started = time.monotonic()
        assert tell() == 2
        assert time.monotonic() - started < 3
    assert WebhookDelivery.objects.get(endpoint=fast).state == "sent"
    delivery = WebhookDelivery.objects.get(endpoint=slow)
    assert (delivery.state, delivery.status, delivery.excerpt) == ("retry", None, "no answer within 0.3 seconds")


def test_headers_that_never_end_are_given_up_as_well(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_post, "SECONDS", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            there, _peer = server.accept()
            with there:
                there.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    try:
                        there.sendall(b"X-More: 1\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        endpoint_at(f"http://127.0.0.1:{server.getsockname()[1]}/")
        done_edition()
        tell()
        over.set()
        thread.join()
    assert (only().state, only().status) == ("retry", None)


def drops() -> Iterator[bytes]:
    while True:
        yield b"."
        time.sleep(0.05)


def flood() -> Iterator[bytes]:
    while True:
        yield b"x" * 65_536


@pytest.mark.parametrize("body", [drops, flood])
def test_of_a_slow_or_endless_answer_the_status_is_enough(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    monkeypatch.setattr(http_post, "BODY_SECONDS", 0.3)
    endpoint_at(receiver.url)
    done_edition()
    receiver.will(Answer(200, body=body))
    started = time.monotonic()
    tell()
    assert time.monotonic() - started < 2
    assert only().state == "sent"
    assert len(only().excerpt) <= http_post.EXCERPT


def test_a_packed_answer_is_not_unpacked(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    done_edition()
    receiver.will(Answer(200, headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b not really"))
    tell()
    assert receiver.got[0].headers["accept-encoding"] == "identity"
    assert only().state == "sent"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as inside:
        endpoint_at(receiver.url)
        done_edition()
        receiver.will(Answer(307, headers={"Location": inside.url}))
        tell()
        assert inside.got == []
    assert (only().state, only().status) == ("retry", 307)


def test_a_program_that_is_gone_for_good_is_switched_off_and_an_alarm_says_so(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver.url, description="The wiki")
    done_edition()
    done_edition(period_on=NOON.date() - timedelta(days=1))
    receiver.will(Answer(410))
    assert tell() == 1
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.off_reason) == (False, "it answered 410 Gone")
    assert {one.state for one in WebhookDelivery.objects.all()} == {"failed"}
    (alarm,) = [one for one in alarm_rows.alarms(now=NOON) if one.part == "webhooks"]
    assert (alarm.name, "The wiki was switched off: it answered 410 Gone" in alarm.sentence) == ("webhook_off", True)


def test_what_takes_nothing_for_days_raises_an_alarm_and_is_then_switched_off(
    receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_OFF_AFTER_DAYS = 2
    endpoint = endpoint_at(receiver.url)
    done_edition()
    receiver.will(Answer(500))
    webhooks.announce_due(now=NOON)
    alarms = set()
    while (next_at := only().next_at) is not None:
        deliver(at=next_at)
        alarms |= {(one.name, endpoint.is_active) for one in alarm_rows.alarms(now=next_at) if one.part == "webhooks"}
        endpoint.refresh_from_db()
    assert endpoint.off_reason == "nothing was taken for 2 days"
    assert {name for name, _active in alarms} == {"webhook_failing", "webhook_off"}


# --- where it may go --------------------------------------------------------------------------------------------------


LEADING_NOWHERE = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://localhost/",
    "http://example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "https://user:password@example.org/",
    "https://example.org:0/",
    "https://example.org:99999/",
    "https://",
    "https:///x",
    "nonsense",
]


def test_no_address_leads_into_our_network(settings: Settings) -> None:
    assert settings.WEBHOOK_PRIVATE_TARGETS is False
    for url in LEADING_NOWHERE:
        endpoint_at(url)
    done_edition()
    tell()
    rows = WebhookDelivery.objects.values_list("endpoint__url", "state", "status")
    assert sorted(rows) == sorted((url, "retry", None) for url in LEADING_NOWHERE)
    assert not WebhookDelivery.objects.filter(excerpt="").exists()


def test_loopback_is_posted_to_only_where_that_is_switched_on(receiver: Receiver, settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_TARGETS = False
    endpoint_at(receiver.url)
    endpoint_at(receiver.url.replace("http://", "https://"))
    done_edition()
    tell()
    assert receiver.got == []


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    """https://github.com/standard-webhooks/standard-webhooks: the vector that its libraries are tested with."""
    headers = signed_headers(
        b'{"test": 2432232314}',
        uid="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_check_that_the_docs_give_to_receivers_works(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    done_edition()
    tell()
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/webhooks.md").read_text(), flags=re.M | re.S)
    names: dict[str, Any] = {}
    exec(code.replace("whsec_…", SECRET), names)
    got = receiver.got[0]
    with time_machine.travel(NOON):
        assert names["is_genuine"](got.headers, got.body)
        assert not names["is_genuine"](got.headers, got.body + b" ")
        assert not names["is_genuine"](got.headers | {"webhook-id": "msg_other"}, got.body)
    with time_machine.travel(NOON + timedelta(minutes=6)):
        assert not names["is_genuine"](got.headers, got.body)


def test_while_a_secret_is_changed_both_sign(receiver: Receiver) -> None:
    old, new = endpoint_secrets.new_secret(), endpoint_secrets.new_secret()
    endpoint = endpoint_at(
        receiver.url,
        secret=endpoint_secrets.seal(new),
        former_secret=endpoint_secrets.seal(old),
        former_until=NOON + timedelta(hours=1),
    )
    webhooks.send_test(endpoint, now=NOON)
    deliver()
    webhooks.send_test(endpoint, now=NOON)
    deliver(at=NOON + timedelta(hours=1))
    assert [(got.is_signed_with(old), got.is_signed_with(new)) for got in receiver.got] == [(True, True), (False, True)]
    assert receiver.got[0].told["type"] == "test"


def test_secrets_are_random_long_and_never_stored_in_the_clear(settings: Settings) -> None:
    one, other = endpoint_secrets.new_secret(), endpoint_secrets.new_secret()
    assert one != other
    endpoint = endpoint_at("https://hooks.example.org/", secret=endpoint_secrets.seal(one))
    assert one not in str(WebhookEndpoint.objects.values())
    assert endpoint_secrets.signing_secrets(endpoint, now=NOON) == (one,)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert endpoint_secrets.signing_secrets(endpoint, now=NOON) == (one,)


def test_a_secret_that_cannot_be_opened_any_more_is_told_and_nothing_is_sent_unsigned(
    receiver: Receiver, settings: Settings
) -> None:
    endpoint_at(receiver.url)
    done_edition()
    settings.SECRET_KEY = "another"
    tell()
    assert receiver.got == []
    assert "make a new one" in only().excerpt


# --- crashes, races, time ---------------------------------------------------------------------------------------------


def test_a_claim_that_died_is_due_again_and_what_its_worker_still_says_changes_nothing(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    done_edition()
    webhooks.announce_due(now=NOON)
    (late,) = outbox._claim(now=NOON)
    assert outbox._claim(now=NOON) == []
    assert deliver(at=NOON + outbox.LEASE) == 1
    assert (only().state, only().attempts) == ("sent", 2)
    outbox._settle(late, http_post.WebhookResponse(500, "too late", 1), now=NOON + outbox.LEASE)
    assert (only().state, only().status, len(only().tries)) == ("sent", 200, 1)
    assert only().endpoint.failing_since is None


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_message_once(receiver: Receiver) -> None:
    for _ in range(6):
        endpoint_at(receiver.url)
    now = timezone.now()
    edition = done_edition()
    WebhookEndpoint.objects.update(created_at=now - timedelta(days=1))
    Edition.objects.filter(pk=edition.pk).update(closes_at=now, done_at=now)
    succeeded(at_once(*[lambda: webhooks.announce_due(now=now)] * 3))
    assert (WebhookEvent.objects.count(), WebhookDelivery.objects.count()) == (1, 6)
    tried = succeeded(at_once(*[lambda: webhooks.deliver_due(deadline=FAR)] * 3))
    assert (sum(tried), len(receiver.got)) == (6, 6)
    assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {("sent", 1)}


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_process_killed_while_it_posts_loses_nothing_and_sends_the_same_id_again(
    receiver: Receiver, database_url: str, inbox: Inbox, tmp_path: Path
) -> None:
    env = {"DATABASE_URL": database_url, "REDIS_URL": "", "EMAIL_URL": inbox.url, "WEBHOOK_PRIVATE_TARGETS": "1"}
    processes = Processes(env=env, folder=tmp_path)
    try:
        endpoint_at(receiver.url)
        edition = done_edition()
        Edition.objects.filter(pk=edition.pk).update(done_at=timezone.now())
        receiver.will(Answer(holds=True), Answer(200))
        worker = processes.command("work")
        receiver.wait_for(1)
        worker.kill()
        assert (only().state, only().attempts, only().tries) == ("queued", 1, [])
        WebhookDelivery.objects.update(next_at=timezone.now())  # a minute later
        assert processes.command("work", "--once").wait() == 0
    finally:
        processes.close()
    first, second = receiver.wait_for(2)
    assert (first.id, first.body) == (second.id, second.body)
    assert (only().state, only().attempts) == ("sent", 2)


def test_what_was_told_is_forgotten_after_ninety_days(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    done_edition()
    tell()
    assert webhooks.forget_old(now=NOON + timedelta(days=89)) == 0
    webhooks.forget_old(now=NOON + timedelta(days=91))
    assert not WebhookDelivery.objects.exists()
    assert not WebhookEvent.objects.exists()


def test_sending_again_begins_anew_but_never_at_an_endpoint_that_is_off(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver.url)
    done_edition()
    tell()
    assert webhooks.send_again(WebhookDelivery.objects.all(), now=NOON) == 1
    assert deliver() == 1
    assert receiver.got[0].id == receiver.got[1].id
    webhooks.switch_off(endpoint.pk, reason="by hand", now=NOON)
    assert webhooks.send_again(WebhookDelivery.objects.all(), now=NOON) == 0


def test_the_payload_is_json_that_fits_a_message(receiver: Receiver) -> None:
    endpoint_at(receiver.url)
    papers = [
        assign(make_paper(title="T" * 200, abstract="We study it. " * 200, authors=["Ada Lovelace"] * 12), "vision")
        for _ in range(60)
    ]
    edition = make_edition(papers=papers, state="done")
    Edition.objects.filter(pk=edition.pk).update(done_at=NOON)
    tell()
    assert len(receiver.got[0].body) < 100_000
    assert json.loads(receiver.got[0].body)["data"]["papers"] == 60
