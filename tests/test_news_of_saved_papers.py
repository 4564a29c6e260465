"""News of papers that readers liked or saved: one line in a digest, once each, at most weekly, off by one tap."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.delivery.claim_deliveries import claim_due
from newsletter.delivery.compose_message import SCOPE, Composers
from newsletter.models import Compiled, Delivery, Edition, LibraryEntry, Paper, Verdict
from subscriptions import gdpr, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import Subscriber
from tests.builders import NOON, make_edition, make_paper, make_reader
from tests.mail_lint import bodies

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def save(reader: Subscriber, paper: Paper, *, at: datetime = NOON - 5 * DAY) -> None:
    LibraryEntry.objects.create(subscriber=reader, paper=paper, identity=f"p{paper.pk}", source="saved", at=at)


def make_day(day: int = 0) -> Edition:
    """The daily edition of that many days after NOON, with a paper of its own; everybody who is due is planned."""
    at = NOON + day * DAY
    edition = make_edition(
        papers=[make_paper()], state=Edition.State.FROZEN, period_on=at.date(), window_start_at=at - DAY,
        cutoff_at=at - timedelta(hours=1), frozen_at=at - timedelta(minutes=30),
    )  # fmt: skip
    planning.plan_due(now=at)
    return edition


def make_daily_reader(**over: object) -> Subscriber:
    return make_reader(weekdays=127, hour=12, **over)


def told(reader: Subscriber) -> list[list[list[object]]]:
    return list(reader.deliveries.order_by("due_at").values_list("news", flat=True))


def withdrawn(title: str = "A study of whales", *, at: datetime = NOON - DAY) -> Paper:
    return make_paper(title=title, withdrawn_at=at)


def test_what_happened_after_it_was_saved_or_liked_is_told_to_whoever_did() -> None:
    saver, liker, disliker, later, nobody = (make_daily_reader() for _ in range(5))
    gone, coded = withdrawn(), make_paper(coded_at=NOON - DAY, code_url="https://github.com/a/b")
    save(saver, gone)
    Verdict.objects.create(subscriber=liker, paper=coded, value=1, at=NOON - 5 * DAY)
    Verdict.objects.create(subscriber=disliker, paper=coded, value=-1, at=NOON - 5 * DAY)
    save(later, coded, at=NOON - timedelta(hours=3))
    make_day()
    assert told(saver) == [[[gone.pk, "withdrawn"]]]
    assert told(liker) == [[[coded.pk, "code"]]]
    assert told(disliker) == told(later) == told(nobody) == [[]]


def test_each_is_told_once_and_at_most_once_a_week() -> None:
    reader, first, second = make_daily_reader(), withdrawn("First"), withdrawn("Second", at=NOON + timedelta(hours=2))
    save(reader, first)
    save(reader, second)
    for day in range(9):
        make_day(day)
    assert told(reader) == [[[first.pk, "withdrawn"]], [], [], [], [], [], [], [[second.pk, "withdrawn"]], []]


def test_what_never_left_is_told_again() -> None:
    reader, gone = make_daily_reader(), withdrawn()
    save(reader, gone)
    make_day()
    Delivery.objects.update(state="skipped", skip_reason="late", not_before=None)
    make_day(1)
    assert told(reader)[-1] == [[gone.pk, "withdrawn"]]


def test_the_mail_has_the_lines_between_papers_and_foot_and_nobody_elses_mail_changes() -> None:
    reader, other = make_daily_reader(), make_daily_reader()
    gone = withdrawn("Whales & <bread>")
    coded = make_paper(title="Trains", coded_at=NOON - DAY, code_url="https://github.com/a/b")
    save(reader, gone)
    save(reader, coded)
    edition = make_day()
    rows = claim_due(token="t", limit=10, now=NOON + timedelta(hours=1))
    assert rows
    composers = Composers()
    mails = {row.email: composers.message(row, now=NOON).data for row in rows}
    mine, theirs = bodies(mails[str(reader.email)]), bodies(mails[str(other.email)])
    html, text = mine["html"], mine["plain"]
    assert "Withdrawn by its authors:" in html
    assert "Whales &amp; &lt;bread&gt;</a>" in html
    assert html.index("News of papers you saved") < html.index("Its code is out:") < html.index("You get this email")
    assert 'href="https://github.com/a/b"' in html
    assert f"/d/{token_links.row_token(SCOPE, reader.deliveries.get().pk)}#news" in html
    assert "Its code is out: Trains\n    https://github.com/a/b" in text
    assert "News of papers" not in theirs["html"] + theirs["plain"]
    without = Compiled.objects.get(edition=edition).fragments
    for part in ("html", "text"):
        without[part].pop("news")
    Compiled.objects.update(fragments=without)
    again = {row.email: Composers().message(row, now=NOON).data for row in rows}
    assert again[str(other.email)] == mails[str(other.email)], "byte for byte"


def test_one_tap_on_the_digests_page_turns_it_off_and_on(client: Client) -> None:
    reader, gone = make_daily_reader(), withdrawn()
    save(reader, gone)
    make_day()
    Delivery.objects.update(due_at=timezone.now())
    url = f"/d/{token_links.row_token(SCOPE, reader.deliveries.get().pk)}"
    page = client.get(url).content.decode()
    assert "Withdrawn by its authors:" in page
    assert client.get(f"{url}/news").status_code == 303
    reader.refresh_from_db()
    assert reader.wants_news
    client.post(f"{url}/news", {"word": "off"})
    reader.refresh_from_db()
    assert not reader.wants_news
    assert "You get no more of this news." in client.get(url).content.decode()
    Delivery.objects.all().delete()
    Subscriber.objects.update(next_due_at=NOON + DAY)
    make_day(1)
    assert told(reader) == [[]]
    client.post(f"{url}/news", {"word": "on"})


def test_an_edition_without_news_asks_nothing_and_one_with_news_no_more_for_more_readers() -> None:
    counts = []
    for with_news, readers in ((False, 1), (True, 1), (True, 8)):
        Delivery.objects.all().delete()
        Subscriber.objects.update(next_due_at=None)
        day = len(counts)
        gone = withdrawn(at=NOON + day * DAY - timedelta(hours=2)) if with_news else None
        for _ in range(readers):
            reader = make_daily_reader(next_due_at=NOON + day * DAY)
            if gone:
                save(reader, gone)
        with CaptureQueriesContext(connection) as queries:
            make_day(day)
        counts.append(sum("libraryentry" in query["sql"] and "wants_news" in query["sql"] for query in queries))
    assert counts == [0, 1, 1]


def test_code_that_comes_later_is_noted_by_ingest_and_code_that_was_there_is_not() -> None:
    def see(number: int, **over: str) -> Paper:
        seen = Observation(source="arxiv_query", key=f"{number}", title=f"Song {number}", arxiv_id=f"2603.0000{number}")
        ingest([replace(seen, **over)], now=NOON)  # type: ignore[arg-type]
        return Paper.objects.get(arxiv_id=seen.arxiv_id)

    assert see(1).coded_at is None
    assert see(1, code_url="https://github.com/a/b").coded_at == NOON
    assert see(2, code_url="https://github.com/a/c").coded_at is None


def test_what_was_told_is_in_the_readers_export() -> None:
    reader, gone = make_daily_reader(), withdrawn()
    save(reader, gone)
    make_day()
    data = gdpr.export(reader, now=NOON, method="test", origin=Origin())
    assert data["delivery"][0]["news"] == [[gone.pk, "withdrawn"]]
    assert data["subscriber"]["wants_news"] is True
