"""Back from a pause: the best of the time away, once, with a digest like any other; and fewer mails with one tap."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning
from newsletter.delivery.compose_message import SCOPE
from newsletter.mail.assemble import Composer
from newsletter.models import Compiled, Delivery, Edition, EditionItem, Paper
from subscriptions import catch_up, gdpr, lifecycle, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import CatchUp, Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.mail_lint import bodies
from tests.mail_samples import IDENTITY, make_recipient

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
ACT: dict[str, Any] = {"method": "test", "origin": Origin()}
FROZEN = Edition.State.FROZEN


def make_day(day: int, *papers: Paper, now: datetime | None = None) -> Edition:
    """The daily edition of that many days before NOON."""
    at = NOON - day * DAY
    return make_edition(
        papers=papers, state=FROZEN, period_on=at.date(), cutoff_at=at - timedelta(hours=1),
        window_start_at=at - DAY, frozen_at=now or at - timedelta(minutes=30),
    )  # fmt: skip


def paper(title: str, score: float = 1.0, topic: str = "speech", **over: Any) -> Paper:
    found = assign(make_paper(title=title, score_daily=score, **over), topic)
    Paper.objects.filter(pk=found.pk).update(score_parts={"topic": topic})
    found.score_parts = {"topic": topic}
    return found


def away(reader: Subscriber, *, days: int, back: int = 0) -> None:
    """Paused that many days before NOON; back again ``back`` days before it."""
    start, end = NOON - days * DAY - timedelta(hours=3), NOON - back * DAY - timedelta(hours=3)
    lifecycle.pause(reader, until=end, now=start, **ACT)
    lifecycle.resume_rested(now=end)
    reader.refresh_from_db()


def titles_of(reader: Subscriber) -> list[list[str]]:
    """The papers of each of the reader's digests."""
    rows = reader.deliveries.order_by("due_at")
    names = dict(EditionItem.objects.values_list("pk", "paper__title"))
    return [[names[item] for item, *_ in row.picks] for row in rows]


def make_follower(**over: Any) -> Subscriber:
    return make_reader(follows=("speech",), wants_outside=False, **over)


def test_the_next_digest_brings_the_best_of_the_time_away_and_nothing_twice() -> None:
    reader, other = make_follower(next_due_at=NOON - 8 * DAY), make_follower()
    had = paper("Had before", 9)
    make_day(8, had)
    planning.plan_due(now=NOON - 8 * DAY)
    assert titles_of(reader) == [["Had before"]]
    away(reader, days=7)
    for day in range(6, 0, -1):
        make_day(day, had, paper(f"Missed {day}", day), paper(f"Robots {day}", 8, "robotics"))
    assert catch_up.ask(reader, now=NOON - timedelta(hours=2))
    assert not catch_up.ask(reader, now=NOON - timedelta(hours=2)), "one per pause"
    make_day(0, paper("New", 3), paper("Robots new", 9, "robotics"), now=NOON - timedelta(minutes=30))
    Subscriber.objects.filter(pk=other.pk).update(next_due_at=NOON)
    planning.plan_due(now=NOON)
    assert titles_of(reader)[-1][0] == "Missed 6"
    assert set(titles_of(reader)[-1]) == {"New", *(f"Missed {day}" for day in range(1, 7))}
    assert titles_of(other)[-1] == ["New"], "nobody else gets them"
    row = reader.catch_ups.get()
    assert row.local_on == NOON.date()
    make_day(-1, paper("Newer"), *Paper.objects.filter(title__startswith="Missed"))
    planning.plan_due(now=NOON + DAY)
    assert titles_of(reader)[-1] == ["Newer"]


def test_only_papers_of_the_time_away_come_and_at_most_fifteen() -> None:
    one, two = make_follower(max_papers=3), make_follower()
    away(one, days=3)
    away(two, days=20)
    make_day(25, paper("Too old", 9))
    make_day(10, *(paper(f"Long ago {n}", 5) for n in range(20)))
    make_day(2, paper("Lately", 2))
    for reader in (one, two):
        catch_up.ask(reader, now=NOON - timedelta(hours=2))
    make_day(0, paper("New", 1), now=NOON - timedelta(minutes=30))
    planning.plan_due(now=NOON)
    assert set(titles_of(one)[-1]) == {"Lately", "New"}
    assert len(titles_of(two)[-1]) == 15
    assert "Too old" not in titles_of(two)[-1]


