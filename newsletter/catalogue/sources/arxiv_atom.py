"""What the Atom feeds of arXiv have in common. In: bytes. Out: elements, names and categories, cleaned. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from newsletter.catalogue.sources.clean_text import clean_line, clean_name
from newsletter.catalogue.sources.observed_paper import SourceError

ARXIV_SPACING = timedelta(seconds=3)  # arXiv's terms of use: one request in three seconds
_NAMES = {
    "atom": "http://www.w3.org/2005/Atom",
    "arxiv": "http://arxiv.org/schemas/atom",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_ARXIV_CATEGORY = re.compile(r"[a-z]+(?:-[a-z]+)*(?:\.[A-Za-z]+(?:-[A-Za-z]+)*)?")  # not I.2.7 (ACM) or 68T50 (MSC)
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_SUFFIX = re.compile(r"(?:Jr|Sr|I{1,3}|IV)\.?")


def feed(data: bytes) -> Element:
    """The root of a feed. Raises SourceError for anything else: a web page, a cut answer, arXiv's own error feed."""
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except ParseError as error:
        raise SourceError("not a feed, or cut short", line=error.position[0]) from error
    except (DefusedXmlException, ValueError, LookupError) as error:
        raise SourceError("a feed that declares entities, or an encoding nobody knows, is not read") from error
    if root.tag != f"{{{_NAMES['atom']}}}feed":
        raise SourceError("not an Atom feed")
    title = text(root, "atom:title")
    if "error" in title.lower():
        raise SourceError(f"arXiv answers: {title}")
    return root


def entries(root: Element) -> list[Element]:
    return root.findall("atom:entry", _NAMES)


def text(element: Element, path: str) -> str:
    return (element.findtext(path, default="", namespaces=_NAMES) or "").strip()


def categories(entry: Element) -> tuple[str, ...]:
    """arXiv's categories, the primary one first when the feed names it."""
    terms = [one.get("term", "") for one in entry.findall("atom:category", _NAMES)]
    primary = entry.find("arxiv:primary_category", _NAMES)
    ordered = [primary.get("term", ""), *terms] if primary is not None else terms
    return tuple(dict.fromkeys(term for term in ordered if _ARXIV_CATEGORY.fullmatch(term)))


def authors(entry: Element) -> tuple[str, ...]:
    """One name an author: from one element each, or from the one string of the daily feed."""
    names = [text(one, "atom:name") for one in entry.findall("atom:author", _NAMES)]
    joined = text(entry, "dc:creator")
    if joined and len(names) <= 1:
        names = [joined]
    if len(names) == 1:
        names = _split(names[0])
    return tuple(name for name in map(clean_name, names) if name)


def _split(joined: str) -> list[str]:
    names: list[str] = []
    for part in _IN_BRACKETS.sub("", clean_line(joined)).split(","):
        name = part.strip()
        if _SUFFIX.fullmatch(name) and names:
            names[-1] += f", {name}"
        elif name:
            names.append(name)
    return names
