"""One work stays one paper, whichever source shows it and under whichever of its names."""

from typing import Any

import pytest
from django.test import Client

from newsletter.catalogue import merging
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.same_work import is_author
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.interests.library.entries import Entry
from newsletter.interests.library_entries import known_papers
from newsletter.models import Paper, PaperIdentifier
from newsletter.search.search_papers import find
from tests.builders import NOON, make_paper

pytestmark = pytest.mark.django_db

TITLE = "On the patience of lichens"
PEOPLE = ("Ada Fern", "Çağla Moss")


def seen(source: str, *identifiers: str, **over: Any) -> Observation:
    said: dict[str, Any] = {"title": TITLE, "authors": PEOPLE, "key": f"{source}-1"} | over
    return Observation(source=source, identifiers=identifiers, **said)


def take_in(*observations: Observation) -> list[Paper]:
    ingest(observations, now=NOON)
    return list(Paper.objects.order_by("pk"))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_doi_joins_a_preprint_and_its_article_under_another_title(at_once: bool) -> None:
    preprint = seen("biorxiv", "doi:10.1101/1", "doi:10.1038/2")
    article = seen("openalex", "doi:10.1038/2", "openalex:W7", title="Lichens wait", authors=())
    again = seen("other", "openalex:W7", title="Patient lichens", authors=())
    if at_once:
        [paper] = take_in(preprint, article, again)
    else:
        [[paper], [paper], [paper]] = [take_in(one) for one in (preprint, article, again)]
    assert {row.source for row in paper.sightings.all()} == {"biorxiv", "openalex", "other"}
    assert {row.value for row in paper.identifiers.all()} == {"doi:10.1101/1", "doi:10.1038/2", "openalex:W7"}


@pytest.mark.parametrize("people", [("Fern, A.", "C. Moss"), ("Cagla Moss",), ("MOSS Çağla", "Ben Newcomer"), ()])
def test_a_title_joins_where_somebody_wrote_both_or_nobody_is_named(people: tuple[str, ...]) -> None:
    take_in(seen("biorxiv", "doi:10.1101/1"))
    assert len(take_in(seen("openreview", "openreview:abc", authors=people))) == 1


def test_a_title_that_strangers_gave_as_well_is_another_paper() -> None:
    take_in(seen("openalex", "doi:10.1/a", title="Introduction"))
    assert len(take_in(seen("openalex", "doi:10.1/b", title="Introduction", authors=("Carl Stone", "A. B. Rock")))) == 2


def test_an_identifier_never_joins_two_papers_of_arxiv() -> None:
    take_in(seen("arxiv_query", "doi:10.1/a", arxiv_id="2603.00001"))
    assert len(take_in(seen("arxiv_query", "doi:10.1/a", arxiv_id="2603.00002", title="Mosses hurry"))) == 2
    assert PaperIdentifier.objects.get().paper.arxiv_id == "2603.00001"


def test_a_paper_of_arxiv_is_read_at_arxiv_also_when_others_show_it() -> None:
    take_in(seen("arxiv_query", arxiv_id="2603.00001"))
    [paper] = take_in(seen("biorxiv", "doi:10.1101/1", url="https://www.biorxiv.org/content/10.1101/1v1"))
    assert paper.home_url == "https://arxiv.org/abs/2603.00001"


def test_an_identifier_of_a_paper_merged_by_hand_leads_to_the_one_that_stayed() -> None:
    [paper] = take_in(seen("biorxiv", "doi:10.1101/1"))
    other = make_paper(title="Lichens, revised", listed_on=None)
    merging.merge(paper, into=other, by=None, now=NOON)
    take_in(seen("openalex", "doi:10.1101/1", title="Yet another title", key="W1"))
    assert other.sightings.filter(source="openalex").exists()
    assert Paper.objects.count() == 2


def test_an_old_version_read_again_does_not_take_back_a_newer_one() -> None:
    first, second = (seen("biorxiv", "doi:10.1101/1", version=number, abstract=f"Text {number}.") for number in (1, 2))
    take_in(first, second)
    [paper] = take_in(first)
    assert (paper.abstract, paper.version) == ("Text 2.", 2)


