"""What the desk says came of an edition is what the rows say, counted by hand."""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from newsletter.admin import charts, table_cells
from newsletter.models import Delivery, DeliveryEvent, Edition, LibraryEntry, Paper, Verdict, Vote
from newsletter.monitoring import edition_results
from subscriptions.models import ConsentEvent, Follow, Interest, Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOON + 2 * DAY


def give(edition: Edition, reader: Subscriber, state: str = "sent", **over: Any) -> Delivery:
    fields = {"local_on": edition.period_on, "due_at": NOON, "expires_at": NOON + DAY, "domain": reader.domain}
    return Delivery.objects.create(edition=edition, subscriber=reader, state=state, **(fields | over))


@pytest.fixture
def house() -> dict[str, Any]:
    """Yesterday's edition and today's; eight readers of one provider, three of three others."""
    papers = [assign(make_paper(), topic) for topic in ("vision", "vision", "robotics")]
    before = make_edition(papers=papers[:1], state="done", period_on=NOON.date() - DAY, frozen_at=NOON - DAY)
    edition = make_edition(papers=papers, state="sending", frozen_at=NOON)
    many = [make_reader(f"reader{number}@big.example") for number in range(8)]
    few = [make_reader(f"someone@small{number}.example") for number in range(3)]
    for reader in (*many[:6], *few[:2]):
        give(edition, reader)
        give(before, reader)
    give(edition, many[6], "failed")
    give(edition, many[7], "skipped", skip_reason="late")
    give(edition, few[2], "skipped", skip_reason="empty")
    return {"edition": edition, "before": before, "papers": papers, "many": many, "few": few}


def say(reader: Subscriber, paper: Paper, value: int = 1, at: datetime = NOON + HOUR, **over: Any) -> None:
    Verdict.objects.create(subscriber=reader, paper=paper, value=value, at=at, **over)


@pytest.fixture
def said(house: dict[str, Any]) -> dict[str, Any]:
    many, few, papers = house["many"], house["few"], house["papers"]
    further = Interest.objects.create(subscriber=many[0], name="Secret project", position=1)
    say(many[0], papers[0], interest=further)
    say(many[1], papers[0])
    say(few[0], papers[2], -1)
    say(many[2], papers[1], at=NOON - HOUR)  # of yesterday's: it has this paper not, so it is nobody's
    say(many[3], make_paper())  # of no edition
    say(many[6], papers[1])  # never had it
    Vote.objects.create(subscriber=many[1], paper=papers[2], at=NOON + HOUR)
    for source in ("saved", "uploaded"):
        paper = papers[source == "saved"]
        LibraryEntry.objects.create(
            subscriber=many[4], paper=paper, identity=source, title="x", source=source, at=NOON + HOUR
        )
    Follow.objects.create(subscriber=few[1], text="graphs", key="k", at=NOON + HOUR)
    Follow.objects.create(subscriber=few[1], text="cats", key="n", stance="not", at=NOON + HOUR)
    for reader, at in ((many[5], NOON + HOUR), (few[0], NOON - HOUR), (many[6], NOON + HOUR)):
        ConsentEvent.objects.create(subscriber=reader, kind="unsubscribed", at=at, method="one-click")
    complained = Delivery.objects.get(edition=house["edition"], subscriber=few[1])
    for number in range(2):  # one reader, told twice
        DeliveryEvent.objects.create(delivery=complained, kind="complained", at=NOON + HOUR, source=f"arf {number}")
    return house


def test_an_edition_is_counted_by_what_its_readers_did_while_it_was_their_newest(said: dict[str, Any]) -> None:
    results = edition_results.results_of(said["edition"], now=LATER)
    assert results.outcomes == {
        **{"planned": 11, "sent": 8, "owed": 0, "failed": 1, "unknown": 0, "late": 1, "nothing": 1}
    }
    assert results.reactions == {
        **{"more": 2, "less": 1, "saves": 1, "votes": 1, "follows": 1, "left": 1, "complained": 1}
    }
    assert results.per_thousand("more") == 250
    yesterday = edition_results.earlier(said["edition"], now=LATER)
    assert [(one.edition, one.outcomes["sent"], one.reactions["left"]) for one in yesterday] == [(said["before"], 8, 1)]


def test_results_that_are_over_are_kept_and_not_counted_again(said: dict[str, Any]) -> None:
    edition, later = said["edition"], NOON + 30 * DAY
    first = edition_results.results_of(edition, now=later)
    edition.refresh_from_db()
    assert edition.totals is None, "it is still being sent"
    Edition.objects.filter(pk=edition.pk).update(state="done")
    edition.refresh_from_db()
    edition_results.results_of(edition, now=LATER)
    edition.refresh_from_db()
    assert edition.totals is None, "complaints may still come in"
    edition_results.results_of(edition, now=later)
    edition.refresh_from_db()
    Delivery.objects.filter(edition=edition).delete()
    assert edition_results.results_of(edition, now=later) == first


