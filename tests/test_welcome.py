"""The first digest: planned with the next tick after a reader confirmed, once, from the newest edition there is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter import delivery, planning
from newsletter.delivery.transports import Outcome, OutcomeKind, Phase
from newsletter.editions import lifecycle as edition_lifecycle
from newsletter.models import Compiled, Delivery, Edition, Miss, Paper
from newsletter.monitoring.reader_history import history_of, standing_of
from subscriptions import lifecycle
from subscriptions.addresses import parse_address
from subscriptions.lifecycle import Origin
from subscriptions.models import ConsentEvent, Subscriber
from subscriptions.preferences import Preferences
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport
from tests.test_races import at_once, succeeded

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
State, Skip = Delivery.State, Delivery.Skip
NOBODY = Origin()
DAY = timedelta(days=1)
MONDAY = NOON.replace(day=16)  # NOON is the Wednesday of that week


def shelf(*titles: str, topic: str = "vision", **over: Any) -> Edition:
    """A frozen edition of two papers, or of those named."""
    papers = [
        assign(make_paper(title=title, score_daily=9.0 - place), topic)
        for place, title in enumerate(titles or ("Seeing one", "Seeing two"))
    ]
    return make_edition(papers=papers, **{"state": Edition.State.FROZEN} | over)


def weekly(*titles: str, **over: Any) -> Edition:
    fields = {"cadence": "weekly", "period_on": MONDAY.date(), "frozen_at": MONDAY - timedelta(hours=20)}
    return shelf(*(titles or ("Week one", "Week two")), **fields | {"cutoff_at": fields["frozen_at"]} | over)


def sign_up(email: str = "alice@example.net", *, at: datetime = NOON, **preferences: Any) -> Subscriber:
    """A reader who asked, and followed the link in the mail at that moment."""
    wanted = Preferences(**{"stances": {"vision": "follow"}} | preferences)
    address = parse_address(email)
    assert lifecycle.request(address, preferences=wanted, now=at - timedelta(minutes=5), method="page", origin=NOBODY)
    asked = ConsentEvent.objects.filter(subscriber__address_key=address.key, kind="requested").latest("at")
    assert lifecycle.confirm(asked, preferences=None, now=at, method="confirm page", origin=NOBODY)
    return Subscriber.objects.get(address_key=address.key)


def titles_of(row: Delivery) -> list[str]:
    titles = dict(row.edition.items.values_list("pk", "paper__title"))
    return [titles[pk] for pk, *_ in row.picks]


def deliver(at: datetime, transport: MemoryTransport | None = None) -> list[EmailMessage]:
    transport = transport or MemoryTransport()
    delivery.deliver(transport=transport, deadline=at + timedelta(minutes=4), clock=lambda: at)
    return [message_from_bytes(message.data, policy=policy.default) for message in transport.sent]


def test_whoever_confirms_is_sent_the_newest_edition_with_the_next_tick() -> None:
    shelf()
    reader = sign_up()
    soon = NOON + timedelta(seconds=40)
    assert planning.plan_due(now=soon).queued == 1
    row = Delivery.objects.get()
    assert (row.is_welcome, row.due_at, row.not_before) == (True, soon, soon)
    (mail,) = deliver(soon)
    assert mail["To"] == reader.email
    assert mail["Subject"] == "Welcome: Seeing one + 1 more"
    for kind in ("plain", "html"):
        assert "Welcome" in mail.get_body((kind,)).get_content()


def test_an_ordinary_digest_has_no_welcome_in_it() -> None:
    shelf()
    make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    (mail,) = deliver(NOON + timedelta(minutes=15))
    assert not Delivery.objects.get().is_welcome
    assert "Welcome" not in mail["Subject"] + mail.get_body(("html",)).get_content()
    assert "daily digest of" in " ".join(mail.get_body(("plain",)).get_content().split())


def test_planning_again_welcomes_nobody_twice() -> None:
    shelf()
    sign_up()
    planning.plan_due(now=NOON)
    assert planning.plan_due(now=NOON).readers == 0
    assert planning.plan_due(now=NOON + timedelta(minutes=1)).readers == 0
    assert Delivery.objects.count() == 1


def test_the_regular_digest_of_the_same_day_is_not_sent_as_well_and_the_next_days_is() -> None:
    shelf()
    reader = sign_up(hour=15)
    planning.plan_due(now=NOON)
    planning.plan_due(now=NOON.replace(hour=15))
    planning.plan_due(now=NOON.replace(hour=16, minute=1))
    assert Delivery.objects.get().is_welcome
    reader.refresh_from_db()
    assert reader.next_due_at == NOON.replace(hour=15) + DAY
    shelf("Seeing three", period_on=(NOON + DAY).date(), frozen_at=NOON + DAY, cutoff_at=NOON + DAY)
    planning.plan_due(now=NOON.replace(hour=15) + DAY)
    assert [row.is_welcome for row in Delivery.objects.order_by("pk")] == [True, False]


def test_no_paper_of_the_first_digest_comes_again() -> None:
    shelf()
    sign_up()
    planning.plan_due(now=NOON)
    old = list(Paper.objects.order_by("pk"))
    fresh = assign(make_paper(title="Seeing three"), "vision")
    make_edition(
        papers=[*old, fresh], state="frozen", period_on=(NOON + DAY).date(), frozen_at=NOON + DAY, cutoff_at=NOON + DAY
    )
    planning.plan_due(now=NOON.replace(hour=8) + DAY)
    planning.plan_due(now=NOON + DAY)
    assert titles_of(Delivery.objects.get(is_welcome=False)) == ["Seeing three"]


def test_of_several_editions_that_of_the_readers_own_cadence_is_taken() -> None:
    shelf()
    weekly()
    sign_up(cadence="weekly")
    planning.plan_due(now=NOON)
    assert Delivery.objects.get().edition.cadence == "weekly"


def test_a_weekly_reader_without_a_weekly_edition_gets_the_newest_there_is() -> None:
    shelf()
    sign_up(cadence="weekly")
    planning.plan_due(now=NOON)
    row = Delivery.objects.get()
    assert row.edition.cadence == "daily"
    (mail,) = deliver(NOON)
    for kind in ("plain", "html"):
        words = " ".join(mail.get_body((kind,)).get_content().split())
        assert "you have just subscribed to Paperboy" in words
        assert "to the daily digest" not in words, "they did not ask for that"


def test_an_edition_without_a_paper_for_the_reader_gives_way_to_one_that_has_some() -> None:
    shelf(topic="robotics")
    weekly()
    sign_up(wants_outside=False)
    planning.plan_due(now=NOON)
    assert titles_of(Delivery.objects.get()) == ["Week one", "Week two"]


def test_a_first_digest_no_edition_can_fill_takes_nobodys_day() -> None:
    shelf(topic="robotics")
    reader = sign_up(wants_outside=False, hour=15)
    planning.plan_due(now=NOON)
    assert not Delivery.objects.exists()
    assert Miss.objects.get(subscriber=reader).why == Miss.Why.NOTHING
    more = assign(make_paper(title="Seen at last"), "vision")
    make_edition(papers=[more], state="frozen", period_on=(NOON + DAY).date(), frozen_at=NOON.replace(hour=14))
    planning.plan_due(now=NOON.replace(hour=15))
    assert titles_of(Delivery.objects.get()) == ["Seen at last"]


def closed(edition: Edition) -> None:
    Edition.objects.filter(pk=edition.pk).update(state="done", done_at=NOON, closes_at=NOON - timedelta(hours=1))


def too_old(edition: Edition) -> None:
    Edition.objects.filter(pk=edition.pk).update(frozen_at=NOON - timedelta(days=8))


def paused(edition: Edition) -> None:
    edition_lifecycle.pause(edition, reason="look", now=NOON)


def cancelled(edition: Edition) -> None:
    edition_lifecycle.cancel(edition, now=NOON)


def without_fragments(edition: Edition) -> None:
    Compiled.objects.filter(edition=edition).delete()


@pytest.mark.parametrize("spoil", [too_old, paused, cancelled, without_fragments])
def test_an_edition_that_cannot_be_used_is_not_used(spoil: Callable[[Edition], None]) -> None:
    spoil(shelf())
    reader = sign_up()
    assert planning.plan_due(now=NOON).readers == 0
    assert "A first one has been due since 2026-03-18 12:00 UTC" in standing_of(reader)


def test_on_a_new_installation_the_first_digest_waits_for_the_first_edition_for_a_day() -> None:
    sign_up("bob@example.net", cadence="weekly", at=NOON - timedelta(hours=20))
    sign_up("alice@example.net", cadence="weekly")
    assert planning.plan_due(now=NOON).readers == 0
    shelf(frozen_at=NOON + timedelta(hours=5))
    later = NOON + timedelta(hours=6)
    planning.plan_due(now=later)
    assert Delivery.objects.get().subscriber.email == "alice@example.net"
    bob = Subscriber.objects.get(email="bob@example.net")
    assert "owed" not in standing_of(bob)
    assert Miss.objects.get().subscriber == bob


def test_a_closed_edition_is_opened_for_a_first_digest_and_closes_again() -> None:
    edition = shelf()
    closed(edition)
    sign_up()
    planning.plan_due(now=NOON)
    edition.refresh_from_db()
    assert (edition.state, edition.done_at) == (Edition.State.SENDING, None)
    assert len(deliver(NOON)) == 1
    edition_lifecycle.finish_due(now=NOON + timedelta(minutes=1))
    edition.refresh_from_db()
    assert edition.state == Edition.State.DONE


def test_who_leaves_before_it_is_planned_gets_none() -> None:
    shelf()
    reader = sign_up()
    lifecycle.unsubscribe(reader, now=NOON, method="one-click", origin=NOBODY)
    assert planning.plan_due(now=NOON + timedelta(minutes=1)).readers == 0
    assert planning.plan_due(now=NOON + timedelta(days=2)).readers == 0
    assert not Delivery.objects.exists()
    assert not Miss.objects.exists()


def test_who_leaves_before_it_is_sent_gets_none() -> None:
    shelf()
    reader = sign_up()
    planning.plan_due(now=NOON)
    lifecycle.unsubscribe(reader, now=NOON, method="one-click", origin=NOBODY)
    assert deliver(NOON) == []
    assert Delivery.objects.get().skip_reason == Skip.UNSUBSCRIBED


def test_who_comes_back_is_sent_one_again_with_papers_they_have_not_had() -> None:
    shelf()
    reader = sign_up()
    planning.plan_due(now=NOON)
    deliver(NOON)
    lifecycle.unsubscribe(reader, now=NOON, method="one-click", origin=NOBODY)
    back_at = NOON + DAY
    old = list(Paper.objects.order_by("pk"))
    fresh = assign(make_paper(title="Seeing three"), "vision")
    make_edition(papers=[*old, fresh], state="frozen", period_on=back_at.date(), frozen_at=back_at, cutoff_at=back_at)
    sign_up(at=back_at)
    planning.plan_due(now=back_at)
    assert titles_of(Delivery.objects.get(is_welcome=True, edition__period_on=back_at.date())) == ["Seeing three"]


def test_who_left_before_it_was_sent_and_comes_back_gets_it_of_another_edition() -> None:
    shelf()
    reader = sign_up()
    planning.plan_due(now=NOON)
    lifecycle.unsubscribe(reader, now=NOON, method="one-click", origin=NOBODY)
    assert deliver(NOON) == []
    weekly()
    sign_up(at=NOON + DAY)
    planning.plan_due(now=NOON + DAY)
    assert [row.edition.cadence for row in Delivery.objects.order_by("pk")] == ["daily", "weekly"]


def test_who_leaves_and_comes_back_on_one_day_is_not_sent_another() -> None:
    shelf()
    weekly()
    reader = sign_up()
    planning.plan_due(now=NOON)
    lifecycle.unsubscribe(reader, now=NOON, method="one-click", origin=NOBODY)
    sign_up(at=NOON + timedelta(hours=3))
    planning.plan_due(now=NOON + timedelta(hours=3))
    assert Delivery.objects.count() == 1
    assert Miss.objects.get().why == Miss.Why.DAY_TAKEN


def test_who_comes_back_to_the_edition_they_had_is_told_so() -> None:
    shelf()
    reader = sign_up()
    planning.plan_due(now=NOON)
    deliver(NOON)
    lifecycle.unsubscribe(reader, now=NOON, method="one-click", origin=NOBODY)
    sign_up(at=NOON + timedelta(hours=3))
    planning.plan_due(now=NOON + timedelta(hours=3))
    assert Delivery.objects.count() == 1
    assert Miss.objects.get().why == Miss.Why.HAD_IT


def test_confirming_again_and_other_wishes_owe_nothing() -> None:
    shelf()
    reader = sign_up()
    planning.plan_due(now=NOON)
    asked = ConsentEvent.objects.get(kind="requested")
    lifecycle.confirm(asked, preferences=None, now=NOON + DAY, method="confirm page", origin=NOBODY)
    lifecycle.change(reader, preferences=Preferences(cadence="weekly"), now=NOON + DAY, method="page", origin=NOBODY)
    reader.refresh_from_db()
    assert reader.welcome_due_at is None


def test_a_weekly_reader_who_confirms_on_the_day_of_their_digest_is_not_sent_last_weeks_instead() -> None:
    weekly(period_on=(MONDAY - timedelta(days=7)).date(), frozen_at=MONDAY - timedelta(days=7))
    early = MONDAY.replace(hour=5)
    reader = sign_up(cadence="weekly", hour=8, at=early)
    planning.plan_due(now=early)
    assert not Delivery.objects.exists()
    current = weekly("This week one", "This week two", frozen_at=MONDAY.replace(hour=7))
    planning.plan_due(now=MONDAY.replace(hour=7, minute=1))
    planning.plan_due(now=MONDAY.replace(hour=8))
    assert Delivery.objects.get().edition == current
    reader.refresh_from_db()
    assert reader.welcome_due_at is None


def test_who_got_a_regular_digest_meanwhile_is_owed_nothing() -> None:
    reader = sign_up(hour=15)
    shelf(frozen_at=NOON + timedelta(hours=2))
    planning.plan_now(Edition.objects.get(), now=NOON + timedelta(hours=2))
    weekly(frozen_at=NOON + timedelta(hours=2))
    assert planning.plan_due(now=NOON + timedelta(hours=3)).readers == 0
    reader.refresh_from_db()
    assert reader.welcome_due_at is None
    assert not Delivery.objects.get().is_welcome


def test_a_thin_first_digest_is_left_out_for_those_who_wish_so() -> None:
    shelf("Only one")
    sign_up(thin_policy="skip", wants_outside=False)
    planning.plan_due(now=NOON)
    assert not Delivery.objects.exists()


def test_a_paper_hidden_or_withdrawn_since_the_freeze_is_not_sent_to_newcomers() -> None:
    shelf("Hidden", "Withdrawn", "Good")
    Paper.objects.filter(title="Hidden").update(is_hidden=True)
    Paper.objects.filter(title="Withdrawn").update(withdrawn_at=NOON)
    sign_up()
    planning.plan_due(now=NOON)
    assert titles_of(Delivery.objects.get()) == ["Good"]


def test_without_the_setting_nobody_is_welcomed_nor_later(settings: Any) -> None:
    shelf()
    reader = sign_up()
    settings.WELCOME_DIGEST = False
    assert planning.plan_due(now=NOON).readers == 0
    settings.WELCOME_DIGEST = True
    assert planning.plan_due(now=NOON).readers == 0
    reader.refresh_from_db()
    assert reader.welcome_due_at is None


def test_imported_readers_are_welcomed_only_when_the_operator_says_so(tmp_path: Any) -> None:
    shelf()
    lines = "email,confirmed_at,consent_source,topics\n{}@example.net,2025-06-01T09:30:00Z,https://old.example,vision\n"
    for name, options in (("alice", []), ("bob", ["--welcome"])):
        (tmp_path / f"{name}.csv").write_text(lines.format(name))
        call_command("import_readers", str(tmp_path / f"{name}.csv"), *options, stdout=StringIO())
    waiting = Subscriber.objects.filter(welcome_due_at__isnull=False)
    assert list(waiting.values_list("email", flat=True)) == ["bob@example.net"]


def test_a_first_digest_that_is_deferred_is_tried_again_with_the_same_words() -> None:
    shelf()
    sign_up()
    planning.plan_due(now=NOON)
    busy = MemoryTransport(lambda message: Outcome(message.key, OutcomeKind.RETRY, Phase.DOT, 451, "", "later"))
    deliver(NOON, busy)
    row = Delivery.objects.get()
    assert row.state == State.RETRY
    (mail,) = deliver(row.not_before)
    assert "Welcome" in mail.get_body(("plain",)).get_content()


def test_the_history_tells_of_the_first_digest() -> None:
    shelf()
    reader = sign_up()
    planning.plan_due(now=NOON)
    assert any(line.what.startswith("first digest, right after confirming") for line in history_of(reader))


def test_the_number_of_queries_does_not_grow_with_those_who_wait() -> None:
    shelf()

    def queries_for(readers: int) -> int:
        Delivery.objects.all().delete()
        for _ in range(readers):
            make_reader(follows=("vision",), next_due_at=NOON + DAY, welcome_due_at=NOON)
        Subscriber.objects.update(welcome_due_at=NOON)
        with CaptureQueriesContext(connection) as queries:
            planning.plan_due(now=NOON)
        assert Delivery.objects.filter(is_welcome=True).count() == Subscriber.objects.count()
        return len(queries)

    assert queries_for(2) == queries_for(30)


def test_while_nobody_waits_a_tick_asks_once() -> None:
    shelf()
    with CaptureQueriesContext(connection) as queries:
        planning.plan_due(now=NOON)
    assert sum("welcome_due_at" in query["sql"].partition("WHERE")[2] for query in queries) == 1


@pytest.mark.services
def test_who_waits_is_found_by_an_index_that_holds_nobody_else() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table this small would be read whole
    assert "readers_to_welcome" in Subscriber.objects.filter(welcome_due_at__isnull=False).explain()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_three_planners_at_once_welcome_each_reader_once() -> None:
    shelf()
    weekly()
    for number in range(30):
        hour = 12 if number % 2 else 20  # half of them are due for their regular one this very moment
        make_reader(follows=("vision",), hour=hour, welcome_due_at=NOON, next_due_at=NOON.replace(hour=hour))
    succeeded(at_once(*[lambda: planning.plan_due(now=NOON)] * 3))
    planning.plan_due(now=NOON)
    rows = Delivery.objects.values_list("subscriber", flat=True)
    assert len(rows) == len(set(rows)) == 30
    assert not Subscriber.objects.filter(welcome_due_at__isnull=False).exists()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_an_edition_cancelled_beside_the_planner_owes_nobody_anything() -> None:
    for day in range(6):
        Delivery.objects.all().delete()
        edition = shelf(period_on=(NOON + day * DAY).date())
        for _ in range(5):
            make_reader(follows=("vision",), next_due_at=NOON + 9 * DAY, welcome_due_at=NOON)
        succeeded(
            at_once(lambda: planning.plan_due(now=NOON), lambda one=edition: edition_lifecycle.cancel(one, now=NOON))
        )
        assert not Delivery.objects.filter(edition=edition, not_before__isnull=False).exists()
