"""Two at once, each with a connection of its own on PostgreSQL: whoever comes second finds the work done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from newsletter import planning
from newsletter.delivery import claim_deliveries, rescue_expired
from newsletter.delivery.transports import Outcome, OutcomeKind, Phase, Turn
from newsletter.delivery.update_delivery_states import settle_and_mark
from newsletter.editions import lifecycle as edition_lifecycle
from newsletter.models import Claim, Compiled, Delivery, Edition
from newsletter.models.writer_thread import ThreadedWriter
from newsletter.planning import readers_due as due_readers
from subscriptions import address_change, lifecycle, token_links
from subscriptions.addresses import parse_address
from subscriptions.lifecycle import Origin
from subscriptions.models import ConsentEvent, Notice, Subscriber
from subscriptions.preferences import Preferences
from subscriptions.transactional_mails import owe_notice
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
State = Delivery.State
LATER = NOON + timedelta(minutes=30)
NOBODY = Origin()
Result = TypeVar("Result")


def at_once(*steps: Callable[[], Result]) -> list[Result | Exception]:
    """Run the steps side by side, all let go at the same moment. What one raises is its result."""
    gate = threading.Barrier(len(steps))

    def run(step: Callable[[], Result]) -> Result | Exception:
        try:
            connection.ensure_connection()
            gate.wait(10)
            return step()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(threads.map(run, steps))


def succeeded(results: Sequence[Any]) -> list[Any]:
    """The results, when nobody stumbled."""
    for result in results:
        if isinstance(result, Exception):
            raise result
    return list(results)


def draft() -> Edition:
    """With papers that a refresh of the ranking finds again."""
    seen_at = NOON - timedelta(hours=2)
    papers = [assign(make_paper(score_daily=score, first_seen_at=seen_at), "vision") for score in (3.0, 2.0, 1.0)]
    for paper in papers:
        paper.sightings.create(source="hf_daily", key=paper.arxiv_id, seen_at=seen_at)
    return make_edition(papers=papers)


def planned(readers: int) -> list[Delivery]:
    papers = [assign(make_paper(score_daily=score), "vision") for score in (3.0, 2.0, 1.0)]
    make_edition(papers=papers, state=Edition.State.FROZEN)
    for _ in range(readers):
        make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    rows = list(Delivery.objects.order_by("pk"))
    assert len(rows) == readers
    return rows


def states() -> dict[int, str]:
    return dict(Delivery.objects.values_list("pk", "state"))


def test_two_planners_plan_every_reader_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_readers, "CHUNK", 7)
    papers = [assign(make_paper(score_daily=score), "vision") for score in (3.0, 2.0)]
    make_edition(papers=papers, state=Edition.State.FROZEN)
    readers = {make_reader(follows=("vision",), hour=12).pk for _ in range(60)}
    done = succeeded(at_once(*[lambda: planning.plan_due(now=NOON)] * 3))
    assert sum(each.queued for each in done) == 60
    assert set(Delivery.objects.values_list("subscriber", flat=True)) == readers
    assert Delivery.objects.count() == 60
    assert set(Subscriber.objects.values_list("next_due_at", flat=True)) == {NOON + timedelta(days=1)}


def test_a_writer_closes_its_own_connection_and_not_its_callers() -> None:
    def connect() -> Any:
        connection.ensure_connection()
        return connections["default"]

    connect()
    writer = ThreadedWriter()
    its_own = writer.call(connect)
    assert its_own.connection is not None
    writer.close()
    assert its_own.connection is None
    assert connection.connection is not None


def test_send_now_pressed_twice_beside_the_planner_plans_every_reader_once() -> None:
    edition = make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    # It is tomorrow in Auckland: "now" and "at their hour" are two local days there, and one edition all the same.
    readers = {make_reader(follows=("vision",), time_zone="Pacific/Auckland").pk for _ in range(40)}
    succeeded(
        at_once(
            lambda: planning.plan_now(edition, now=NOON),
            lambda: planning.plan_now(edition, now=NOON),
            lambda: planning.plan_due(now=NOON),
        )
    )
    assert sorted(Delivery.objects.values_list("subscriber", flat=True)) == sorted(readers)


def test_send_now_passes_over_nobody_who_is_saving_their_preferences() -> None:
    edition = make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    reader = make_reader(follows=("vision",), next_due_at=NOON + timedelta(hours=9))
    planning.wish_now(edition, now=NOON)
    is_saving, is_asked = threading.Event(), threading.Event()

    def save() -> None:
        with transaction.atomic():
            Subscriber.objects.select_for_update().get(pk=reader.pk)
            is_saving.set()
            is_asked.wait(0.3)

    def plan() -> None:
        is_saving.wait(10)
        planning.plan_due(now=NOON)
        is_asked.set()

    succeeded(at_once(save, plan))
    assert Delivery.objects.get().subscriber == reader


@pytest.mark.parametrize("act", ["pause", "cancel"])
def test_an_edition_stopped_beside_the_planner_gets_no_row_afterwards(
    act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_readers, "CHUNK", 5)
    edition = make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    for _ in range(60):
        make_reader(follows=("vision",))
    found: list[int] = []

    def stop() -> None:
        if act == "cancel":
            edition_lifecycle.cancel(edition, now=NOON)
        else:
            edition_lifecycle.pause(Edition.objects.get(pk=edition.pk), reason="look", now=NOON)
        found.append(Delivery.objects.count())

    succeeded(at_once(lambda: planning.plan_due(now=NOON), stop))
    assert Delivery.objects.count() == found[0]
    if act == "cancel":
        assert set(states().values()) <= {State.SKIPPED}
    assert Subscriber.objects.filter(next_due_at=NOON).count() == 60 - found[0], "whoever is left is still due"


def test_two_claimers_share_the_rows_and_no_row_is_claimed_twice() -> None:
    rows = {row.pk for row in planned(60)}

    def claim_all(token: str) -> list[int]:
        mine: list[int] = []
        while chunk := claim_deliveries.claim_due(token=token, limit=7, now=LATER):
            mine += [row.pk for row in chunk]
        return mine

    first, second, third = succeeded(at_once(*[lambda name=name: claim_all(name) for name in "abc"]))
    assert len(first) + len(second) + len(third) == 60, "none twice"
    assert {*first, *second, *third} == rows
    for token, mine in zip("abc", (first, second, third), strict=True):
        held = Delivery.objects.filter(claim=token, state=State.CLAIMED)
        assert set(held.values_list("pk", flat=True)) == set(mine)


def test_who_left_before_the_mark_is_never_marked_and_no_row_is_left_between() -> None:
    rows = planned(40)
    claim_deliveries.claim_due(token="mine", limit=100, now=LATER)
    left_at: dict[int, datetime] = {}
    marked_at: dict[int, datetime] = {}

    def leave() -> None:
        for row in reversed(rows):
            assert lifecycle.unsubscribe(row.subscriber, now=LATER, method="one-click", origin=NOBODY)
            left_at[row.pk] = datetime.now(UTC)

    def mark() -> None:
        for one, two in zip(rows[::2], rows[1::2], strict=True):
            asked_at = datetime.now(UTC)
            for pk in settle_and_mark(Turn(ready=[one.pk, two.pk]), token="mine", now=LATER, sizes={}):
                marked_at.setdefault(pk, asked_at)

    succeeded(at_once(leave, mark))
    found = states()
    assert all(marked_at[pk] < left_at[pk] for pk in marked_at), "left first, marked all the same"
    for row in rows:
        assert found[row.pk] == (State.SENDING if row.pk in marked_at else State.SKIPPED)


def test_a_mark_whose_answer_was_lost_asks_for_consent_again() -> None:
    stays, leaves, reaped = planned(3)
    claim_deliveries.claim_due(token="mine", limit=10, now=LATER)
    pks = [stays.pk, leaves.pk, reaped.pk]
    ready = Turn(ready=pks)
    assert settle_and_mark(ready, token="mine", now=LATER, sizes={}) == set(pks)
    lifecycle.unsubscribe(leaves.subscriber, now=LATER, method="one-click", origin=NOBODY)
    Delivery.objects.filter(pk=reaped.pk).update(state=State.UNKNOWN)
    assert settle_and_mark(ready, token="mine", now=LATER, sizes={}) == {stays.pk}
    assert states() == {stays.pk: State.SENDING, leaves.pk: State.SKIPPED, reaped.pk: State.QUEUED}


def test_two_freezes_compile_once() -> None:
    edition = draft()
    edition_lifecycle.approve(edition, by=None, now=NOON)
    froze = succeeded(at_once(*[lambda: edition_lifecycle.freeze(Edition.objects.get(pk=edition.pk), now=NOON)] * 2))
    assert sorted(froze) == [False, True]
    assert Compiled.objects.count() == 1


def test_of_two_approvals_one_is_told_to_reload() -> None:
    edition = draft()

    def approve() -> None:
        edition_lifecycle.approve(Edition.objects.get(pk=edition.pk), by=None, now=NOON)

    first, second = sorted(at_once(approve, approve), key=lambda result: result is not None)
    assert first is None
    assert isinstance(second, edition_lifecycle.EditionStateError)


def test_a_refresh_of_the_draft_beside_its_approval_leaves_its_papers_alone() -> None:
    edition = draft()

    def approve() -> None:
        edition_lifecycle.approve(Edition.objects.get(pk=edition.pk), by=None, now=NOON)
        edition_lifecycle.freeze(Edition.objects.get(pk=edition.pk), now=NOON)

    succeeded(at_once(approve, lambda: edition_lifecycle.refresh(Edition.objects.get(pk=edition.pk))))
    edition.refresh_from_db()
    assert edition.state == Edition.State.FROZEN
    compiled = {int(key) for key in edition.compiled.fragments["items"]}
    assert compiled == set(edition.items.values_list("pk", flat=True)), "what is frozen is what is listed"
    assert len(compiled) == 3


def test_two_housekeepers_draft_each_period_once() -> None:
    make_paper(score_daily=1.0)
    succeeded(at_once(*[lambda: edition_lifecycle.draft_due(now=NOON)] * 3))
    assert sorted(Edition.objects.values_list("cadence", flat=True)) == ["daily", "monthly", "weekly"]


def test_confirming_twice_at_once_confirms_once() -> None:
    now = timezone.now()
    address = parse_address("alice@example.net")
    assert lifecycle.request(address, preferences=Preferences(), now=now, method="page", origin=NOBODY)
    asked = ConsentEvent.objects.get()

    def confirm() -> bool:
        return lifecycle.confirm(asked, preferences=None, now=now, method="confirm page", origin=NOBODY)

    assert succeeded(at_once(confirm, confirm, confirm)) == [True, True, True]
    assert Subscriber.objects.get().state == "confirmed"
    assert ConsentEvent.objects.filter(kind="confirmed").count() == 1


def test_two_signups_of_one_address_make_one_reader_and_one_mail() -> None:
    address = parse_address("alice@example.net")

    def sign_up() -> Notice | None:
        return lifecycle.request(address, preferences=Preferences(), now=timezone.now(), method="page", origin=NOBODY)

    owed = succeeded(at_once(sign_up, sign_up))
    assert sum(notice is not None for notice in owed) == 1
    assert Subscriber.objects.count() == Notice.objects.count() == 1


def test_of_two_readers_who_move_to_one_address_one_gets_it() -> None:
    now = timezone.now()
    address = parse_address("new@example.net")
    notices = []
    for reader in (make_reader(), make_reader()):
        asked = {"to": address.email, "hash": token_links.address_hash(address.key), "from_hash": reader.address_hash}
        notices.append(owe_notice(reader, kind=Notice.Kind.MOVE, now=now, context=asked))

    def move(notice: Notice) -> bool:
        return address_change.move(notice, now=now, method="move page", origin=NOBODY)

    moved = succeeded(at_once(*[lambda notice=notice: move(notice) for notice in notices]))
    assert sorted(moved) == [False, True]
    assert Subscriber.objects.filter(address_key=address.key).count() == 1
    assert Notice.objects.filter(kind="moved").count() == 1


@pytest.mark.parametrize(
    ("outcome", "ends"),
    [
        (Outcome(0, OutcomeKind.SENT, Phase.DOT, 250), {State.SENT}),
        (Outcome(0, OutcomeKind.RETRY, Phase.DOT, 452), {State.RETRY}),
        (Outcome(0, OutcomeKind.REJECTED, Phase.DOT, 554), {State.FAILED}),
        (Outcome(0, OutcomeKind.UNKNOWN, Phase.DOT), {State.UNKNOWN}),
    ],
    ids=["sent", "deferred", "refused", "unknown"],
)
def test_what_the_relay_said_holds_however_late_and_whatever_the_reaper_thought(
    outcome: Outcome, ends: set[str]
) -> None:
    pks = [row.pk for row in planned(20)]
    claim_deliveries.claim_due(token="mine", limit=100, now=LATER)
    assert settle_and_mark(Turn(ready=pks), token="mine", now=LATER, sizes={}) == set(pks)
    too_late = LATER + timedelta(hours=1)

    def settle() -> None:
        for pk in pks:
            said = Outcome(pk, outcome.kind, outcome.phase, outcome.code)
            settle_and_mark(Turn(outcomes=[said]), token="mine", now=LATER, sizes={})

    succeeded(at_once(settle, lambda: rescue_expired(now=too_late)))
    assert set(states().values()) == ends


def test_a_row_is_either_marked_or_given_back_by_the_reaper_never_both() -> None:
    rows = planned(40)
    claim_deliveries.claim_due(token="mine", limit=100, now=LATER)
    marked: set[int] = set()

    def mark() -> None:
        for row in rows:
            marked.update(settle_and_mark(Turn(ready=[row.pk]), token="mine", now=LATER, sizes={}))

    succeeded(at_once(mark, lambda: rescue_expired(now=LATER + timedelta(hours=1))))
    found = states()
    assert {found[pk] for pk in marked} <= {State.SENDING, State.UNKNOWN}
    assert {state for pk, state in found.items() if pk not in marked} <= {State.QUEUED}
    if State.SENDING in found.values():
        assert Claim.objects.filter(token="mine").exists(), "whatever is held has a lease that can run out"


def test_a_cancelled_edition_leaves_no_row_that_may_still_go() -> None:
    rows = planned(40)
    claim_deliveries.claim_due(token="mine", limit=100, now=LATER)
    marked: set[int] = set()

    def mark() -> None:
        for row in rows:
            marked.update(settle_and_mark(Turn(ready=[row.pk]), token="mine", now=LATER, sizes={}))

    skipped, _ = succeeded(at_once(lambda: edition_lifecycle.cancel(Edition.objects.get(), now=LATER), mark))
    found = states()
    assert skipped + len(marked) == 40
    assert {found[pk] for pk in marked} <= {State.SENDING}
    assert {state for pk, state in found.items() if pk not in marked} <= {State.SKIPPED}
