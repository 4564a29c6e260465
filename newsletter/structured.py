"""What search engines read inside a paper's page: schema.org data in a script element that no browser runs.

In: a paper with its shown topics. Out: JSON text that holds no character a script element could be left with.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.safestring import SafeString

if TYPE_CHECKING:
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
    }
    if paper.published_on:
        facts["datePublished"] = paper.published_on.isoformat()
    if paper.arxiv_id:
        facts["sameAs"] = f"https://arxiv.org/abs/{paper.arxiv_id}"
        facts["identifier"] = {"@type": "PropertyValue", "propertyID": "arXiv", "value": paper.arxiv_id}
    return SafeString(json.dumps(facts, ensure_ascii=False).translate(_IN_SCRIPT))
