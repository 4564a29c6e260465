"""Signals and a moment in, trend scores out, each with the numbers that explain it. Pure.

In: snapshots of counters (upvotes, stars …) of young papers. Out: one TrendScore per paper and cadence.
Only gains between snapshots count, so an old repository never trends for having many stars, and every rate is
compared with papers of the same source, weekday and age. Numbers in, numbers out: may run any number of times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# How the gain of a metric reads; the order is the order of the sentence.
GAIN_WORDS = {
    "upvotes": ("upvote", "upvotes"),
    "stars": ("GitHub star", "GitHub stars"),
    "votes": ("reader's vote", "readers' votes"),
    "verdicts": ("reader wanting more", "readers wanting more"),
    "comments": ("comment", "comments"),
}


def why_trending(parts: Mapping[str, Any], topic_name: str | None) -> str:
    """The one line that says why: "Trending in cs.CL: +41 upvotes in 24 h (cohort median 6), +120 GitHub stars".

    ``parts`` are the components of one cadence (``TrendScore.parts``). Empty when nothing was gained: a paper that
    no source measured is never called trending, and one below its cohort's median is not either.
    """
    gains = [
        (metric, int(parts.get(f"{metric}_gain", 0)), words)
        for metric, words in GAIN_WORDS.items()
        if parts.get(f"{metric}_gain", 0) > 0
    ]
    if not gains:
        return ""
    median = parts.get("cohort_median")
    phrases = []
    for metric, gain, (one, many) in gains:
        phrase = f"+{gain:,} {one if gain == 1 else many}"
        if not phrases:
            phrase += f" in {_span(parts.get('hours', 24))}"
        if metric == "upvotes" and median is not None:
            phrase += f" (cohort median {round(median, 1):,g})"
        phrases.append(phrase)
    leads = any(metric != "upvotes" or median is None or gain > median for metric, gain, _ in gains)
    place = f" in {topic_name}" if topic_name else ""
    opening = f"Trending{place}: " if leads else ""
    return opening + ", ".join(phrases)


def _span(hours: float) -> str:
    if hours <= 72:
        return f"{max(round(hours), 1)} h"
    return f"{round(hours / 24)} days"
