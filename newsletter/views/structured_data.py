"""Papers as data: schema.org in a script element that no browser runs, and meta elements for reference managers.

In: papers with their shown topics. Out: JSON text without any character that could end a script element.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from newsletter.models import Paper

_IN_SCRIPT = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def scholarly_article(paper: Paper) -> SafeString:
    """https://schema.org/ScholarlyArticle. Escaped as ``json_script`` does, which knows no other type of script."""
    facts: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "ScholarlyArticle",
        "headline": paper.title,
        "url": settings.SITE_URL + paper.get_absolute_url(),
        "author": [{"@type": "Person", "name": name} for name in paper.authors],
        "abstract": paper.abstract,
        "about": [each.topic.name for each in paper.shown_topics],
        "isAccessibleForFree": bool(paper.arxiv_id),
        "image": settings.SITE_URL + reverse("newsletter:share", args=[paper.pk]),
    }
    if paper.published_on:
        facts["datePublished"] = paper.published_on.isoformat()
    if paper.arxiv_id:
        facts["sameAs"] = f"https://arxiv.org/abs/{paper.arxiv_id}"
        facts["identifier"] = {"@type": "PropertyValue", "propertyID": "arXiv", "value": paper.arxiv_id}
    elif doi := paper.doi:
        facts["sameAs"] = f"https://doi.org/{doi}"
        facts["identifier"] = {"@type": "PropertyValue", "propertyID": "DOI", "value": doi}
    return _script(facts)


def citation_meta(paper: Paper) -> list[tuple[str, str]]:
    """Return the name and content of the meta elements by which Google Scholar and Zotero know a page for a paper's.

    https://scholar.google.com/intl/en/scholar/inclusion.html#indexing
    """
    day = paper.published_on or paper.listed_on
    facts = [("citation_title", paper.title), *(("citation_author", name) for name in paper.authors)]
    facts += [
        ("citation_publication_date", f"{day:%Y/%m/%d}" if day else ""),
        ("citation_arxiv_id", paper.arxiv_id or ""),
        ("citation_doi", paper.doi),
        ("citation_pdf_url", paper.pdf_url),
        ("citation_abstract_html_url", settings.SITE_URL + paper.get_absolute_url()),
        ("citation_abstract", paper.abstract),
    ]
    return [(name, content) for name, content in facts if content]


def collection_page(papers: Sequence[Paper], *, title: str, address: str, first: int) -> SafeString:
    """https://schema.org/CollectionPage whose main entity is the list of papers shown, ``first`` the rank of the first.

    Addresses and order alone: what a paper is stands on its own page, and this page stays light.
    """
    facts: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "CollectionPage",
        "name": title,
        "url": settings.SITE_URL + address,
        "isPartOf": {"@type": "WebSite", "name": settings.SITE_NAME, "url": f"{settings.SITE_URL}/"},
        "mainEntity": {
            "@type": "ItemList",
            "itemListElement": [
                {"@type": "ListItem", "position": place, "url": settings.SITE_URL + paper.get_absolute_url()}
                for place, paper in enumerate(papers, start=first)
            ],
        },
    }
    return _script(facts)


def publication_issue(
    papers: Sequence[Paper], *, title: str, address: str, published_at: datetime | None
) -> SafeString:
    """https://schema.org/PublicationIssue: one edition of a periodical, with the papers it lists by their addresses."""
    facts: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "PublicationIssue",
        "name": title,
        "url": settings.SITE_URL + address,
        "isPartOf": {"@type": "Periodical", "name": settings.SITE_NAME, "url": f"{settings.SITE_URL}/"},
        "hasPart": [
            {"@type": "ScholarlyArticle", "headline": paper.title, "url": settings.SITE_URL + paper.get_absolute_url()}
            for paper in papers
        ],
    }
    if published_at:
        facts["datePublished"] = published_at.isoformat()
    return _script(facts)


def _script(facts: dict[str, object]) -> SafeString:
    return SafeString(json.dumps(facts, ensure_ascii=False).translate(_IN_SCRIPT))