@pytest.mark.parametrize(
    "typed",
    [
        "10.1101/2026.03.15.700001",
        "doi:10.1101/2026.03.15.700001",
        "https://doi.org/10.1101/2026.03.15.700001",
        "https://www.biorxiv.org/content/10.1101/2026.03.15.700001v2.full.pdf",
        "www.biorxiv.org/content/10.1101/2026.03.15.700001v1?rss=1",
        "https://openreview.net/forum?id=aBcD12&noteId=x",
    ],
)
def test_the_search_box_takes_every_name_of_a_paper(typed: str) -> None:
    [paper] = take_in(seen("biorxiv", "doi:10.1101/2026.03.15.700001", "openreview:aBcD12"))
    assert find(typed).papers == ((paper.pk, 1.0),)
    other = make_paper(title="Lichens, revised", listed_on=None)
    merging.merge(paper, into=other, by=None, now=NOON)
    assert find(typed).papers == ((other.pk, 1.0),)


def test_a_name_that_nobody_has_is_searched_for_as_words() -> None:
    [paper] = take_in(seen("biorxiv", "doi:10.1101/1"))
    Paper.objects.update(is_hidden=True)
    for typed in ("10.1101/1", "10.1101/2"):
        assert (paper.pk, 1.0) not in find(typed).papers


@pytest.mark.parametrize(
    ("handle", "is_theirs"),
    [("AdaFern", True), ("ada-fern", True), ("fernada", True), ("afern", True), ("cmoss", True), ("ferngully", False)],
)
def test_an_account_is_an_authors_by_given_and_family_name(handle: str, is_theirs: bool) -> None:
    assert is_author(handle, ["Ada B. Fern", "Çağla Moss", "Plato"]) is is_theirs


def test_a_rare_family_name_alone_is_enough_and_a_common_one_is_not() -> None:
    assert is_author("sphagnumson", ["Ada Sphagnumson"])
    assert not is_author("chen", ["Ada Chen"])
    assert not is_author("", ["Ada Chen"])


def test_two_papers_that_a_source_calls_one_become_one_and_can_be_parted_again() -> None:
    preprint, article = take_in(
        seen("biorxiv", "doi:10.1101/1"), seen("feeds", "doi:10.1038/2", title="Lichens wait", authors=("A. Fern",))
    )
    take_in(seen("biorxiv", "doi:10.1101/1", "doi:10.1038/2", version=2))
    article.refresh_from_db()
    assert article.merged_into == preprint
    assert set(preprint.sightings.values_list("source", flat=True)) == {"biorxiv", "feeds"}
    assert len(take_in(seen("feeds", "doi:10.1038/2", title="Lichens wait, corrected"))) == 2
    merging.split(article)
    article.refresh_from_db()
    assert article.merged_into is None


@pytest.mark.parametrize(
    "article",
    [{"authors": ("Carl Stone",)}, {"authors": ("A. Fern",), "arxiv_id": "2603.00002"}],
    ids=["people", "arXiv"],
)
def test_papers_of_other_people_or_two_of_arxiv_are_never_joined_by_a_source(article: dict[str, Any]) -> None:
    take_in(seen("arxiv_query", arxiv_id="2603.00001"), seen("feeds", "doi:10.1038/2", title="Lichens wait", **article))
    take_in(seen("openalex", "doi:10.1038/2", arxiv_id="2603.00001"))
    assert not Paper.objects.filter(merged_into__isnull=False).exists()


def test_a_doi_is_on_the_page_in_its_meta_and_in_citations(client: Client) -> None:
    [paper] = take_in(seen("biorxiv", "openreview:aBcD12", "doi:10.1101/2026.03.15.7", url="https://www.biorxiv.org/x"))
    page = client.get(paper.get_absolute_url()).content.decode()
    assert '<meta name="citation_doi" content="10.1101/2026.03.15.7">' in page
    assert 'href="https://doi.org/10.1101/2026.03.15.7"' in page
    assert "doi = {10.1101/2026.03.15.7}" in client.get(f"/cite.bib?papers={paper.pk}").content.decode()


def test_a_reference_with_its_doi_is_the_paper_in_a_library() -> None:
    [paper] = take_in(seen("biorxiv", "doi:10.1101/1"))
    entry = Entry("Quite another title", None, "10.1101/1", line=1)
    assert known_papers([entry]) == {entry.identity: paper.pk}
