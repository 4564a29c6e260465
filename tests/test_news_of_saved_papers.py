"""News of papers that readers liked or saved: one line in a digest, once each, at most weekly, off by one tap."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning
from newsletter.catalogue import polling
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


def see(**over: Any) -> Paper:
    seen = Observation(source="arxiv_query", key="1", title="Song of the wren", arxiv_id="2603.00001", **over)
    ingest([seen], now=NOON)
    return Paper.objects.get(arxiv_id=seen.arxiv_id)


FIRST = "We study wrens. They sing at 5 Hz in the north. Nothing else is known of them yet."
SECOND = "We study wrens. They sing at 7 Hz in the north. A second song was found in spring."


def test_a_new_version_is_news_when_its_abstract_says_something_else() -> None:
    assert see(abstract=FIRST, version=1).revised_at is None
    assert see(abstract=FIRST, version=2).revised_at is None, "the same words"
    assert see(abstract=FIRST.replace("We study", "We  STUDY"), version=3).revised_at is None
    assert see(abstract=SECOND, version=3).revised_at is None, "no new version: another reading of the same"
    paper = see(abstract=FIRST, version=4)
    assert paper.revised_at == NOON
    assert paper.revision == {
        "now": ["They sing at 5 Hz in the north.", "Nothing else is known of them yet."],
        "gone": ["A second song was found in spring."],
    }
    assert all(text in paper.abstract for text in paper.revision["now"])


def test_what_was_stored_before_versions_were_kept_is_no_news() -> None:
    see(abstract=FIRST)
    paper = see(abstract=SECOND, version=5, accepted="Accepted at ICML 2026")
    assert (paper.version, paper.revised_at) == (5, None)
    assert (paper.accepted, paper.accepted_at) == ("Accepted at ICML 2026", None), "it may have been so for long"


def test_a_venue_is_news_when_arxiv_named_none_before() -> None:
    assert see(accepted="").accepted_at is None
    assert see(accepted=None).accepted == "", "a source that does not tell"
    paper = see(accepted="Accepted at ICML 2026 (Oral)")
    assert (paper.accepted, paper.accepted_at) == ("Accepted at ICML 2026 (Oral)", NOON)
    ingest([Observation(source="arxiv_query", key="1", title=paper.title, arxiv_id="2603.00001", accepted="x")],
           now=NOON + DAY)  # fmt: skip
    paper.refresh_from_db()
    assert paper.accepted_at == NOON
    assert see(accepted="").accepted_at is None, "taken back before anybody was told"
    assert see(accepted="Accepted at ICML 2026").accepted_at == NOON


def test_versions_and_venues_are_told_word_for_word_each_once_in_mail_and_page(client: Client) -> None:
    reader = make_daily_reader()
    told_before = {"now": ["They sing at <7> Hz."], "gone": ["Nothing is known."]}
    paper = make_paper(title="Wrens", version=3, revised_at=NOON - DAY, revision=told_before)
    venue = make_paper(title="Whales", accepted="Accepted at ICML 2026", accepted_at=NOON - DAY)
    save(reader, paper)
    save(reader, venue)
    make_day()
    assert told(reader) == [[[paper.pk, "v3"], [venue.pk, "accepted"]]]
    (row,) = claim_due(token="t", limit=10, now=NOON + timedelta(hours=1))
    parts = bodies(Composers().message(row, now=NOON).data)
    assert "New version, with another abstract:" in parts["html"]
    assert "Now: “They sing at &lt;7&gt; Hz.”" in parts["html"]
    assert "Its authors now name a venue: Whales\n    “Accepted at ICML 2026”" in parts["plain"]
    assert "No longer: “Nothing is known.”" in parts["plain"]
    Paper.objects.filter(pk=paper.pk).update(version=4, revised_at=NOON + DAY)
    for day in range(1, 8):
        make_day(day)
    assert told(reader)[1:] == [[], [], [], [], [], [], [[paper.pk, "v4"]]], "each version once, a week apart"
    first = reader.deliveries.earliest("due_at")
    Delivery.objects.filter(pk=first.pk).update(due_at=timezone.now())
    page = client.get(f"/d/{token_links.row_token(SCOPE, first.pk)}").content.decode()
    assert "Now: “They sing at &lt;7&gt; Hz.”" in page
    assert "“Accepted at ICML 2026”" in page


def test_arxiv_is_asked_again_about_papers_that_readers_saved_lately() -> None:
    reader, saved = make_reader(), make_paper(arxiv_id="2501.00001", first_seen_at=NOON - 400 * DAY, title_source="x")
    liked, disliked, long_ago = (
        make_paper(arxiv_id=f"2501.0000{n}", first_seen_at=NOON - 400 * DAY, title_source="x") for n in (2, 3, 4)
    )
    save(reader, saved)
    save(reader, long_ago, at=NOON - 366 * DAY)
    for paper, value in ((liked, 1), (disliked, -1)):
        Verdict.objects.create(subscriber=reader, paper=paper, value=value, at=NOON)
    assert sorted(polling.wanted_ids(NOON)) == ["2501.00001", "2501.00002"]
