"""Following on the preferences page: adding and removing without scripts, and what it would have brought."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from newsletter import planning, search
from newsletter.models import Delivery, StandingQuery
from newsletter.search.standing_queries import follow_key
from subscriptions import follows, gdpr, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import Follow, Subscriber
from subscriptions.preferences import preferences_of
from tests.builders import NOON, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
QUIST = 'author:"Nora Quist"'


@pytest.fixture
def alice() -> Subscriber:
    return make_reader("alice@lovelace.example")


def page_of(reader: Subscriber) -> str:
    return f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"


def post(client: Client, reader: Subscriber, action: str, **data: str) -> str:
    """The page that answers."""
    return client.post(page_of(reader), {"action": action, **data}, follow=True).content.decode()


def followed(reader: Subscriber) -> dict[str, str]:
    return dict(Follow.objects.filter(subscriber=reader).values_list("text", "stance"))


def test_a_reader_follows_and_is_shown_what_it_would_have_brought(client: Client, alice: Subscriber) -> None:
    now = timezone.now()
    for n in range(6):
        make_paper(title=f"Planner {n}", authors=["Nora Quist"], first_seen_at=now - timedelta(days=n + 1))
    make_paper(title="Too old", authors=["Nora Quist"], first_seen_at=now - timedelta(days=31))
    search.keep_up(now=now, deadline=now + timedelta(minutes=5))
    page = post(client, alice, "follow", q=f"  {QUIST} ")
    assert followed(alice) == {QUIST: "follow"}
    assert "6 papers in the last 30 days, about 1.4 a week." in page
    assert "Planner 0" in page
    assert "Planner 5" not in page, "five titles are enough"
    assert "Too old" not in page
    event = alice.consent_events.get(kind="changed")
    assert event.detail["wishes"]["follows"] == {QUIST: "follow"}
    search.keep_queries(now=now, deadline=now + timedelta(minutes=5))
    assert StandingQuery.objects.get().hits.count() == 7


def test_a_preview_changes_nothing_and_warns_of_a_query_that_finds_nothing(client: Client, alice: Subscriber) -> None:
    page = client.get(page_of(alice), {"q": "unheard-of"}, follow=True).content.decode()
    assert "This found no paper in the last 30 days." in page
    assert 'value="unheard-of"' in page
    assert followed(alice) == {}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "This field is required."),
        ("-image", "This only says what to leave out."),
        ("after:2026", "This names nothing to follow."),
        ("topic:nowhere", "There is no topic “nowhere”."),
    ],
)
def test_what_cannot_be_followed_is_told_in_a_sentence(
    client: Client, alice: Subscriber, query: str, sentence: str
) -> None:
    page = post(client, alice, "follow", q=query)
    assert sentence in page
    assert followed(alice) == {}


def test_a_reader_leaves_out_what_they_followed_and_removes_it(client: Client, alice: Subscriber) -> None:
    post(client, alice, "follow", q=QUIST)
    post(client, alice, "follow", q="planners")
    post(client, alice, "leave-out", q='AUTHOR:"nora quist"')
    assert followed(alice) == {QUIST: "not", "planners": "follow"}, "the same query, whatever its letters"
    page = post(client, alice, "unfollow", follow=QUIST)
    assert "Removed." in page
    assert followed(alice) == {"planners": "follow"}
    assert post(client, alice, "unfollow", follow="never followed")


def test_saving_the_other_preferences_keeps_what_is_followed(client: Client, alice: Subscriber) -> None:
    post(client, alice, "follow", q=QUIST)
    client.post(page_of(alice), {"action": "save", "cadence": "weekly", "hour": "9", "max_papers": "5",
                                 "thin_policy": "send", "mail_format": "html", "time_zone": "UTC"})  # fmt: skip
    alice.refresh_from_db()
    assert (alice.cadence, followed(alice)) == ("weekly", {QUIST: "follow"})


def test_there_is_an_end_to_what_one_reader_follows(
    client: Client, alice: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follows, "MOST_FOLLOWS", 1)
    post(client, alice, "follow", q="planners")
    assert "You follow 1 queries" in post(client, alice, "follow", q="grippers")
    assert followed(alice) == {"planners": "follow"}


def test_a_query_whose_topic_is_gone_stays_until_its_reader_removes_it(client: Client, alice: Subscriber) -> None:
    Follow.objects.create(subscriber=alice, text="topic:gone", key="k", at=NOON)
    post(client, alice, "follow", q=QUIST)
    assert followed(alice) == {"topic:gone": "follow", QUIST: "follow"}
    post(client, alice, "unfollow", follow="topic:gone")
    assert followed(alice) == {QUIST: "follow"}


@time_machine.travel(NOON, tick=False)
def test_each_follow_reason_of_a_digest_has_one_button_that_ends_it_and_undoes_that(
    client: Client, alice: Subscriber
) -> None:
    Follow.objects.create(subscriber=alice, text=QUIST, key=follow_key(QUIST), at=NOON)
    late = timezone.now() + timedelta(minutes=5)
    search.keep_queries(now=NOON, deadline=late)
    paper = make_paper(title="A walk", authors=["Nora Quist"], first_seen_at=NOON - timedelta(hours=3))
    search.keep_up(now=NOON, deadline=late)
    make_edition(papers=[make_paper(title="Another")], state="frozen")
    planning.plan_due(now=NOON)
    row = Delivery.objects.get()
    address = f"/d/{token_links.row_token('delivery', row.pk)}"
    page = client.get(address).content.decode()
    assert "You follow Nora Quist" in page
    assert page.count("Stop following") == 1
    item = f"{address}/{row.edition.items.get(paper=paper).pk}"
    assert "no more: undo" in client.post(item, {"word": "unfollow"}, follow=True).content.decode()
    assert followed(alice) == {}
    assert "You follow Nora Quist" in client.get(address).content.decode(), "that is why it came"
    client.post(item, {"word": "follow-again"})
    assert followed(alice) == {QUIST: "follow"}
    other = f"{address}/{row.edition.items.exclude(paper=paper).get().pk}"
    client.post(other, {"word": "unfollow"})
    assert followed(alice) == {QUIST: "follow"}, "that paper came for another reason"


def test_follows_are_in_a_readers_export_and_go_with_them(client: Client, alice: Subscriber) -> None:
    post(client, alice, "follow", q=QUIST)
    data = gdpr.export(alice, now=NOON, method="test", origin=Origin())
    assert [row["text"] for row in data["follow"]] == [QUIST]
    assert gdpr.erase(alice, now=NOON, method="test")
    assert followed(alice) == {}
    assert preferences_of(Subscriber.objects.get(pk=alice.pk)).follows == {}
    assert "Quist" not in json.dumps(list(alice.consent_events.values_list("detail", flat=True)))
    now = timezone.now()
    search.keep_queries(now=now, deadline=now + timedelta(minutes=5))
    assert not StandingQuery.objects.exists()