def test_a_digest_that_never_left_serves_no_catch_up() -> None:
    reader = make_follower()
    away(reader, days=7)
    make_day(3, paper("Missed"))
    catch_up.ask(reader, now=NOON - timedelta(hours=2))
    make_day(0, paper("New"), now=NOON - timedelta(minutes=30))
    planning.plan_due(now=NOON)
    assert "Missed" in titles_of(reader)[-1]
    Delivery.objects.update(state="skipped", skip_reason="late", not_before=None)
    make_day(-1, paper("Newer"))
    planning.plan_due(now=NOON + DAY)
    assert set(titles_of(reader)[-1]) >= {"Missed", "Newer"}


def test_what_was_withdrawn_hidden_or_excluded_meanwhile_is_not_brought() -> None:
    reader = make_follower()
    away(reader, days=7)
    gone, hidden, excluded, fine = (paper(title) for title in ("Gone", "Hidden", "Excluded", "Fine"))
    make_day(3, gone, hidden, excluded, fine).items.filter(paper=excluded).update(standing="excluded")
    Paper.objects.filter(pk=gone.pk).update(withdrawn_at=NOON)
    Paper.objects.filter(pk=hidden.pk).update(is_hidden=True)
    catch_up.ask(reader, now=NOON - timedelta(hours=2))
    make_day(0, paper("New"), now=NOON - timedelta(minutes=30))
    planning.plan_due(now=NOON)
    assert set(titles_of(reader)[-1]) == {"Fine", "New"}


def test_the_mail_says_when_each_was_and_an_edition_without_requests_is_as_ever(client: Client) -> None:
    reader = make_follower()
    away(reader, days=7)
    make_day(3, paper("Missed"))
    plain = make_day(1, paper("Plain"))
    assert "when you were away" not in str(Compiled.objects.get(edition=plain).fragments)
    catch_up.ask(reader, now=NOON - timedelta(hours=2))
    edition = make_day(0, paper("New"), now=NOON - timedelta(minutes=30))
    planning.plan_due(now=NOON)
    delivery = reader.deliveries.get()
    text = bodies(Composer(Compiled.objects.get(edition=edition).fragments, IDENTITY).compose(
        make_recipient(edition, picks=delivery.picks)))["plain"]  # fmt: skip
    assert "From 15 March, when you were away" in " ".join(text.split())
    Delivery.objects.update(due_at=timezone.now())
    page = client.get(f"/d/{token_links.row_token(SCOPE, delivery.pk)}").content.decode()
    assert "From 15 March, when you were away" in page
    left_out = client.get(f"/d/{token_links.row_token(SCOPE, delivery.pk)}/left-out").content.decode()
    assert "have changed since" not in left_out
    public = client.get(f"/edition/daily/{edition.period_on}/").content.decode()
    assert "New" in public
    assert "Missed" not in public


def test_planning_asks_no_more_however_many_catch_up() -> None:
    readers = [make_follower() for _ in range(6)]
    for reader in readers:
        away(reader, days=7)
        catch_up.ask(reader, now=NOON - timedelta(hours=2))
    make_day(3, paper("Missed"))
    make_day(0, paper("New"), now=NOON - timedelta(minutes=30))
    counts = []
    for some in (readers[:1], readers):
        Delivery.objects.all().delete()
        CatchUp.objects.update(local_on=None)
        Subscriber.objects.update(next_due_at=None)
        Subscriber.objects.filter(pk__in=[reader.pk for reader in some]).update(next_due_at=NOON)
        with CaptureQueriesContext(connection) as queries:
            planning.plan_due(now=NOON)
        counts.append(len(queries))
    assert Delivery.objects.count() == 6
    assert counts[0] == counts[1]


