"""Papers that readers follow come first in their digest, with the true reason, and to nobody else."""

from __future__ import annotations

import json
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning, search
from newsletter.delivery.claim_deliveries import Claimed, claim_due
from newsletter.delivery.compose_message import Composers
from newsletter.editions import lifecycle
from newsletter.interests import follows
from newsletter.mail.reasons import follow_line
from newsletter.models import Delivery, Edition, EditionItem, Paper
from newsletter.search.standing_queries import follow_key
from subscriptions.models import Follow, Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
FREEZE = NOON - timedelta(minutes=30)
EARLIER = NOON - timedelta(hours=3)
QUIST = 'author:"Nora Quist"'


def follow(reader: Subscriber, text: str, stance: str = "follow") -> Follow:
    return Follow.objects.create(subscriber=reader, text=text, key=follow_key(text), stance=stance, at=NOON)


def by_quist(title: str, topic: str = "robotics", **over: Any) -> Paper:
    fields = {"first_seen_at": NOON - timedelta(hours=5), "authors": ["Nora Quist"]} | over
    return assign(make_paper(title=title, **fields), topic)


def ranked() -> list[Paper]:
    return [
        assign(
            make_paper(title=f"Speech {n}", score_daily=9.0 - n, first_seen_at=NOON - timedelta(hours=3)),
            "speech-audio",
        )
        for n in range(4)
    ]


def freeze(papers: list[Paper], **over: Any) -> Edition:
    """A frozen edition of these papers, after every follow has its query and every paper was matched."""
    late = timezone.now() + timedelta(minutes=5)
    search.keep_up(now=NOON, deadline=late)
    search.keep_queries(now=NOON, deadline=late)
    return make_edition(papers=papers, state=Edition.State.FROZEN, **over)


def plan() -> None:
    planning.plan_due(now=NOON)


def told(reader: Subscriber) -> list[tuple[str, str, str]]:
    """Title, lane and reason of each paper of the reader's digests."""
    picks = [pick for row in reader.deliveries.order_by("pk") for pick in row.picks]
    items = EditionItem.objects.select_related("paper").in_bulk([pk for pk, *_ in picks])
    return [(items[pk].paper.title, lane, reason) for pk, lane, reason in picks]


def titles(reader: Subscriber) -> list[str]:
    return [title for title, *_ in told(reader)]


def claimed() -> dict[str, Claimed]:
    return {row.email: row for row in claim_due(token="test", limit=100, now=NOON + timedelta(minutes=20)) or []}


def mail_of(reader: Subscriber) -> Any:
    row = claimed()[str(reader.email)]
    return message_from_bytes(Composers().message(row, now=NOON).data, policy=policy.default)


def test_a_followed_paper_comes_first_whatever_its_votes_and_says_why() -> None:
    reader = make_reader(follows=("speech-audio",), wants_outside=False)
    follow(reader, QUIST)
    by_quist("Seen by nobody")
    freeze(ranked())
    plan()
    assert told(reader)[0] == ("Seen by nobody", "follow", f"follow:{QUIST}")
    assert titles(reader)[1:3] == ["Speech 0", "Speech 1"]
    mail = mail_of(reader)
    assert mail["Subject"].startswith("Seen by nobody")
    for part in ("plain", "html"):
        assert "You follow Nora Quist" in mail.get_body((part,)).get_content()


def test_a_paper_of_the_ranking_that_a_reader_follows_moves_to_the_first_place_and_stands_once() -> None:
    reader = make_reader(follows=("speech-audio",), wants_outside=False)
    follow(reader, '"speech 3"')
    freeze(ranked())
    plan()
    assert titles(reader)[0] == "Speech 3"
    assert titles(reader).count("Speech 3") == 1


def test_digests_of_readers_who_follow_nothing_are_the_same_bytes() -> None:
    papers = ranked()
    by_quist("Seen by nobody")
    alice, bob = make_reader(follows=("speech-audio",)), make_reader()

    def sent() -> list[tuple[str, bytes]]:
        """Picks and mail of both, with marks that differ at each compilation replaced by the readers' tokens."""
        Delivery.objects.all().delete()
        Subscriber.objects.update(next_due_at=NOON)
        edition = Edition.objects.first() or freeze(papers)
        Edition.objects.update(state=Edition.State.APPROVED)
        edition.items.filter(standing="also").delete()
        assert lifecycle.freeze(edition, now=FREEZE)
        plan()
        items = {row.pk: row.paper.title for row in edition.items.select_related("paper")}
        rows = claimed()
        found = []
        for reader in (alice, bob):
            row = rows[str(reader.email)]._replace(pk=7)
            chosen = json.dumps([(items[pk], lane, why) for pk, lane, why in row.picks])
            found.append((chosen, Composers().message(row, now=NOON).data))
        return found

    before = sent()
    charlie = make_reader()
    follow(charlie, QUIST)
    follow(charlie, "speech")
    late = timezone.now() + timedelta(minutes=5)
    search.keep_queries(now=NOON, deadline=late)
    assert sent() == before
    assert titles(charlie)[-1] == "Seen by nobody"


def test_a_followed_paper_is_never_sent_twice() -> None:
    reader = make_reader(next_due_at=NOON)
    follow(reader, QUIST)
    by_quist("Seen by nobody")
    freeze(ranked())
    plan()
    tomorrow = NOON + timedelta(days=1)
    freeze(
        [],
        period_on=tomorrow.date(),
        cutoff_at=tomorrow - timedelta(hours=1),
        window_start_at=NOON - timedelta(hours=1),
        frozen_at=tomorrow - timedelta(minutes=30),
    )
    assert EditionItem.objects.filter(paper__title="Seen by nobody").count() == 2, "for who follows it since"
    Subscriber.objects.update(next_due_at=tomorrow)
    planning.plan_due(now=tomorrow)
    assert titles(reader).count("Seen by nobody") == 1


