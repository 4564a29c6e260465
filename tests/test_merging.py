"""Two rows that are one paper: what goes over, what comes back, and that nobody gets it twice."""

from datetime import timedelta

import pytest

from newsletter import planning
from newsletter.catalogue import ingest, merging
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, EditionItem, Merge, Paper, Sighting, Signal
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def seen(paper: Paper, source: str, key: str = "") -> Sighting:
    return Sighting.objects.create(paper=paper, source=source, key=key or f"{source}-{paper.pk}", seen_at=NOON)


def count(paper: Paper, value: int, *, source: str = "hf_daily", hours: int = 0) -> Signal:
    at = NOON - timedelta(hours=hours)
    return Signal.objects.create(paper=paper, source=source, metric="upvotes", value=value, at=at)


def merge(paper: Paper, into: Paper) -> Merge:
    return merging.merge(paper, into=into, by=None, now=NOON)


def fresh(paper: Paper) -> Paper:
    return Paper.objects.get(pk=paper.pk)


def test_sightings_and_counters_go_over_and_the_page_shows_their_count() -> None:
    kept, double = make_paper(upvotes=0), make_paper(upvotes=41)
    seen(double, "hf_daily")
    count(double, 41)
    merge(double, kept)
    assert fresh(double).merged_into == kept
    assert kept.sightings.count() == kept.signals.count() == 1
    assert fresh(kept).upvotes == 41


def test_a_counter_that_both_have_is_never_mixed_into_one_series() -> None:
    kept, double = make_paper(), make_paper()
    count(kept, 100, hours=2)
    count(double, 5, hours=1)
    merge(double, kept)
    assert [signal.value for signal in kept.signals.all()] == [100]


def test_what_the_other_lacks_is_filled_in_and_the_earlier_day_counts() -> None:
    day = NOON.date() - timedelta(days=1)
    kept = make_paper(code_url="", abstract="Ours.")
    double = make_paper(code_url="https://github.com/x/y", abstract="Theirs.", listed_on=day)
    merge(double, kept)
    after = fresh(kept)
    assert (after.code_url, after.abstract, after.listed_on) == ("https://github.com/x/y", "Ours.", day)


def test_taking_it_back_restores_both() -> None:
    kept, double = make_paper(code_url="", upvotes=7), make_paper(code_url="https://github.com/x/y", upvotes=41)
    seen(kept, "arxiv_daily")
    seen(double, "hf_daily")
    count(kept, 7, source="sample")
    count(double, 41)
    edition = make_edition(papers=[double])
    names = ("code_url", "upvotes", "listed_on", "first_seen_at", "merged_into_id")
    before = [[getattr(fresh(paper), name) for name in names] for paper in (kept, double)]
    merge(double, kept)
    assert edition.items.get().paper == kept
    merging.split(fresh(double))
    assert [[getattr(fresh(paper), name) for name in names] for paper in (kept, double)] == before
    assert [sighting.source for sighting in double.sightings.all()] == ["hf_daily"]
    assert [signal.value for signal in double.signals.all()] == [41]
    assert edition.items.get().paper == double
    assert not Merge.objects.exists()


def test_an_open_edition_that_lists_both_keeps_one_place() -> None:
    kept, double = make_paper(), make_paper()
    edition = make_edition(papers=[double, kept])
    merge(double, kept)
    assert [item.paper for item in lifecycle.listed_items(edition)] == [kept]


def test_what_is_frozen_stays_as_it_is() -> None:
    kept, double = make_paper(), make_paper()
    edition = make_edition(papers=[double, kept], state=Edition.State.FROZEN)
    merge(double, kept)
    assert edition.items.count() == 2


@pytest.mark.parametrize("had_double", [True, False])
def test_a_reader_who_had_one_name_never_gets_the_other(had_double: bool) -> None:
    came = NOON - timedelta(days=2)  # before the edition that had it
    kept, double = (assign(make_paper(first_seen_at=came), "vision") for _ in range(2))
    reader = make_reader(follows=("vision",))
    before = make_edition(
        papers=[double if had_double else kept],
        state=Edition.State.FROZEN,
        period_on=NOON.date() - timedelta(days=1),
    )
    planning.plan_now(before, now=NOON - timedelta(days=1))
    after = make_edition(papers=[kept if had_double else double], state=Edition.State.FROZEN)
    merge(double, kept)
    planning.plan_now(after, now=NOON)
    assert Delivery.objects.get(edition=after, subscriber=reader).skip_reason == Delivery.Skip.EMPTY


def test_two_papers_that_turn_out_to_be_one_after_the_freeze_stand_once_in_a_digest() -> None:
    kept, double = assign(make_paper(), "vision"), assign(make_paper(), "vision")
    reader = make_reader(follows=("vision",))
    edition = make_edition(papers=[double, kept], state=Edition.State.FROZEN)
    merge(double, kept)
    planning.plan_now(edition, now=NOON)
    picks = Delivery.objects.get(subscriber=reader).picks
    assert [item for item, *_ in picks] == [EditionItem.objects.get(paper=double).pk]


def test_an_abstract_moves_with_its_source_and_back() -> None:
    kept, double = make_paper(abstract=""), make_paper(abstract="x²", abstract_source="$x^2$")
    merging.merge(double, into=kept, by=None, now=NOON)
    kept.refresh_from_db()
    assert (kept.abstract, kept.abstract_source) == ("x²", "$x^2$")
    double.refresh_from_db()
    merging.split(double)
    kept.refresh_from_db()
    assert (kept.abstract, kept.abstract_source) == ("", "")


def test_ingest_follows_the_merge() -> None:
    kept, double = make_paper(), make_paper(arxiv_id="2603.99999")
    merge(double, kept)
    again = Observation(source="hf_daily", key="k", title=double.title, arxiv_id="2603.99999", metrics={"upvotes": 9})
    ingest.ingest([again], now=NOON)
    assert Paper.objects.count() == 2
    assert kept.sightings.get().key == "k"


def test_papers_merged_before_go_along_and_come_back() -> None:
    kept, middle, first = make_paper(), make_paper(), make_paper()
    merge(first, middle)
    merge(middle, kept)
    assert fresh(first).merged_into == fresh(middle).merged_into == kept
    merging.split(fresh(middle))
    assert fresh(first).merged_into == middle


def test_merging_into_a_merged_paper_means_the_one_that_lives_on() -> None:
    kept, gone, double = make_paper(), make_paper(), make_paper()
    merge(gone, kept)
    merge(double, fresh(gone))
    assert fresh(double).merged_into == kept


def test_twice_and_into_itself_are_refused() -> None:
    kept, double = make_paper(), make_paper()
    merge(double, kept)
    with pytest.raises(merging.MergeError, match="merged already"):
        merge(double, kept)
    with pytest.raises(merging.MergeError, match="itself"):
        merge(kept, double)
    merging.split(double)
    with pytest.raises(merging.MergeError, match="nothing to take back"):
        merging.split(double)