def test_the_editions_it_is_compared_with_are_counted_once_in_a_while(said: dict[str, Any]) -> None:
    first = edition_results.earlier(said["edition"], now=LATER)
    assert [row.edition for row in first] == [said["before"]]
    with CaptureQueriesContext(connection) as asked:
        assert edition_results.earlier(said["edition"], now=LATER) == first
    assert len(asked) == 1, "which ones they are"


def test_what_readers_do_later_belongs_to_the_next_edition(said: dict[str, Any]) -> None:
    assert edition_results.end_of(said["before"], now=LATER) == NOON
    assert edition_results.end_of(said["edition"], now=LATER) == LATER
    assert edition_results.end_of(said["edition"], now=NOON + 30 * DAY) == NOON + 3 * DAY


def test_the_splits_add_up_and_name_no_provider_of_a_few_readers(said: dict[str, Any]) -> None:
    details = edition_results.details_of(said["edition"], until=LATER)
    names = {paper.paper_topics.get().topic.name for paper in said["papers"]}
    assert set(details.topics) == names
    assert sorted(tuple(counts.values()) for counts in details.topics.values()) == [(0, 1, 0, 1), (2, 0, 1, 0)]
    assert {further: counts["more"] for further, counts in details.interests.items()} == {True: 1, False: 1}
    assert set(details.domains) == {"big.example", ""}
    assert (
        details.domains["big.example"] | {"sent": 6, "failed": 1, "late": 1, "left": 1}
        == details.domains["big.example"]
    )
    assert details.domains[""]["sent"] == 2
    assert details.domains[""]["complained"] == 1
    assert details.skipped == {"empty": 1, "late": 1}


def test_the_page_shows_the_numbers_as_charts_tables_and_csv(said: dict[str, Any], admin_client: Client) -> None:
    address = f"/admin/newsletter/edition/{said['edition'].pk}/results/"
    page = admin_client.get(address).content.decode()
    assert page.count('<svg class="desk-chart"') == 3
    assert "Secret project" not in page
    assert "small0" not in page
    answer = admin_client.get(f"{address}?format=csv")
    lines = list(csv.reader(StringIO(answer.content.decode())))
    assert ["edition", str(said["edition"]), "sent", "8"] in lines
    assert ["provider", "others", "complained", "1"] in lines
    assert ["not sent", "late", "readers", "1"] in lines


def test_growth_and_sources_are_those_of_the_rows(admin_client: Client) -> None:
    for weeks, left in ((0, None), (0, None), (1, None), (1, NOON - DAY), (9, NOON - 8 * DAY)):
        state = "unsubscribed" if left else "confirmed"
        reader = make_reader(confirmed_at=NOON - weeks * 7 * DAY, state=state, left_at=left)
        ConsentEvent.objects.create(
            subscriber=reader, kind="requested", method="banner", source_url="paper", at=NOON - weeks * 7 * DAY
        )
    last, before = edition_results.growth(now=NOON)[:-3:-1]
    assert (last.joined, last.left, last.readers) == (2, 1, 3)
    assert (before.joined, before.left, before.readers) == (2, 1, 2)
    assert edition_results.signup_sources(now=NOON) == [("banner", "paper", 5, 3)]
    page = admin_client.get("/admin/newsletter/edition/results/").content.decode()
    assert "3 readers" in page
    assert "No edition has gone out yet" in page
    answer = admin_client.get("/admin/newsletter/edition/results/?format=csv").content.decode().splitlines()
    assert answer[0] == "week,joined,left,readers"
    assert len(answer) == 27


def test_the_number_of_questions_does_not_grow_with_the_readers(said: dict[str, Any], admin_client: Client) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            for path in (f"{said['edition'].pk}/results/", "results/"):
                assert admin_client.get(f"/admin/newsletter/edition/{path}").status_code == 200
        return len(asked)

    questions()  # keeps the totals of the edition that is over
    before = questions()
    for number in range(20):
        reader = make_reader(f"more{number}@big.example")
        give(said["edition"], reader)
        say(reader, said["papers"][0])
    assert questions() == before


def test_a_bar_shows_what_is_due_and_tells_the_rest_beside_it() -> None:
    bar = table_cells.bar({"sent": 71, "failed": 1, "skipped": 231})
    assert "71 of 72 sent; 231 not to be sent" in bar
    assert "is-skipped" not in bar


def test_a_chart_says_its_numbers_without_colour() -> None:
    drawn = charts.columns([charts.Column("Mon", 3), charts.Column("<Tue>", 0, is_this=True, below=2)], title="Mails")
    assert 'aria-label="Mails"' in drawn
    assert ">3</text>" in drawn
    assert "&lt;Tue&gt;: 0 / -2</title>" in drawn
    assert charts.columns([], title="Mails") == ""


@pytest.mark.parametrize(
    ("number", "named"), [(1, [0]), (7, [*range(7)]), (11, [0, 2, 4, 6, 8, 10]), (26, [1, 5, 9, 13, 17, 21, 25])]
)
def test_a_chart_names_as_many_columns_as_fit_side_by_side(number: int, named: list[int]) -> None:
    drawn = charts.columns([charts.Column(f"day {place}", 1) for place in range(number)], title="Mails")
    assert re.findall(r">day (\d+)</text>", drawn) == [str(place) for place in named]