def test_what_finds_no_room_comes_with_the_next_digest() -> None:
    reader = make_reader(max_papers=2)
    follow(reader, QUIST)
    for n in range(3):
        by_quist(f"Quist {n}", first_seen_at=NOON - timedelta(hours=5 + n))
    freeze(ranked())
    plan()
    assert titles(reader) == ["Quist 0", "Quist 1"]
    tomorrow = NOON + timedelta(days=1)
    freeze([], period_on=tomorrow.date(), cutoff_at=tomorrow - timedelta(hours=1), frozen_at=tomorrow)
    Subscriber.objects.update(next_due_at=tomorrow)
    planning.plan_due(now=tomorrow)
    assert titles(reader) == ["Quist 0", "Quist 1", "Quist 2"]


def test_a_muted_topic_and_what_a_reader_wants_nothing_of_outrank_a_follow() -> None:
    reader = make_reader(follows=("speech-audio",), wants_outside=False)
    follow(reader, QUIST)
    follow(reader, "gripper", stance="not")
    follow(reader, '"speech 0"', stance="not")
    reader.preferences.create(topic=assign(make_paper(), "vision").paper_topics.get().topic, stance="mute")
    by_quist("A gripper")
    by_quist("An image", topic="vision")
    by_quist("A walk")
    freeze(ranked())
    plan()
    assert titles(reader) == ["A walk", "Speech 1", "Speech 2", "Speech 3"]


def test_nobody_else_sees_a_paper_that_is_there_for_followers() -> None:
    follow(make_reader(), QUIST)
    by_quist("Seen by nobody")
    edition = freeze(ranked())
    plan()
    Edition.objects.update(state=Edition.State.DONE, done_at=NOON)
    assert edition.items.filter(standing="also").count() == 1
    assert EditionItem.objects.issued().filter(paper__title="Seen by nobody").count() == 0
    for address in (
        edition.get_absolute_url(),
        f"/api/v1/editions/{edition.pk}/",
        "/feeds/editions.atom",
        "/feeds/editions/daily.json",
    ):
        assert "Seen by nobody" not in Client().get(address).content.decode()
    (listed,) = Client().get("/api/v1/editions/").json()["editions"]
    assert listed["papers"] == 4


def test_an_edition_takes_in_what_its_readers_follow_only(monkeypatch: pytest.MonkeyPatch) -> None:
    charlie = make_reader()
    follow(charlie, QUIST, stance="not")
    by_quist("Unwanted")
    by_quist("Withdrawn", withdrawn_at=NOON, authors=["Rui Song"])
    by_quist("Too old", first_seen_at=NOON - timedelta(days=9), authors=["Rui Song"])
    by_quist("Excluded", authors=["Rui Song"])
    for n in range(3):
        by_quist(f"Song {n}", authors=["Rui Song"], first_seen_at=NOON - timedelta(hours=n + 2))
    follow(charlie, 'author:"Rui Song"')
    monkeypatch.setattr(follows, "ALSO_MOST", 2)
    late = timezone.now() + timedelta(minutes=5)
    search.keep_up(now=NOON, deadline=late)
    search.keep_queries(now=NOON, deadline=late)
    edition = make_edition(papers=[*ranked(), Paper.objects.get(title="Excluded")], state=Edition.State.APPROVED)
    edition.items.filter(paper__title="Excluded").update(standing="excluded")
    lifecycle.freeze(edition, now=FREEZE)
    also = edition.items.filter(standing="also").order_by("position")
    assert [item.paper.title for item in also] == ["Song 0", "Song 1"], "the newest"


def test_a_digest_held_back_gives_its_followed_papers_to_nobody_else() -> None:
    reader = make_reader(follows=("theory",), thin_policy="hold", wants_outside=False)
    follow(reader, QUIST)
    by_quist("Seen by nobody")
    edition = freeze(ranked())
    plan()
    assert reader.deliveries.get().skip_reason == "thin"
    tomorrow = NOON.date() + timedelta(days=1)
    draft = lifecycle.draft(cadence="daily", period_on=tomorrow, now=edition.cutoff_at + timedelta(days=1))
    assert "Seen by nobody" not in [paper.title for paper in lifecycle.held_back(draft)]


def test_planning_asks_one_question_more_however_many_follow() -> None:
    by_quist("Seen by nobody")
    follow(make_reader(), QUIST)
    freeze(ranked())

    def queries(readers: int) -> int:
        Delivery.objects.all().delete()
        for _ in range(readers):
            follow(make_reader(), QUIST)
        Subscriber.objects.update(next_due_at=NOON)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            plan()
        return len(asked)

    assert queries(1) == queries(20)


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ('author:"Yann LeCun"', "You follow Yann LeCun"),
        ("author:LeCun", "You follow LeCun"),
        ("author:„Yann LeCun“", "You follow Yann LeCun"),
        ("diffusion -image", "You follow “diffusion -image”"),
        ('"world models"', "You follow “world models”"),
        ('author:"Yann LeCun" planning', 'You follow “author:"Yann LeCun" planning”'),
    ],
)
def test_a_reason_names_what_is_followed(query: str, line: str) -> None:
    assert follow_line(query) == line
