"""Feeds name a WebSub hub, and it is told which of them changed; it never holds up anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest
from django.utils import timezone

from newsletter import tasks
from newsletter.delivery import websub
from newsletter.management.commands import work
from newsletter.models import Edition, Heartbeat, Paper, SourceHost
from tests.builders import NOON, assign, make_edition, make_paper
from tests.replay import Replay, Reply, replaying
from tests.test_author_pages import keep_up

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
HUB = "https://hub.example/"
SITE = "https://papers.example.org"
FEEDS = [
    "today",
    "trending",
    "topic/vision",
    "author/ada-lovelace",
    "institution/the-meadow",
    "editions",
    "editions/daily",
]


OF_A_PAPER = {"today", "topic/vision", "institution/the-meadow", "author/ada-lovelace"}


@pytest.fixture
def hub(settings: Any) -> Iterator[Replay]:
    with replaying() as replay:
        settings.WEBSUB_HUB_URL = replay.on("/hub", Reply(status=204))
        settings.WEBHOOK_PRIVATE_TARGETS = True
        yield replay


def paper(**over: Any) -> Paper:
    return assign(make_paper(authors=["Ada Lovelace"], organization="The Meadow", **over), "vision")


def told(hub: Replay) -> set[str]:
    """The feeds of the last POST, without the site and the form."""
    (mode, publish), *feeds = parse_qsl(hub.posted[-1].decode())
    assert (mode, publish) == ("hub.mode", "publish")
    assert {name for name, _feed in feeds} == {"hub.url"}
    return {
        feed.removeprefix(f"{SITE}/feeds/").removesuffix(".atom") for _name, feed in feeds if feed.endswith(".atom")
    }


def after(**over: int) -> datetime:
    return NOON + timedelta(**over)


@pytest.mark.parametrize("path", FEEDS)
def test_each_feed_names_the_hub_and_itself(client: Client, settings: Any, path: str) -> None:
    paper()
    make_edition(papers=[paper()], state="done")
    keep_up()
    plain = client.get(f"/feeds/{path}.atom")
    assert "hub" not in plain.content.decode()
    assert not plain.has_header("Link")
    settings.WEBSUB_HUB_URL = HUB
    atom, feed = client.get(f"/feeds/{path}.atom"), client.get(f"/feeds/{path}.json")
    own = f"{SITE}/feeds/{path}"
    links = ElementTree.fromstring(atom.content).findall("{http://www.w3.org/2005/Atom}link")
    assert [link.get("href") for link in links if link.get("rel") == "hub"] == [HUB]
    assert [link.get("href") for link in links if link.get("rel") == "self"] == [f"{own}.atom"]
    assert json.loads(feed.content)["hubs"] == [{"type": "WebSub", "url": HUB}]
    for answer, kind in ((atom, "atom"), (feed, "json")):
        assert answer["Link"] == f'<{HUB}>; rel="hub", <{own}.{kind}>; rel="self"'


def test_without_a_hub_nobody_is_told() -> None:
    paper()
    assert websub.ping_due(now=NOON) == 0
    assert not SourceHost.objects.exists()


def test_a_new_paper_changes_the_feeds_it_is_in(hub: Replay) -> None:
    websub.ping_due(now=after(hours=-1))
    paper(title="Elsewhere", first_seen_at=after(days=-3), listed_on=NOON.date() - timedelta(days=3))
    paper()
    assert websub.ping_due(now=after(minutes=1)) == 18
    assert told(hub) == {"trending", "editions", "editions/daily", "editions/weekly", "editions/monthly"} | OF_A_PAPER
    path, headers = hub.asked[-1]
    assert (path, headers["content-type"]) == ("/hub", "application/x-www-form-urlencoded")
    assert headers["user-agent"].startswith("Paperboy/")


@pytest.mark.parametrize("moment", ["reworded_at", "withdrawn_at", "coded_at"])
def test_a_changed_paper_changes_its_feeds(hub: Replay, moment: str) -> None:
    one = paper(first_seen_at=after(days=-3))
    websub.ping_due(now=after(hours=-1))
    Paper.objects.filter(pk=one.pk).update(**{moment: NOON})
    websub.ping_due(now=after(minutes=1))
    assert told(hub) == OF_A_PAPER


def test_what_trends_anew_and_an_edition_that_goes_out_are_told_once(hub: Replay) -> None:
    old, other = (paper(first_seen_at=after(days=-3), score_weekly=score) for score in (1, 2))
    edition = make_edition(papers=[old, other], state="frozen")
    websub.ping_due(now=after(hours=-3))
    ranked = {"trending", "editions", "editions/daily", "editions/weekly", "editions/monthly"}
    for hour, change in (
        (-2, lambda: Paper.objects.filter(pk=old.pk).update(score_weekly=3)),
        (-1, lambda: Edition.objects.filter(pk=edition.pk).update(state="sending")),
    ):
        change()
        assert websub.ping_due(now=after(hours=hour)) == 10
        assert told(hub) == ranked
        assert websub.ping_due(now=after(hours=hour, minutes=30)) == 0


def test_a_change_is_told_twice_at_most_with_five_minutes_between(hub: Replay) -> None:
    websub.ping_due(now=NOON)
    paper(first_seen_at=after(minutes=1))
    told_at = [minute for minute in (4, 5, 9, 10, 15, 20, 60) if websub.ping_due(now=after(minutes=minute))]
    assert told_at == [5, 10]
    assert len(hub.posted) == 3


def test_a_paper_stored_a_little_later_than_it_was_asked_for_is_not_missed(hub: Replay) -> None:
    websub.ping_due(now=NOON)
    paper(first_seen_at=after(minutes=-2))
    websub.ping_due(now=after(minutes=6))
    assert "author/ada-lovelace" in told(hub)


@pytest.mark.parametrize(
    "reply", [Reply(status=500), Reply(status=429, headers={"Retry-After": "3600"}), Reply(status=302)]
)
def test_a_hub_that_refuses_is_told_everything_later_and_less_often(hub: Replay, reply: Reply) -> None:
    websub.ping_due(now=after(hours=-1))
    paper()
    hub.on("/hub", reply, reply, Reply(status=202))
    waits = []
    for now in (after(minutes=1), after(hours=3)):
        assert websub.ping_due(now=now) == 0
        waits.append(SourceHost.objects.get(host=websub.NAME).free_at - now)
    assert waits == ([timedelta(hours=1)] * 2 if reply.status == 429 else [timedelta(minutes=5), timedelta(minutes=10)])
    assert websub.ping_due(now=after(hours=9)) > 0
    assert "author/ada-lovelace" in told(hub)
    assert SourceHost.objects.get(host=websub.NAME).strikes == 0


def test_a_hub_that_is_away_raises_nothing(settings: Any) -> None:
    with replaying() as away:
        settings.WEBSUB_HUB_URL, settings.WEBHOOK_PRIVATE_TARGETS = away.url("/hub"), True
    paper()
    assert websub.ping_due(now=after(minutes=1)) == 0
    assert not Heartbeat.objects.filter(name=websub.NAME).exists()


def test_a_hub_inside_the_network_is_never_asked(hub: Replay, settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_TARGETS = False
    paper()
    assert websub.ping_due(now=after(minutes=1)) == 0
    assert hub.asked == []


def test_many_feeds_go_in_several_posts(hub: Replay) -> None:
    names = [f"Ada {chr(97 + n // 26)}{chr(97 + n % 26)}lovelace" for n in range(80)]
    websub.ping_due(now=after(hours=-1))
    before = len(hub.posted)
    make_paper(authors=names)
    assert websub.ping_due(now=after(minutes=1)) >= 160
    assert len(hub.posted) - before == 2


@pytest.mark.django_db(transaction=True)  # the process closes its connection
def test_the_task_and_the_plain_process_tell_the_hub(hub: Replay) -> None:
    paper(first_seen_at=timezone.now())
    tasks.ping_hub()
    SourceHost.objects.filter(host=websub.NAME).delete()
    Heartbeat.objects.filter(name=websub.NAME).delete()
    work.Gatherer().run()
    assert len(hub.posted) == 2
