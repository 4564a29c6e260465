"""The list before approval: what each sentence is about, what it costs, and what alone stands in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from newsletter.editions import preflight
from newsletter.models import Edition, EditionItem, Paper, PaperLink, Picture
from tests.builders import NOON, make_edition, make_paper
from tests.test_admin import member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def good_paper(**over: Any) -> Paper:
    paper = make_paper(**over)
    Paper.objects.filter(pk=paper.pk).update(key_sentence="It is faster.")
    return paper


def texts(edition: Edition) -> list[str]:
    return [one.text for one in preflight.findings(edition)]


def link(paper: Paper, **over: Any) -> PaperLink:
    fields = {"kind": "code", "url": f"https://github.com/a/{paper.pk}", "source": "x", "seen_at": NOON} | over
    return PaperLink.objects.create(paper=paper, **fields)


def test_a_sound_edition_has_nothing_to_look_at() -> None:
    edition = make_edition(papers=[good_paper(organization=f"Lab {n}") for n in range(12)])
    link(edition.items.all()[0].paper, checked_at=NOON)
    assert texts(edition) == []


def test_each_trouble_is_a_sentence_with_what_to_do() -> None:
    gone, waiting, bare, dull = (good_paper(title=f"{name} paper") for name in ("Gone", "Waiting", "Bare", "Dull"))
    link(gone, is_gone=True, checked_at=NOON)
    link(waiting, check_after=NOON)
    link(waiting, url="https://old.example.org/", is_gone=True, is_removed=True)
    Paper.objects.filter(pk=bare.pk).update(thumbnail_url="https://example.org/a.png")
    Picture.objects.create(url="https://example.org/a.png", at=NOON)
    Paper.objects.filter(pk=dull.pk).update(key_sentence="")
    edition = make_edition(papers=[gone, waiting, bare, dull])
    assert texts(edition) == [
        "No key sentence: “Dull paper”. Readers see how the abstract begins; a line of yours under the title helps.",
        "A link is dead, and is left out of mails: “Gone paper”. Open the paper to give it another.",
        "Links that wait to be checked: 1. Look again in some minutes.",
        "The picture could not be fetched: “Bare paper”. The paper is shown without one; “Check links” asks again.",
    ]
    edition.items.filter(paper=dull).update(note="Mine.")
    assert "No key sentence" not in " ".join(texts(edition))
    edition.items.update(standing=EditionItem.Standing.EXCLUDED)
    assert texts(edition) == []


def test_the_same_papers_and_words_as_last_time_are_named() -> None:
    old = [good_paper() for _ in range(5)]
    words = {"subject": "Five to read", "headline": "Small models"}
    make_edition(papers=old, state=Edition.State.DONE, period_on=NOON.date() - DAY, **words)
    fresh = good_paper(title="Fresh")
    edition = make_edition(papers=[*old, *(good_paper() for _ in range(5)), fresh], **words)
    first, second, third = texts(edition)
    assert first == "The subject is that of the last edition. Write another, or none."
    assert second == "The headline is that of the last edition. Write another, or none."
    assert third.startswith("5 of the first 10 papers were in the last edition")
    assert third.endswith("Move new ones up: “Fresh”.")
    edition.subject, edition.headline = "{paper}, and more", ""
    assert len(texts(edition)) == 1, "with each reader's first paper in it, it is another subject"
    edition.items.filter(paper=old[0]).delete()
    assert texts(edition) == []


def test_many_of_one_lab_among_the_first_ten_are_counted() -> None:
    papers = [good_paper(organization="DeepLab") for _ in range(4)]
    others = [good_paper(organization=f"Lab {n}") for n in range(6)]
    edition = make_edition(papers=[*papers, *others, good_paper(organization="Late"), good_paper()])
    assert texts(edition) == ["4 of the first 10 papers are of DeepLab. Move one down, or one of another place up."]
    edition.items.filter(paper=papers[0]).update(position=50)
    assert texts(edition) == []


def test_only_a_mail_beyond_the_budget_is_named() -> None:
    assert preflight.of_size(79_000) is None
    found = preflight.of_size(91_234)
    assert found
    assert "would have 91 KB" in found.text


def test_sixty_papers_cost_as_many_queries_as_one(django_assert_max_num_queries: Any) -> None:
    make_edition(papers=[good_paper()], state=Edition.State.DONE, period_on=NOON.date() - DAY)
    papers = [good_paper(thumbnail_url=f"https://example.org/{n}.png") for n in range(60)]
    for paper in papers:
        link(paper, is_gone=True)
    edition = make_edition(papers=papers)
    with django_assert_max_num_queries(5):
        assert len(texts(edition)) == 1


def test_a_withdrawn_paper_alone_stands_in_the_way() -> None:
    paper, other = good_paper(title="A wrong one"), make_paper(organization="X")
    edition = make_edition(papers=[paper, other])
    Paper.objects.filter(pk=paper.pk).update(withdrawn_at=NOON)
    curator = member("Curators")
    act = f"/admin/newsletter/edition/{edition.pk}/act/approve/"
    page = curator.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    assert "The authors withdrew “A wrong one”." in page
    assert f'href="{act}"' not in page
    curator.post(act, {"key": "1"})
    edition.refresh_from_db()
    assert edition.state == Edition.State.DRAFT
    edition.items.filter(paper=paper).update(standing=EditionItem.Standing.EXCLUDED)
    asked = curator.get(act).content.decode()
    assert "No key sentence" in asked, "the list is shown where it is approved"
    curator.post(act, {"key": "2"})
    edition.refresh_from_db()
    assert edition.state == Edition.State.APPROVED