def test_it_is_offered_for_two_weeks_after_a_pause_and_on_every_page_of_a_digest(client: Client) -> None:
    reader = make_follower()
    make_day(0, paper("New"), now=NOON - timedelta(minutes=30))
    planning.plan_due(now=NOON)
    delivery = reader.deliveries.get()
    start = NOON + DAY
    with time_machine.travel(start, tick=False) as clock:

        def page(path: str) -> str:
            token = token_links.manage_token(reader, now=timezone.now())
            return client.get(
                path.format(token=token, digest=token_links.row_token(SCOPE, delivery.pk))
            ).content.decode()

        def is_offered() -> set[bool]:
            return {"Catch up with my next digest" in page(path) for path in ("/preferences/{token}/", "/d/{digest}")}

        assert is_offered() == {False}
        token = token_links.manage_token(reader, now=timezone.now())
        client.post(f"/preferences/{token}/", {"action": "pause", "until": str((start + 9 * DAY).date())})
        clock.shift(2 * DAY)
        assert is_offered() == {False}, "still away"
        token = token_links.manage_token(reader, now=timezone.now())
        client.post(f"/preferences/{token}/", {"action": "pause", "until": str((start + 20 * DAY).date())})
        clock.shift(2 * DAY)
        client.post(f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/", {"action": "resume"})
        assert is_offered() == {True}
        clock.shift(13 * DAY)
        assert is_offered() == {True}
        clock.shift(2 * DAY)
        assert is_offered() == {False}
        clock.shift(-3 * DAY)
        answer = client.post(f"/d/{token_links.row_token(SCOPE, delivery.pk)}/catch-up", follow=True).content.decode()
        assert "You catch up with your next digest." in answer
        assert is_offered() == {False}
        row = reader.catch_ups.get()
        assert (row.since, row.until) == (start, start + 4 * DAY), "from its first step, however it was moved"
        assert client.get(f"/d/{token_links.row_token(SCOPE, delivery.pk)}/catch-up").status_code == 303


def test_requests_from_the_preferences_are_kept_exported_and_erased(client: Client) -> None:
    reader = make_follower()
    away(reader, days=7)
    with time_machine.travel(NOON, tick=False):
        path = f"/preferences/{token_links.manage_token(reader, now=NOON)}/"
        answer = client.post(path, {"action": "catch-up"}, follow=True).content.decode()
    assert "You catch up with your next digest." in answer
    data = gdpr.export(reader, now=NOON, method="test", origin=Origin())
    assert data["catchup"][0]["asked_at"] == NOON
    assert DjangoJSONEncoder().encode(data)
    gdpr.erase(reader, now=NOON, method="test")
    assert not CatchUp.objects.exists()


def test_a_pause_undone_within_leaving_counts_as_one() -> None:
    reader = make_follower()
    start, end = NOON - 9 * DAY, NOON - DAY
    lifecycle.pause(reader, until=end, now=start, **ACT)
    lifecycle.unsubscribe(reader, now=NOON - 5 * DAY, **ACT)
    lifecycle.undo(reader, now=NOON - 5 * DAY + timedelta(minutes=5), **ACT)
    lifecycle.resume_rested(now=end)
    reader.refresh_from_db()
    assert catch_up.offered(reader, now=NOON) == (start, end)


def test_a_pause_that_began_elsewhere_counts_from_the_import() -> None:
    came, end = NOON - 9 * DAY, NOON - DAY
    reader = make_reader(state="paused", paused_until=end, next_due_at=None)
    reader.consent_events.create(kind="imported", at=came, method="import", detail={"state": "paused"})
    lifecycle.resume_rested(now=end)
    reader.refresh_from_db()
    assert catch_up.offered(reader, now=NOON) == (came, end)
    other = make_reader()
    other.consent_events.create(kind="imported", at=came, method="import", detail={})
    assert catch_up.offered(other, now=NOON) is None


# --- fewer mails with one tap --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cadence", "offers"), [("daily", 2), ("weekly", 1), ("monthly", 0)])
def test_where_one_leaves_or_pauses_a_gentler_rhythm_is_one_tap_away(client: Client, cadence: str, offers: int) -> None:
    reader = make_reader(cadence=cadence)
    path = f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"
    page = client.get(f"{path}pause/").content.decode()
    assert page.count('value="weekly">One a week') + page.count('value="monthly">One a month') == offers
    leave = client.get(f"/u/{reader.unsubscribe_token}").content.decode()
    assert 'value="weekly"' in leave
    assert 'value="monthly"' in leave
    client.post(path, {"action": "weekly"})
    reader.refresh_from_db()
    assert reader.cadence == ("weekly" if cadence == "daily" else cadence), "never more than before"
    answer = client.post(f"/u/{reader.unsubscribe_token}", {"action": "monthly"}).content.decode()
    assert "at most one digest a month" in answer
    reader.refresh_from_db()
    assert reader.cadence == "monthly"
