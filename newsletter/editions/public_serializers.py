"""What anybody's program may know of papers, topics and editions: rows become plain dictionaries of public facts.

In: rows behind the public gates, papers brought by ``with_topics()``. Out: values that JSON can hold, every address
whole, every text as it is stored: text, never markup. The API and the webhooks say the same thing in the same words.
Reads only; nothing of any reader is in reach from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import reverse

from newsletter.models import EditionItem, Paper
from newsletter.models.papers import WEB
from newsletter.ranking.explain_trend import GAINS, why_trending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from newsletter.models import Edition, PaperLink, PaperTopic
    from subscriptions.models import Topic

CADENCE_OF = {"day": "daily", "week": "weekly", "month": "monthly"}


def of_topic(topic: Topic) -> dict[str, Any]:
    return {
        "slug": topic.slug,
        "name": topic.name,
        "description": topic.description,
        "page_url": settings.SITE_URL + reverse("newsletter:topic", args=[topic.slug]),
    }


def of_paper(paper: Paper) -> dict[str, Any]:
    """Public facts of a paper; empty text and null where no source said anything."""
    thumbnail = paper.thumbnail_url
    return {
        "id": paper.pk,
        "arxiv_id": paper.arxiv_id,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": [str(name) for name in paper.authors],
        "organization": paper.organization,
        "categories": [str(name) for name in paper.categories],
        "published_on": paper.published_on.isoformat() if paper.published_on else None,
        "listed_on": paper.listed_on.isoformat() if paper.listed_on else None,
        "first_seen_at": paper.first_seen_at.isoformat(),
        "is_withdrawn": paper.withdrawn_at is not None,
        "page_url": settings.SITE_URL + paper.get_absolute_url(),
        "source_url": paper.home_url,
        "pdf_url": paper.pdf_url,
        "code_url": paper.code_link,
        "project_url": paper.project_link,
        "links": [_of_link(each) for each in paper.shown_links],
        "thumbnail_url": thumbnail if thumbnail.startswith(WEB) else "",
        "topics": [_of_paper_topic(each) for each in paper.shown_topics],
        "upvotes": paper.upvotes,
        "github_stars": paper.github_stars,
        "trend": {
            window: of_trend(paper.score_parts.get(cadence), score=getattr(paper, f"score_{cadence}"))
            for window, cadence in CADENCE_OF.items()
        },
    }


def of_trend(parts: Mapping[str, Any] | None, *, score: float) -> dict[str, Any] | None:
    """Recorded components of a score and the sentence made of them; None when nothing was gained."""
    if not parts or not score:
        return None
    return {
        "score": score,
        "why": why_trending(parts, None),
        "hours": parts.get("hours"),
        "gains": {metric: parts[f"{metric}_gain"] for metric in GAINS if f"{metric}_gain" in parts},
        "cohort_median": parts.get("cohort_median"),
        "cohort_size": parts.get("cohort_size"),
        "shares": parts.get("sources") or {},
    }


def of_edition(edition: Edition, *, papers: int) -> dict[str, Any]:
    return {
        "id": edition.pk,
        "cadence": edition.cadence,
        "period_on": edition.period_on.isoformat(),
        "began_at": edition.frozen_at.isoformat() if edition.frozen_at else None,
        "done_at": edition.done_at.isoformat() if edition.done_at else None,
        "headline": edition.headline,
        "editor_note": edition.editor_note,
        "correction": edition.correction,
        "corrected_at": edition.corrected_at.isoformat() if edition.corrected_at else None,
        "papers": papers,
        "page_url": settings.SITE_URL + reverse("newsletter:edition", args=[edition.cadence, edition.period_on]),
    }


def of_items(items: Iterable[EditionItem]) -> list[dict[str, Any]]:
    """Return an edition's items in order; a merged paper appears once, as the paper it was merged into."""
    facts: list[dict[str, Any]] = []
    papers = set()
    for item in items:
        paper = item.paper.merged_into or item.paper
        if paper.is_hidden or paper.merged_into_id or paper.pk in papers:
            continue
        papers.add(paper.pk)
        facts.append(
            {
                "position": len(facts) + 1,
                "lane": item.lane,
                "note": item.note,
                "trend": of_trend(item.parts, score=item.score),
                "paper": of_paper(paper),
            }
        )
    return facts


def items_of(edition: Edition) -> Iterable[EditionItem]:
    """Items that went out in an edition, with all that ``of_items`` reads, in a fixed number of queries."""
    return (
        edition.items.listed()
        .select_related("paper", "paper__merged_into")
        .prefetch_related("paper__paper_topics__topic", "paper__merged_into__paper_topics__topic")
        .prefetch_related("paper__links", "paper__merged_into__links")
        .order_by("position", "pk")
    )


def _of_link(link: PaperLink) -> dict[str, Any]:
    checked = link.checked_at
    return {
        "kind": link.kind,
        "url": link.url,
        "place": link.place,
        "answered_at": checked.isoformat() if checked else None,
        "licence": link.licence,
        "stars": link.stars,
    }


def _of_paper_topic(each: PaperTopic) -> dict[str, Any]:
    return {"slug": each.topic.slug, "name": each.topic.name, "is_primary": each.is_primary}
