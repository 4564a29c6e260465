"""A paper its authors withdrew: we learn of it, nobody is sent it any more, and it is marked where it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from newsletter import planning
from newsletter.catalogue import polling
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import arxiv_query, hf_daily
from newsletter.delivery.compose_message import SCOPE
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, EditionItem, Paper, Sighting, SourceRun
from subscriptions import token_links
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.test_arxiv import query_entry, query_feed
from tests.test_hf_daily import answer, changed

pytestmark = pytest.mark.django_db
COMMENT = "This paper has been withdrawn by the authors due to an error"


def withdraw(paper: Paper) -> None:
    """As arXiv says it."""
    feed = query_feed(query_entry(f"{paper.arxiv_id}v2", paper.title, comment=COMMENT))
    ingest(arxiv_query.parse(feed, seen_at=NOON), now=NOON)


def listed(edition: Edition) -> list[str]:
    return [item.paper.title for item in lifecycle.listed_items(edition)]


def test_hugging_face_says_so_too() -> None:
    ingest(hf_daily.parse(answer(changed(withdrawnAt="2026-03-18T01:00:00Z")), seen_at=NOON), now=NOON)
    assert Paper.objects.get().withdrawn_at == NOON


def test_it_leaves_a_draft_whatever_a_curator_decided_about_it() -> None:
    pinned, noted, good = (make_paper(first_seen_at=NOON - timedelta(hours=3), score_daily=n) for n in (3.0, 2.0, 1.0))
    for paper in (pinned, noted, good):
        Sighting.objects.create(paper=paper, source="hf_daily", key=str(paper.pk), seen_at=NOON)
    edition = lifecycle.draft(cadence="daily", period_on=NOON.date(), now=NOON)
    edition.items.filter(paper=pinned).update(standing=EditionItem.Standing.PINNED)
    edition.items.filter(paper=noted).update(note="A must.")
    for paper in (pinned, noted):
        withdraw(paper)
    lifecycle.refresh(edition)
    assert listed(edition) == [good.title]


def test_it_leaves_an_approved_edition_when_that_is_frozen() -> None:
    bad, good = make_paper(), make_paper()
    edition = make_edition(papers=[bad, good], state=Edition.State.APPROVED)
    withdraw(bad)
    assert lifecycle.freeze(edition, now=NOON)
    assert listed(edition) == [good.title]
    assert list(edition.compiled.fragments["items"]) == [str(edition.items.get(paper=good).pk)]


def test_it_is_no_editors_pick() -> None:
    edition, paper = make_edition(), make_paper(withdrawn_at=NOON)
    with pytest.raises(lifecycle.EditionStateError, match="withdrew"):
        lifecycle.add_pick(edition, paper=paper)
    assert listed(edition) == []


def test_who_is_planned_after_it_was_withdrawn_does_not_get_it() -> None:
    papers = [assign(make_paper(score_daily=2.0), "vision"), assign(make_paper(score_daily=1.0), "vision")]
    edition = make_edition(papers=papers, state=Edition.State.FROZEN)
    withdraw(papers[0])
    make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    assert [item for item, *_ in Delivery.objects.get().picks] == [edition.items.get(paper=papers[1]).pk]


def test_it_is_marked_in_the_digest_that_was_sent_and_on_the_lists(client: Client) -> None:
    paper = assign(make_paper(), "vision")
    make_edition(papers=[paper], state=Edition.State.FROZEN)
    make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    Delivery.objects.update(due_at=timezone.now())
    pages = [f"/d/{token_links.row_token(SCOPE, Delivery.objects.get().pk)}", f"/date/{paper.listed_on}/"]
    for page in pages:
        assert "Withdrawn by its authors." not in client.get(page).content.decode()
    withdraw(paper)
    for page in pages:
        assert "Withdrawn by its authors." in client.get(page).content.decode()


def asked_at(*papers: Paper, hours_ago: float, state: str = "ok") -> None:
    request = polling.Request(now=NOON, wanted_ids=tuple(str(paper.arxiv_id) for paper in papers))
    SourceRun.objects.create(
        source="arxiv_query",
        url=arxiv_query.addresses(request)[0],
        state=state,
        started_at=NOON - timedelta(hours=hours_ago),
    )
    for paper in papers:
        Sighting.objects.get_or_create(
            paper=paper, source="arxiv_query", key=str(paper.arxiv_id), defaults={"seen_at": NOON}
        )


def test_arxiv_is_asked_again_each_day_about_papers_that_may_still_be_sent() -> None:
    chosen, other = make_paper(), make_paper()
    make_edition(papers=[chosen])
    asked_at(chosen, other, hours_ago=19)
    assert polling.wanted_ids(NOON) == []
    assert polling.wanted_ids(NOON + timedelta(hours=2)) == [chosen.arxiv_id]


def test_papers_that_were_sent_are_asked_about_now_and_then_for_a_month() -> None:
    paper = make_paper()
    edition = make_edition(papers=[paper], state=Edition.State.DONE)
    Edition.objects.filter(pk=edition.pk).update(done_at=NOON)
    asked_at(paper, hours_ago=0)
    wanted = [polling.wanted_ids(NOON + timedelta(days=days)) for days in (1, 4, 29, 31)]
    assert wanted == [[], [paper.arxiv_id], [paper.arxiv_id], []]


def test_a_failed_question_is_put_again_and_one_without_an_answer_not_before_the_next_day() -> None:
    paper = make_paper()
    request = polling.Request(now=NOON, wanted_ids=(str(paper.arxiv_id),))
    run = SourceRun.objects.create(
        source="arxiv_query", url=arxiv_query.addresses(request)[0], state="failed", started_at=NOON
    )
    assert polling.wanted_ids(NOON + timedelta(minutes=30)) == [paper.arxiv_id]
    SourceRun.objects.filter(pk=run.pk).update(state="empty")
    assert polling.wanted_ids(NOON + timedelta(minutes=30)) == []
    assert polling.wanted_ids(NOON + timedelta(hours=21)) == [paper.arxiv_id]


def test_an_identifier_that_cannot_be_does_not_spoil_the_question() -> None:
    request = polling.Request(now=NOON, wanted_ids=("2603.00001", "2613.00001", "foo/0309136"))
    assert [arxiv_query.ids_asked(address) for address in arxiv_query.addresses(request)] == [["2603.00001"]]
