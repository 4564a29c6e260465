import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from newsletter.catalogue import polling
from newsletter.catalogue.http_client import FetchPolicy
from newsletter.catalogue.polling import poll_due, poll_source, troubles
from newsletter.catalogue.sources import arxiv_daily, arxiv_query, hf_daily
from newsletter.catalogue.sources.observed_paper import Observation, Request, Source
from newsletter.models import Paper, Sighting, Signal, SourceHost, SourceRun, Submission
from newsletter.monitoring import current_alarms
from tests.builders import NOON, make_paper
from tests.replay import Replay, Reply, replaying
from tests.test_arxiv import daily_entry, daily_feed, query_entry, query_feed
from tests.test_hf_daily import PAPER, PLAIN, answer, changed

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

LOCAL = FetchPolicy(scheme="http", public_only=False)
TUESDAY = datetime(2026, 3, 17, 6, tzinfo=UTC)
ATOM = "application/atom+xml"


@dataclass
class Moved:
    """A real source whose addresses lead to the replay server."""

    real: Source
    urls: list[str]
    HOSTS: frozenset[str] = frozenset({"127.0.0.1"})
    SPACING: timedelta = timedelta(seconds=1)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.SOURCE = self.real.SOURCE
        self.CONTENT_TYPES = self.real.CONTENT_TYPES
        self.POLL_EVERY = self.real.POLL_EVERY
        self.LABEL, self.OWN_VOTES = self.real.LABEL, self.real.OWN_VOTES
        self.TEXT_AUTHORITY, self.LINK_AUTHORITY = self.real.TEXT_AUTHORITY, self.real.LINK_AUTHORITY
        self.QUIET_AFTER = self.real.QUIET_AFTER

    def addresses(self, request: Request) -> list[str]:
        self.requests.append(request)
        return self.urls

    def parse(self, data: bytes, *, seen_at: datetime) -> list[Observation]:
        return self.real.parse(data, seen_at=seen_at)

    def why_empty(self, now: datetime) -> str:
        return self.real.why_empty(now)

    def is_stale(self, *, first_seen_at: datetime, now: datetime) -> bool:
        return self.real.is_stale(first_seen_at=first_seen_at, now=now)


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def gather(source: Source, *, now: datetime = NOON) -> list[SourceRun]:
    return poll_due(now=now, sources=[source], rules=LOCAL, sleep=lambda seconds: None)


def daily(web: Replay, *bodies: bytes, **reply: Any) -> Moved:
    return Moved(hf_daily, [web.on("/hf", *[Reply(body, **reply) for body in bodies])])


def test_a_run_brings_papers_and_says_so(web: Replay) -> None:
    [run] = gather(daily(web, answer(PAPER, PLAIN), headers={"ETag": '"one"'}))
    assert (run.state, run.status, run.read, run.new, run.merged, run.etag) == ("ok", 200, 2, 2, 0, '"one"')
    assert Paper.objects.get(arxiv_id="2603.00001").upvotes == 41
    assert SourceRun.objects.get() == run


def test_a_day_that_fills_up_is_asked_again_and_again(web: Replay) -> None:
    source = daily(web, answer(PAPER), answer(PAPER, PLAIN), answer(changed(upvotes=60), PLAIN))
    runs = [gather(source, now=NOON + n * source.POLL_EVERY)[0] for n in range(3)]
    assert [(run.read, run.new) for run in runs] == [(1, 1), (2, 1), (2, 0)]
    assert Paper.objects.get(arxiv_id="2603.00001").upvotes == 60
    assert Signal.objects.filter(paper__arxiv_id="2603.00001", metric="upvotes").count() == 3


