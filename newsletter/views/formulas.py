"""Titles and abstracts on pages, their formulas set as MathML: filters for templates.

In: a paper. Out: HTML, escaped but for the formulas that `catalogue.sources.formulas` sets. Each text is set once a
process, not for each page that shows it; mails and feeds keep the readable text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString

from newsletter.catalogue.sources.formulas import Part, cut, mathml, parts_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from newsletter.models import Paper

_KEPT = 2_000  # texts a process: about 10 MB
_OPENINGS = ("$", r"\(", r"\[")

register = template.Library()


@register.filter
def title_html(paper: Paper) -> SafeString:
    return _html(paper.title_source, paper.title, paper.title)


@register.filter
def abstract_html(paper: Paper) -> SafeString:
    return _html(paper.abstract_source, paper.abstract, paper.abstract)


@register.filter
def key_sentence_html(paper: Paper) -> SafeString:
    return _html(paper.abstract_source, paper.abstract, paper.key_sentence or "")


def _html(source: str | None, readable: str, shown: str) -> SafeString:
    """Return the part of a readable text that is shown, with its formulas set where the source has any."""
    if source and any(opening in source for opening in _OPENINGS):
        return _set(source, readable, shown)
    return escape(shown)


@lru_cache(maxsize=_KEPT)
def _set(source: str, readable: str, shown: str) -> SafeString:
    start = readable.find(shown)
    parts = cut(parts_of(source, readable), start, start + len(shown)) if start >= 0 else None
    return _joined(parts if parts is not None else [shown])


def _joined(parts: Iterable[Part]) -> SafeString:
    return SafeString("".join(_part(part) for part in parts))


def _part(part: Part) -> str:
    return (None if isinstance(part, str) else mathml(part)) or escape(text_of(part))
