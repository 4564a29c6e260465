"""Papers get the sentence of their abstract that says what they bring, once, for every page, mail and feed.

In: papers whose title or abstract is new or has changed (`Paper.key_sentence` is null). Out: that column. Bounded by
its deadline; what is left waits for the next call. May run twice at once: both write the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from newsletter.catalogue.key_sentence import key_sentence
from newsletter.models import Paper

_BATCH = 200


def keep_up(*, deadline: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Choose key sentences, newest papers first, until ``deadline``; returns the number of papers."""
    due = Paper.objects.filter(key_sentence__isnull=True).order_by("-pk").only("title", "abstract")
    chosen = 0
    while timezone.now() < deadline and not should_stop() and (papers := list(due[:_BATCH])):
        for paper in papers:
            # Only what was read: a paper reworded meanwhile stays due.
            unchanged = Paper.objects.filter(pk=paper.pk, title=paper.title, abstract=paper.abstract)
            unchanged.update(key_sentence=key_sentence(paper.title, paper.abstract))
        chosen += len(papers)
    return chosen