def test_the_next_poll_goes_on_where_a_full_page_ended() -> None:
    first, *others = hf_daily.addresses(polling.request_of(hf_daily, NOON))
    SourceRun.objects.create(source="hf_daily", url=first, state="ok", started_at=NOON - timedelta(hours=1), read=100)
    SourceRun.objects.create(source="hf_daily", url=first, state="unchanged", started_at=NOON - timedelta(minutes=30))

    assert hf_daily.addresses(polling.request_of(hf_daily, NOON)) == [first, f"{first}&p=1", *others]


def test_between_two_polls_nothing_is_asked(web: Replay) -> None:
    source = daily(web, answer(PAPER))
    gather(source)
    assert gather(source, now=NOON + source.POLL_EVERY - timedelta(seconds=1)) == []
    assert len(web.asked) == 1


def test_not_modified_is_believed_and_adds_nothing(web: Replay) -> None:
    url = web.on("/hf", Reply(answer(PAPER), headers={"ETag": '"one"'}), Reply(status=304))
    source = Moved(hf_daily, [url])
    gather(source)
    for n in (1, 2):
        [run] = gather(source, now=NOON + n * source.POLL_EVERY)
        assert (run.state, run.read) == ("unchanged", 0)
    assert [headers.get("if-none-match") for _, headers in web.asked] == [None, '"one"', '"one"']


def test_an_empty_answer_says_why(web: Replay) -> None:
    [run] = gather(
        Moved(arxiv_daily, [web.on("/feed", Reply(daily_feed(), kind=ATOM))]), now=TUESDAY + timedelta(days=4)
    )
    assert (run.state, run.detail) == ("empty", "arXiv announces nothing on weekends")


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (Reply(answer(PAPER)[:-40]), "not JSON, or cut short"),
        (Reply(b"<html>Bad gateway</html>", kind="text/html"), "text/html"),
        (Reply(b"<html>Bad gateway</html>"), "not JSON"),
        (Reply(status=500), "500"),
        (Reply(json.dumps({"error": "x"}).encode()), "a list of papers was expected"),
    ],
    ids=["truncated", "HTML with 200", "HTML called JSON", "500", "another shape"],
)
def test_a_bad_answer_is_written_down_and_stores_nothing(web: Replay, reply: Reply, detail: str) -> None:
    [run] = gather(Moved(hf_daily, [web.on("/hf", reply)]))
    assert run.state == "failed"
    assert detail in run.detail
    assert not Paper.objects.exists()


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_for_patience_gets_it_and_the_next_answer_counts(web: Replay, status: int) -> None:
    url = web.on("/hf", Reply(status=status, headers={"Retry-After": "300"}), Reply(answer(PAPER)))
    source = Moved(hf_daily, [url, web.on("/other", Reply(answer(PLAIN)))])
    [run] = gather(source)
    assert (run.state, run.status) == ("failed", status)
    assert gather(source, now=NOON + timedelta(seconds=299)) == []
    assert [run.state for run in gather(source, now=NOON + timedelta(seconds=310))] == ["ok", "ok"]


def test_one_source_that_fails_does_not_hold_up_the_others(web: Replay) -> None:
    broken = Moved(hf_daily, [web.on("/hf", Reply(b"[{]"))])
    fine = Moved(arxiv_daily, [web.on("/feed", Reply(daily_feed(daily_entry("2603.00009v1", "Fine")), kind=ATOM))])
    runs = poll_due(now=NOON, sources=[broken, fine], rules=LOCAL, sleep=lambda seconds: None)
    assert [run.state for run in runs] == ["failed", "ok"]
    assert Paper.objects.get().title == "Fine"


def test_a_short_wait_for_the_turn_is_sat_out_and_a_long_one_is_left_to_the_next_tick(web: Replay) -> None:
    source, slept = daily(web, answer(PAPER)), []
    SourceHost.objects.create(host=web.address, free_at=NOON + timedelta(seconds=3))
    [run] = poll_due(now=NOON, sources=[source], rules=LOCAL, sleep=slept.append)
    assert (run.state, len(slept)) == ("ok", 1)
    assert 2 < slept[0] <= 3  # less what went by until then
    SourceHost.objects.filter(host=web.address).update(free_at=NOON + timedelta(hours=3))
    later = NOON + source.POLL_EVERY
    [run] = poll_due(now=later, sources=[source], rules=LOCAL, sleep=slept.append)
    assert (run.state, run.retry_at, len(slept)) == ("waiting", NOON + timedelta(hours=3), 1)


