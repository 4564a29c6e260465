"""Saved Daily Papers listings: plain text, one block a line, title and abstract in turn after the date line.

In: the bytes of one saved page. Out: its papers in the order of the page. The page bears no ids, authors, dates or
votes, so its observations never carry signals. Its key is the hash of its content: two pages may bear the same date.
A page that does not pair up is refused as a whole, with the line to look at.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime

from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title
from newsletter.catalogue.sources.observed_paper import Observation, SourceError
from newsletter.catalogue.sources.paper_links import ABSTRACT, links_in
from newsletter.catalogue.sources.public_urls import without_proxies

SOURCE = "listing_page"
LABEL = "saved listing page"
TEXT_AUTHORITY, LINK_AUTHORITY = 0, 0  # saved pages are uneven, and the one imported last is not the better one
OWN_VOTES: dict[str, int] = {}
_DATE_LINE = re.compile(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w{0,6}\.? (?:[1-9]|[12]\d|3[01])")
_LINE_END = re.compile(r"\r\n|\n|\r")  # not splitlines(): abstracts may hold form feeds and U+2028
_HEADER_BLOCKS = 12  # the date line is the fifth or sixth


def parse(data: bytes, *, seen_at: datetime | None = None) -> list[Observation]:
    """The papers of one page, best match first. Raises SourceError with the line number when the page is broken."""
    blocks = list(_body_blocks(_lines(data)))
    if len(blocks) % 2:
        line, text = blocks[-1]
        raise SourceError(f"the page ends after the title {text[:60]!r}: its abstract is missing", line=line)
    pairs = [
        (_required(title), without_proxies(clean_abstract(abstract[1])))
        for title, abstract in zip(blocks[::2], blocks[1::2], strict=True)
    ]
    key = hashlib.sha256("\n".join(f"{title}\n{abstract}" for title, abstract in pairs).encode()).hexdigest()[:32]
    return [
        Observation(
            source=SOURCE,
            key=key,
            rank=rank,
            title=title,
            abstract=abstract,
            links=links_in(abstract, place=ABSTRACT),
            seen_at=seen_at,
        )
        for rank, (title, abstract) in enumerate(pairs, start=1)
    ]


def _lines(data: bytes) -> list[str]:
    try:
        return _LINE_END.split(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = len(_LINE_END.split(data[: error.start].decode("utf-8", errors="replace")))
        raise SourceError("this is not UTF-8 text", line=line) from error


def _body_blocks(lines: list[str]) -> Iterator[tuple[int, str]]:
    """(line number, text) of each block after the date line. Lines without a blank line between are one block."""
    start = _after_the_date(lines)
    first, parts = 0, list[str]()
    for number, line in enumerate([*lines[start:], ""], start=start + 1):
        if line.strip("\ufeff \t\u00a0"):
            first = first or number
            parts.append(line)
        elif parts:
            yield first, " ".join(parts)
            first, parts = 0, []


def _after_the_date(lines: list[str]) -> int:
    seen = 0
    for index, line in enumerate(lines):
        if _DATE_LINE.fullmatch(line.strip("\ufeff \t\u00a0")):
            if any(rest.strip() for rest in lines[index + 1 :]):
                return index + 1
            raise SourceError("no papers after the date line", line=index + 1)
        seen += bool(line.strip())
        if seen >= _HEADER_BLOCKS:
            break
    raise SourceError("no date line such as 'Mar 14' at the head of the page: not a saved listing", line=1)


def _required(block: tuple[int, str]) -> str:
    line, text = block
    title = clean_title(text)
    if not title:
        raise SourceError("a title without a single visible character", line=line)
    return title
