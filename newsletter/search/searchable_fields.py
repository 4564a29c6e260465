"""Facts of papers that queries can ask for, read from rows: words in the search index, authors, topics, code.

In: ids of papers. Out: a PaperFacts each, in no order; papers the index does not hold yet are left out. Two queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from newsletter.models import PaperTopic, SearchEntry
from newsletter.search.query_matching import PaperFacts

_COLUMNS = ("paper_id", "title", "body", "paper__authors", "paper__organization", "paper__code_url")
_DAYS = ("paper__published_on", "paper__listed_on")


def facts_of(papers: Sequence[int]) -> list[PaperFacts]:
    slugs = defaultdict[int, set[str]](set)
    filed = PaperTopic.objects.filter(paper__any_of=papers, is_assigned=True)
    for paper, slug in filed.values_list("paper_id", "topic__slug"):
        slugs[paper].add(slug)
    rows = SearchEntry.objects.filter(paper__any_of=papers).values_list(*_COLUMNS, *_DAYS)
    return [
        PaperFacts(
            paper=paper,
            title=title,
            body=body,
            authors=tuple(map(str, authors)),
            organization=organization,
            topics=frozenset(slugs[paper]),
            has_code=bool(code_url),
            day=published_on or listed_on,
        )
        for paper, title, body, authors, organization, code_url, published_on, listed_on in rows.iterator()
    ]