def test_replacements_correct_papers_and_never_add_one(web: Replay) -> None:
    make_paper(arxiv_id="2603.00001", title="An old title")
    entries = [
        daily_entry("2603.00001v2", "A new title", kind="replace"),
        daily_entry("2603.00002v7", "Old news", kind="replace"),
    ]
    [run] = gather(Moved(arxiv_daily, [web.on("/feed", Reply(daily_feed(*entries), kind=ATOM))]))
    assert (run.read, run.new, run.merged) == (2, 0, 1)
    assert Paper.objects.get().title == "A new title"


def test_arxiv_is_asked_about_papers_that_others_named_and_its_word_counts(web: Replay) -> None:
    gather(daily(web, answer(PAPER)))
    make_paper(arxiv_id="2501.00001", first_seen_at=NOON - timedelta(days=100))
    title = "Sheep at Scale, second edition"
    source = Moved(arxiv_query, [web.on("/api", Reply(query_feed(query_entry("2603.00001v2", title)), kind=ATOM))])
    gather(source, now=NOON + timedelta(minutes=1))
    paper = Paper.objects.get(arxiv_id="2603.00001")
    assert source.requests[0].wanted_ids == ("2603.00001",)
    assert (paper.title, paper.categories, paper.organization) == (title, ["stat.ML", "cs.LG"], "Meadow Institute")
    gather(source, now=NOON + timedelta(hours=1))
    assert source.requests[1].wanted_ids == ()


def test_what_waits_for_a_curator_is_described_and_not_listed(web: Replay) -> None:
    """A curator sees what was handed in; nothing of it is a paper before they say so, and arXiv's silence is noted."""
    for number in (1, 2):
        Submission.objects.create(link="x", arxiv_id=f"2603.0000{number}", at=NOON)
    entry = query_entry("2603.00001v1", "A handed-in find", summary="We train a language model.")
    feed = Reply(query_feed(entry), kind=ATOM)
    source = Moved(arxiv_query, [web.on("/api", feed) + "?id_list=2603.00001,2603.00002&max_results=100"])
    [run] = gather(source)
    assert (run.state, source.requests[0].wanted_ids) == ("ok", ("2603.00001", "2603.00002"))
    assert not Paper.objects.exists()
    found, unknown = Submission.objects.order_by("arxiv_id").values_list("found", flat=True)
    assert (found["title"], found["abstract"]) == ("A handed-in find", "We train a language model.")
    assert found["authors"]
    assert found["topics"][0] == "language-models"
    assert unknown == {}
    gather(source, now=NOON + timedelta(hours=1))
    gather(source, now=NOON + timedelta(hours=22))
    assert [request.wanted_ids for request in source.requests[1:]] == [(), ("2603.00002",)]
    Submission.objects.filter(arxiv_id="2603.00001").update(state="accepted", decided_at=NOON)
    gather(source, now=NOON + timedelta(hours=23))
    assert Paper.objects.get().title == "A handed-in find"


