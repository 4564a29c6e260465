"""Citations that OpenAlex knows of papers we have."""

from dataclasses import replace
from datetime import timedelta

import pytest

from newsletter.catalogue import polling
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import openalex_citations
from newsletter.models import Paper, PaperIdentifier, Signal, SourceRun
from tests.builders import NOON, make_paper
from tests.contract_sources import REQUEST, SourceContract
from tests.test_openalex import ON_ARXIV, WORK, page


class TestCitations(SourceContract):
    source = openalex_citations
    answer = page(WORK, ON_ARXIV)
    titles = ["Prices of Sphagnum in wet years", "Bogs as markets"]
    empty_answer = page()
    request = replace(REQUEST, watched_dois=("10.48550/arxiv.2603.00001", "10.1101/2026.03.15.1"))


def test_forty_papers_are_asked_about_at_once_and_told_again_from_the_address() -> None:
    dois = tuple(f"10.48550/arxiv.2603.{number:05d}" for number in range(90))
    odd = ("10.1/" + "x" * 60, "10.1/a|b", "10.1/a,b")
    addresses = openalex_citations.addresses(replace(REQUEST, watched_dois=(*dois, *odd)))
    assert len(addresses) == 3
    assert [doi for address in addresses for doi in openalex_citations.dois_asked(address)] == list(dois)
    assert all(len(address) < 2000 for address in addresses)


@pytest.mark.django_db
def test_only_papers_we_have_are_counted_and_nothing_else_of_them_changes() -> None:
    paper = make_paper(arxiv_id="2603.00001", title="Bogs")
    ingest(openalex_citations.parse(page(WORK, ON_ARXIV), seen_at=NOON), now=NOON)
    assert list(Signal.objects.values_list("paper", "metric", "value")) == [(paper.pk, "citations", 3)]
    assert Paper.objects.get().title == "Bogs"
    assert PaperIdentifier.objects.get().value == "openalex:W4400000002"


@pytest.mark.django_db
def test_young_papers_are_asked_about_every_few_days() -> None:
    make_paper(arxiv_id="2603.00001", first_seen_at=NOON - timedelta(days=2))
    make_paper(arxiv_id="2601.00001", title="An old one", first_seen_at=NOON - timedelta(days=60))
    article = make_paper(arxiv_id=None, title="An article", first_seen_at=NOON)
    PaperIdentifier.objects.create(paper=article, value="doi:10.1/x")
    assert polling.watched_dois(NOON) == ["10.1/x", "10.48550/arxiv.2603.00001"]
    [address] = openalex_citations.addresses(polling.request_of(openalex_citations, NOON))
    SourceRun.objects.create(source="openalex_citations", url=address, state="ok", started_at=NOON)
    assert polling.watched_dois(NOON + timedelta(days=1)) == []
    assert len(polling.watched_dois(NOON + timedelta(days=4))) == 2
