from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import sample_papers
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title
from newsletter.catalogue.sources.paper_identifiers import arxiv_id
from newsletter.catalogue.sources.public_urls import safe_url
from newsletter.models import Paper, PaperTopic, Sighting, Signal
from subscriptions.models import Topic
from tests.builders import NOON


def test_there_are_enough_papers_with_summaries_of_a_paragraph() -> None:
    papers = sample_papers.papers()
    assert len(papers) >= 60
    assert len({paper.arxiv_id for paper in papers}) == len({paper.title for paper in papers}) == len(papers)
    for paper in papers:
        assert 70 <= len(paper.abstract.split()) <= 130, paper.title
        assert arxiv_id(paper.arxiv_id) == (paper.arxiv_id, None)
        assert (clean_title(paper.title), clean_abstract(paper.abstract)) == (paper.title, paper.abstract)
        assert safe_url(paper.code_url) == paper.code_url
        assert paper.authors


def test_dates_agree_with_the_month_of_the_identifier() -> None:
    for paper in sample_papers.papers():
        announced = paper.published_on + timedelta(days=4)  # what is submitted last in a month is numbered in the next
        assert paper.arxiv_id[:4] in {f"{paper.published_on:%y%m}", f"{announced:%y%m}"}, paper.title


def test_histories_only_grow_and_end_at_the_moment_given() -> None:
    for paper in sample_papers.papers():
        assert list(paper.upvotes) == sorted(paper.upvotes)
        assert list(paper.stars) == sorted(paper.stars)
        assert len(paper.upvotes) >= 2
        assert len(paper.stars) in {0, len(paper.upvotes)}
    moments = [one.seen_at for one in sample_papers.observations(until=NOON) if one.seen_at]
    assert max(moments) == NOON
    assert timedelta(days=9) <= NOON - min(moments) <= timedelta(days=11)


def test_totals_and_gains_tell_different_stories() -> None:
    by_total = sorted(sample_papers.papers(), key=lambda paper: -paper.upvotes[-1])[:10]
    by_gain = sorted(
        sample_papers.papers(), key=lambda paper: paper.upvotes[max(-3, -len(paper.upvotes))] - paper.upvotes[-1]
    )[:10]
    assert len(set(by_total) & set(by_gain)) <= 3


@pytest.mark.django_db
def test_loading_gives_every_topic_at_least_three_papers() -> None:
    ingest(sample_papers.observations(until=NOON), now=NOON)
    filed = Counter(PaperTopic.objects.filter(is_assigned=True).values_list("topic__slug", flat=True))
    assert min(filed[slug] for slug in Topic.objects.filter(is_active=True).values_list("slug", flat=True)) >= 3
    assert not Paper.objects.exclude(paper_topics__is_primary=True).exists()


@pytest.mark.django_db
def test_loading_twice_adds_nothing() -> None:
    out = StringIO()
    call_command("load_sample", "--well-known", stdout=out)
    rows = [model.objects.count() for model in (Paper, Sighting, Signal, PaperTopic)]
    call_command("load_sample", "--well-known", stdout=out)
    assert [model.objects.count() for model in (Paper, Sighting, Signal, PaperTopic)] == rows
    assert rows[0] == len(sample_papers.papers())
    assert rows[2] > 5 * rows[0]
    assert out.getvalue().splitlines()[1].endswith("0 new, 72 there already")


@pytest.mark.django_db
def test_votes_shown_are_the_latest_and_no_count_lies_in_the_future() -> None:
    ingest(sample_papers.observations(until=NOON), now=NOON)
    for paper in sample_papers.papers():
        assert Paper.objects.get(arxiv_id=paper.arxiv_id).upvotes == paper.upvotes[-1]
    assert not Signal.objects.filter(at__gt=NOON).exists()
