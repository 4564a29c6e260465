"""What strangers may send or cause: no page breaks, no answer of theirs holds up others, nothing costs without end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from newsletter import search, tasks
from newsletter.catalogue import submissions
from newsletter.catalogue.http_client import FetchError, FetchPolicy, address_of, retry_after
from newsletter.delivery import webhooks
from newsletter.editions import share_cards
from newsletter.models import Edition, Heartbeat, Paper, Submission, Vote, WebhookDelivery
from newsletter.ranking import votes
from newsletter.search import update_index
from subscriptions import gdpr, token_links
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.receiver import Answer, Receiver, receiving
from tests.test_races import at_once, succeeded
from tests.test_webhooks import done_edition, endpoint_at, tell

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/edition/%00/2026-03-18/",
        "/edition/%00/2026-03-18/share.png",
        "/feeds/editions/%00.atom",
        "/edition/hourly/2026-03-18/",
    ],
)
def test_a_rhythm_that_does_not_exist_is_no_page(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


def test_no_cookie_changes_a_page_that_caches_keep_for_everybody(client: Client) -> None:
    client.cookies["django_language"] = "de"
    plain = client.get("/")
    assert (plain["Content-Language"], plain["Vary"]) == ("en", "Accept-Language")
    assert client.get("/", headers={"Accept-Language": "de"})["Content-Language"] == "de"


def test_a_day_before_all_days_lists_no_paper_that_was_never_listed(client: Client) -> None:
    assign(make_paper(listed_on=None), "vision")
    listed = assign(make_paper(), "vision")
    for wishes in ("to=2026-12-31", "listed_on=0001-01-01", "from=0001-01-01", "sort=votes&to=2026-12-31"):
        found = client.get(f"/api/v1/papers/?topic=vision&{wishes}").json()["papers"]
        assert [one["id"] for one in found] == ([] if "listed_on" in wishes else [listed.pk]), wishes


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_a_title_of_one_endless_word_is_drawn_as_fast_as_any() -> None:
    share_cards.draw("Words that warm the fonts up", "", "Paperboy")
    began = time.process_time()
    assert share_cards.draw("W" * 500, "", "Paperboy")
    assert time.process_time() - began < 1  # letter by letter it took four seconds


@pytest.mark.parametrize("address", ["/paper/{next}/share.png", "/edition/daily/2026-03-19/share.png"])
def test_asking_for_a_picture_too_early_leaves_nothing_in_caches_for_long(client: Client, address: str) -> None:
    paper = make_paper()
    address = address.format(next=paper.pk + 1)
    early = client.get(address)
    assert (early.status_code, early["Cache-Control"]) == (302, "max-age=60, public")
    make_edition(papers=[make_paper(pk=paper.pk + 1)], state="done", period_on=NOON.date() + timedelta(days=1))
    drawn = client.get(address)
    assert (drawn.status_code, drawn["Content-Type"]) == (200, "image/png")
    assert "max-age=604800" in drawn["Cache-Control"]


# --- other people's servers -------------------------------------------------------------------------------------------


@pytest.fixture
def receivers(settings: Settings) -> Iterator[tuple[Receiver, Receiver]]:
    settings.WEBHOOK_PRIVATE_TARGETS = True
    with receiving() as one, receiving() as other:
        yield one, other


@pytest.mark.parametrize(
    "asked",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2027 00:00:00 +99999999999999999999",
        "9" * 400,
        "soon",
    ],
)
def test_a_wait_that_no_clock_can_tell_is_none_or_bounded(asked: str) -> None:
    headers = {"Retry-After": asked, "Date": "Wed, 18 Mar 2026 12:00:00 GMT"}
    wait = retry_after(httpx.Response(503, headers=headers))
    assert wait is None or wait <= timedelta(days=7)


def test_an_answer_nobody_can_read_costs_its_own_try_and_no_other(receivers: tuple[Receiver, Receiver]) -> None:
    hostile, good = receivers
    hostile.will(Answer(500, headers={"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}))
    for each in receivers:
        endpoint_at(each.url)
    done_edition()
    tell()
    states = dict(WebhookDelivery.objects.values_list("endpoint__url", "state"))
    assert states == {hostile.url: "retry", good.url: "sent"}


def test_what_breaks_in_an_unforeseen_way_is_one_failed_try(
    receivers: tuple[Receiver, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def breaks(host: str, *rest: object, **more: object) -> object:
        if host == "broken.example":
            raise ValueError("nobody thought of this")
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", breaks)
    _unused, good = receivers
    endpoint_at("http://broken.example/")
    endpoint_at(good.url)
    done_edition()
    tell()
    states = dict(WebhookDelivery.objects.values_list("endpoint__url", "state"))
    assert states == {"http://broken.example/": "retry", good.url: "sent"}


@pytest.mark.parametrize(
    "host", ["[fec0::1]", "[64:ff9b:1::7f00:1]", "[::ffff:0:127.0.0.1]", "192.0.0.8", "[2001::1]", "100.64.0.1"]
)
def test_networks_that_are_nobodys_public_address_are_not_posted_to(host: str) -> None:
    with pytest.raises(FetchError, match="leads inside a network"):
        address_of(urlsplit(f"https://{host}/"), rules=FetchPolicy())


def test_a_new_program_does_not_hear_of_an_old_edition_that_a_first_digest_opened_again() -> None:
    edition = done_edition()
    endpoint_at("https://example.org/", created_at=NOON)
    Edition.objects.filter(pk=edition.pk).update(
        closes_at=NOON - timedelta(hours=1),
        done_at=NOON + timedelta(hours=2),  # the second time
    )
    assert webhooks.announce_due(now=NOON + timedelta(hours=3)) == 0


# --- papers handed in -------------------------------------------------------------------------------------------------


def test_the_page_of_who_handed_in_much_asks_the_database_no_more_often(client: Client) -> None:
    reader = make_reader()
    address = f"/r/{token_links.manage_token(reader, now=timezone.now())}/papers/"

    def queries_with(number: int) -> int:
        while Submission.objects.count() < number:
            paper = make_paper(listed_on=None)
            fields = {"state": Submission.State.DUPLICATE, "paper": paper, "at": NOON, "decided_at": NOON}
            Submission.objects.create(subscriber=reader, link="x", arxiv_id=paper.arxiv_id, **fields)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    assert queries_with(1) == queries_with(8)


def test_a_queue_nobody_looks_at_holds_up_no_paper_that_was_let_in() -> None:
    for number in range(1, 4):
        Submission.objects.create(link="x", arxiv_id=f"2603.9000{number}", at=NOON - timedelta(days=1))
    wanted = Submission.objects.create(
        link="x", arxiv_id="2603.00777", state=Submission.State.ACCEPTED, at=NOON, decided_at=NOON
    )
    paper = make_paper(arxiv_id="2603.00777", listed_on=None)
    assert submissions.settle(now=NOON, limit=3) == 1
    wanted.refresh_from_db()
    assert wanted.paper == paper
    assert Paper.objects.get().listed_on == NOON.date()


def _wait_until_somebody_waits_for_a_lock() -> None:
    """The other has come to the reader's row, which this transaction holds."""
    until = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("Nobody came to the locked row.")


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deed", ["vote", "submit"])
def test_of_who_is_erased_at_the_same_moment_nothing_is_left(deed: str) -> None:
    reader, paper, is_erasing = make_reader(), make_paper(), threading.Event()

    def erase() -> object:
        with transaction.atomic():
            gdpr.erase(reader, now=NOON, method="preferences")
            is_erasing.set()
            _wait_until_somebody_waits_for_a_lock()
        return None

    def take_part() -> object:
        assert is_erasing.wait(10)
        if deed == "vote":
            return votes.vote(reader, paper=paper, now=NOON)
        return submissions.submit(reader, link="2603.00999", now=NOON).answer

    _erased, said = succeeded(at_once(erase, take_part))
    assert said in {False, submissions.SubmissionResult.REFUSED}
    assert not Vote.objects.exists()
    assert not Submission.objects.exists()


# --- clocks -----------------------------------------------------------------------------------------------------------


def test_a_clock_that_was_ahead_for_a_while_does_not_stop_the_scoring() -> None:
    assert tasks.score_if_due(now=NOON + timedelta(days=3))
    assert tasks.score_if_due(now=NOON)
    assert not tasks.score_if_due(now=NOON + timedelta(minutes=1))


def test_a_clock_that_was_ahead_for_a_while_does_not_stop_the_forgetting() -> None:
    tasks.forget_hourly(now=NOON + timedelta(days=3))
    tasks.forget_hourly(now=NOON)
    assert Heartbeat.objects.get(name="forget").at == NOON


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_many_who_search_at_once_read_what_was_learnt_once() -> None:
    for _ in range(12):
        make_paper()
    now = timezone.now()
    search.keep_up(now=now, deadline=now + timedelta(minutes=1))
    read = succeeded(at_once(*[update_index.recall] * 8))
    assert read[0] is not None
    assert {id(memory) for memory in read} == {id(read[0])}