def test_papers_from_before_sources_were_kept_are_read_anew_once(web: Replay) -> None:
    old = make_paper(
        arxiv_id="2501.00001", first_seen_at=NOON - timedelta(days=100), title="Ξ⁰+ invisible", title_source=None
    )
    hand = make_paper(arxiv_id="2501.00002", first_seen_at=NOON - timedelta(days=100), title_source="")
    for paper in (old, hand):
        Sighting.objects.create(
            paper=paper, source="arxiv_query", key=paper.arxiv_id, seen_at=NOON - timedelta(days=99)
        )
    entry = query_entry("2501.00001v1", r"$Ξ^0\toΛ+ \text{invisible}$", summary=r"By $\mathbb{Z}_2$.")
    source = Moved(arxiv_query, [web.on("/api", Reply(query_feed(entry), kind=ATOM))])
    gather(source, now=NOON)
    assert source.requests[0].wanted_ids == ("2501.00001",)
    old.refresh_from_db()
    assert (old.title, old.title_source) == ("Ξ⁰→Λ+ invisible", r"$Ξ^0\toΛ+ \text{invisible}$")
    assert (old.abstract, old.abstract_source) == ("By ℤ₂.", r"By $\mathbb{Z}_2$.")
    gather(source, now=NOON + timedelta(days=2))
    assert source.requests[1].wanted_ids == ()


@pytest.mark.services
def test_postgresql_looks_up_young_papers_and_not_all_that_arxiv_ever_spoke_of() -> None:
    make_paper(arxiv_id="2603.00001")
    with CaptureQueriesContext(connection) as captured:
        assert polling.wanted_ids(NOON) == ["2603.00001"]
    sighted = [query["sql"] for query in captured.captured_queries if "newsletter_sighting" in query["sql"]]
    assert sighted
    with connection.cursor() as cursor:
        for sql in sighted:
            cursor.execute(f"EXPLAIN {sql}")
            assert "SubPlan" not in "\n".join(row[0] for row in cursor.fetchall()), "a list of them all, read for each"


def test_yesterdays_feed_under_todays_date_is_stale_and_alarms(web: Replay) -> None:
    feed = Reply(daily_feed(daily_entry("2603.00001v1", "One"), daily_entry("2603.00003v1", "Three")), kind=ATOM)
    fresh = Reply(daily_feed(daily_entry("2603.00004v1", "Four")), kind=ATOM)
    mixed = Reply(daily_feed(daily_entry("2603.00002v1", "Two"), daily_entry("2603.00003v1", "Three")), kind=ATOM)
    source = Moved(arxiv_daily, [web.on("/feed", feed, feed, mixed, fresh)])
    states = [gather(source, now=TUESDAY + timedelta(hours=hours))[0].state for hours in (0, 12)]
    assert states == ["ok", "ok"]
    [run] = gather(source, now=TUESDAY + timedelta(hours=27))
    assert (run.state, run.new) == ("stale", 1)
    [trouble] = troubles(now=TUESDAY + timedelta(hours=27), sources=[source])
    assert trouble.source == "arxiv_daily"
    assert trouble.since is not None
    assert trouble.since - TUESDAY < timedelta(hours=12, minutes=1)
    gather(source, now=TUESDAY + timedelta(hours=30))
    assert troubles(now=TUESDAY + timedelta(hours=30), sources=[source]) == []


def test_a_feed_that_says_not_modified_for_too_long_is_stale_too(web: Replay) -> None:
    feed = Reply(daily_feed(daily_entry("2603.00001v1", "One")), kind=ATOM, headers={"ETag": '"one"'})
    source = Moved(arxiv_daily, [web.on("/feed", feed, Reply(status=304, kind=ATOM))])
    states = [gather(source, now=TUESDAY + timedelta(hours=hours))[0].state for hours in (0, 3, 27)]
    assert states == ["ok", "unchanged", "stale"]


def test_a_source_that_failed_once_is_no_trouble_and_one_that_keeps_failing_is(web: Replay) -> None:
    source = Moved(hf_daily, [web.on("/hf", Reply(answer(PAPER)), Reply(b"[{]"))])
    gather(source)
    gather(source, now=NOON + source.POLL_EVERY)
    assert troubles(now=NOON + source.POLL_EVERY, sources=[source]) == []
    gather(source, now=NOON + 7 * source.POLL_EVERY)
    [trouble] = troubles(now=NOON + 7 * source.POLL_EVERY, sources=[source])
    assert trouble.since is not None
    assert trouble.since - NOON < timedelta(minutes=1)
    assert "not JSON" in trouble.detail


