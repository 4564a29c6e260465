"""Why a paper trends, as one sentence from the recorded numbers. Pure.

In: the parts of one trend score. Out: a line such as "Trending in cs.CL: +41 upvotes in 24 h (cohort median 6)". Every
number in it stands in the parts; put into a language by the functions given, English without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

GAINS = ("upvotes", "points", "stars", "citations", "votes", "verdicts", "comments")  # in the order of the sentence
_FEW = 2  # points or citations that are no trend, whatever the cohort
_NOISE = 10  # a gain without a median to compare with has to be more than this to be called trending


def _one_or_many(one: str, many: str, number: int) -> str:
    return one if number == 1 else many


def _grouped(number: float) -> str:
    return f"{int(number) if number == int(number) else number:,}"


def why_trending(
    parts: Mapping[str, Any],
    topic_name: str | None,
    *,
    gettext: Callable[[str], str] = str,
    ngettext: Callable[[str, str, int], str] = _one_or_many,
) -> str:
    """The one line that says why: "Trending in cs.CL: +41 upvotes in 24 h (cohort median 6), +120 GitHub stars".

    ``parts`` are the components of one cadence (``TrendScore.parts``). Empty when nothing was gained: a paper that
    no source measured is never called trending, and one below its cohort's median is not either. The two functions
    translate; English without them.
    """
    line = gains_line(parts, gettext=gettext, ngettext=ngettext)
    return call_trending(line, topic_name, gettext=gettext) if stands_out(parts) else line


def stands_out(parts: Mapping[str, Any]) -> bool:
    """Whether a gain is beyond the cohort's median, or beyond noise where there is no median to compare with."""
    told = ((metric, gain, _median_of(metric, parts)) for metric, gain in _gains_of(parts))
    return any(
        gain > (_NOISE if median is None else median) and (metric == "upvotes" or gain > _FEW)
        for metric, gain, median in told
    )


def _median_of(metric: str, parts: Mapping[str, Any]) -> float | None:
    """What the cohort's middle gained meanwhile, where that is told."""
    median: float | None = parts.get("cohort_median" if metric == "upvotes" else f"{metric}_median")
    return median


def call_trending(line: str, topic_name: str | None, *, gettext: Callable[[str], str] = str) -> str:
    if topic_name:
        return gettext("Trending in %(topic)s: %(gains)s") % {"topic": topic_name, "gains": line}
    return gettext("Trending: %(gains)s") % {"gains": line}


def gains_line(
    parts: Mapping[str, Any],
    *,
    gettext: Callable[[str], str] = str,
    ngettext: Callable[[str, str, int], str] = _one_or_many,
    grouped: Callable[[float], str] = _grouped,
) -> str:
    """The gains alone: "+41 upvotes in 24 h (cohort median 6), +120 GitHub stars"; empty without any."""
    phrases: list[str] = []
    for metric, gain in _gains_of(parts):
        phrase = _gain_phrase(metric, gain, ngettext) % {"gain": grouped(gain)}
        if not phrases:
            span = _span(parts.get("hours", 24), gettext)
            phrase = gettext("%(gain)s in %(span)s") % {"gain": phrase, "span": span}
        median = _median_of(metric, parts)
        if median is not None:
            shown = grouped(round(median, 1))
            phrase = gettext("%(gain)s (cohort median %(median)s)") % {"gain": phrase, "median": shown}
        phrases.append(phrase)
    return gettext(", ").join(phrases)


def short_gain(
    parts: Mapping[str, Any],
    *,
    gettext: Callable[[str], str] = str,
    ngettext: Callable[[str, str, int], str] = _one_or_many,
    grouped: Callable[[float], str] = _grouped,
) -> str:
    """The first gain alone, for beside the count of upvotes: "+61 in 24 h"; empty without any."""
    for metric, gain in _gains_of(parts):
        phrase = "+%(gain)s" if metric == "upvotes" else _gain_phrase(metric, gain, ngettext)
        span = _span(parts.get("hours", 24), gettext)
        return gettext("%(gain)s in %(span)s") % {"gain": phrase % {"gain": grouped(gain)}, "span": span}
    return ""


def _gains_of(parts: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(metric, int(parts[f"{metric}_gain"])) for metric in GAINS if parts.get(f"{metric}_gain", 0) > 0]


def _gain_phrase(metric: str, gain: int, ngettext: Callable[[str, str, int], str]) -> str:
    match metric:
        case "upvotes":
            return ngettext("+%(gain)s upvote", "+%(gain)s upvotes", gain)
        case "points":
            return ngettext("+%(gain)s point on Hacker News", "+%(gain)s points on Hacker News", gain)
        case "citations":
            return ngettext("+%(gain)s citation", "+%(gain)s citations", gain)
        case "stars":
            return ngettext("+%(gain)s GitHub star", "+%(gain)s GitHub stars", gain)
        case "votes":
            return ngettext("+%(gain)s reader's vote", "+%(gain)s readers' votes", gain)
        case "verdicts":
            return ngettext("+%(gain)s reader wanting more", "+%(gain)s readers wanting more", gain)
        case _:
            return ngettext("+%(gain)s comment", "+%(gain)s comments", gain)


def _span(hours: float, gettext: Callable[[str], str]) -> str:
    if hours <= 72:
        return gettext("%(hours)s h") % {"hours": max(round(hours), 1)}
    return gettext("%(days)s days") % {"days": round(hours / 24)}
