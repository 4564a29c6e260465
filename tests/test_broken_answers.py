"""Whatever a source answers: a clear sentence in the run, nothing lost, and all of it read once it is well again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from newsletter.catalogue.polling import poll_due
from newsletter.catalogue.sources import biorxiv, feeds, hacker_news, openalex, openalex_citations, openreview
from newsletter.catalogue.sources.observed_paper import Source
from newsletter.models import Paper, Sighting, SourceRun
from tests import test_biorxiv, test_feeds_of_others, test_hacker_news, test_openalex, test_openreview
from tests.builders import NOON, make_paper
from tests.replay import Replay, Reply, replaying
from tests.test_polling import LOCAL, Moved

pytestmark = pytest.mark.django_db

GOOD: dict[Source, bytes] = {
    biorxiv: test_biorxiv.page(test_biorxiv.MOSS),
    feeds: test_feeds_of_others.RSS,
    hacker_news: test_hacker_news.stories(test_hacker_news.HIT),
    openalex: test_openalex.page(test_openalex.WORK),
    openalex_citations: test_openalex.page(test_openalex.ON_ARXIV),
    openreview: test_openreview.page(test_openreview.NOTE),
}
HTML = b"<!doctype html><html><body><h1>We are checking your browser</h1></body></html>"
SMALL = replace(LOCAL, max_bytes=50_000)


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def poll(source: Source, url: str, *, after: timedelta = timedelta(0)) -> SourceRun:
    moved = Moved(source, [url], SPACING=timedelta(0))
    [run] = poll_due(now=NOON + after, sources=[moved], rules=SMALL, sleep=lambda seconds: None)
    return run


@pytest.mark.parametrize("source", GOOD, ids=[source.SOURCE for source in GOOD])
@pytest.mark.parametrize(
    "trouble", ["page as page", "page as data", "huge", "cut", "half", "another thing", "gone", "overloaded"]
)
def test_a_broken_answer_is_told_and_loses_nothing(web: Replay, source: Source, trouble: str) -> None:
    make_paper(arxiv_id="2603.00001", title="A paper from before")
    kind = sorted(source.CONTENT_TYPES)[0]
    good = GOOD[source]
    broken = {
        "page as page": Reply(HTML, kind="text/html"),
        "page as data": Reply(HTML, kind=kind),
        "huge": Reply(good + b" " * 60_000, kind=kind),
        "cut": Reply(good, kind=kind, claims=len(good) + 1000),
        "half": Reply(good[: len(good) // 2], kind=kind),
        "another thing": Reply(b'{"message": "welcome to our new API"}', kind=kind),
        "gone": Reply(status=410),
        "overloaded": Reply(status=503),
    }[trouble]
    url = web.on("/answer", broken, Reply(good, kind=kind))
    run = poll(source, url + "?offset=0")
    assert (run.state, len(run.detail) > 10, run.detail.isprintable()) == ("failed", True, True)
    assert (Paper.objects.count(), Sighting.objects.exists()) == (1, False)
    assert poll(source, url + "?offset=0", after=timedelta(days=2)).state == "ok"
    assert Sighting.objects.filter(source=source.SOURCE).exists()