def test_a_day_that_the_host_does_not_know_does_not_cost_the_others(web: Replay) -> None:
    source = Moved(hf_daily, [web.on("/today", Reply(status=404)), web.on("/yesterday", Reply(answer(PAPER)))])
    assert [run.state for run in gather(source)] == ["failed", "ok"]
    assert Paper.objects.count() == 1
    assert gather(source, now=NOON + source.POLL_EVERY - timedelta(seconds=10)) == []


def test_a_source_that_answers_and_brings_nothing_new_for_days_is_trouble(web: Replay) -> None:
    source = Moved(hf_daily, [web.on("/hf", Reply(answer(PAPER)))])
    gather(source)
    for days in (2, 4, 6):
        gather(source, now=NOON + timedelta(days=days))
    assert troubles(now=NOON + timedelta(days=4), sources=[source]) == []
    [trouble] = troubles(now=NOON + timedelta(days=6), sources=[source])
    assert trouble.detail == "it answers, but brought no new paper for 5 days"
    asked = Moved(arxiv_query, [web.on("/api", Reply(query_feed(), kind=ATOM))])
    gather(asked)
    gather(asked, now=NOON + timedelta(days=9))
    assert troubles(now=NOON + timedelta(days=9), sources=[asked]) == []


def test_runs_are_kept_for_a_season(web: Replay) -> None:
    source = daily(web, answer(PAPER))
    gather(source)
    gather(source, now=NOON + timedelta(days=91))
    assert SourceRun.objects.count() == 1


def test_without_sources_nothing_is_asked() -> None:
    assert poll_due(now=NOON) == []
    assert not SourceRun.objects.exists()


def test_a_poll_is_asked_by_one_worker_only(web: Replay) -> None:
    source = daily(web, answer(PAPER))
    SourceHost.objects.create(host=source.SOURCE, free_at=NOON + timedelta(minutes=20))
    assert gather(source) == []
    assert web.asked == []


def test_one_question_can_be_asked_by_hand(web: Replay) -> None:
    source = daily(web, answer(PAPER))
    assert poll_source(source, source.urls[0], now=NOON, rules=LOCAL).state == "ok"


def test_after_the_deadline_nothing_more_is_asked_and_the_rest_comes_with_the_next_tick(web: Replay) -> None:
    source = Moved(hf_daily, [web.on("/a", Reply(answer(PAPER))), web.on("/b", Reply(answer(PLAIN)))])
    assert poll_due(now=NOON, deadline=NOON - timedelta(seconds=1), sources=[source], rules=LOCAL) == []
    assert len(gather(source, now=NOON + timedelta(minutes=1))) == 2


def test_a_silent_source_raises_an_alarm_of_its_own_part(web: Replay, settings: Any) -> None:
    settings.SOURCES = ["hf_daily"]
    SourceRun.objects.create(source="hf_daily", url="x", state="ok", started_at=NOON - timedelta(hours=9))
    SourceRun.objects.create(source="hf_daily", url="x", state="failed", started_at=NOON, detail="cut short")
    [alarm] = [one for one in current_alarms.alarms(now=NOON) if one.part == "sources"]
    assert alarm.sentence == "Nothing usable from hf_daily since 2026-03-18 03:00 UTC: cut short."


def test_curators_see_the_runs(admin_client: Client) -> None:
    SourceRun.objects.create(source="hf_daily", url="x", state="failed", started_at=NOON, detail="cut short")
    for model in ("sourcerun", "sourcehost"):
        page = admin_client.get(reverse(f"admin:newsletter_{model}_changelist"))
        assert page.status_code == 200
    assert "cut short" in admin_client.get(reverse("admin:newsletter_sourcerun_changelist")).content.decode()
