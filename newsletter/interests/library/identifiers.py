"""arXiv ids and DOIs in the fields and texts of references. Pure; every pattern is linear.

Sources: https://info.arxiv.org/help/arxiv_identifier.html, ISO 26324 and Crossref's advice on the shape of DOIs.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date

from newsletter.catalogue.sources.paper_identifiers import arxiv_id, could_exist

_FIELD = 20_000  # characters of a field that are looked at: identifiers stand at its beginning
_OLD_NUMBER = r"[a-z]{1,8}(?:-[a-z]{2,4})?(?:\.[a-z]{2,4}(?:-[a-z]{2,4})?)?/\d{7}"
_EDGE = r"(?<![\w.+/-])"
_END = r"(?:v\d{1,4})?(?:\.pdf)?(?![\w/-])(?!\.\d)"
_SITES = (
    r"(?:arxiv\.org|xxx\.lanl\.gov|alphaxiv\.org|huggingface\.co|hf\.co|semanticscholar\.org|paperswithcode\.com"
    r"|scirate\.com|arxiv-vanity\.com|emergentmind\.com)"
)
# What says "this is an arXiv id" before the number: the name, an address of arXiv or a mirror, CoRR's volume, the DOI.
_NAMED = re.compile(
    rf"(?:\barxiv(?:\s+(?:e-?prints?|preprint))?[\s:,./]{{0,3}}(?:\[)?|{_SITES}/(?:[\w.-]+/){{0,3}}(?:arxiv[.:])?"
    rf"|\babs/|\b10\.48550/arxiv\.|\beprint:\s*)(?P<id>\d{{4}}\.\d{{4,5}}|{_OLD_NUMBER}){_END}",
    re.IGNORECASE,
)
_OLD = re.compile(rf"{_EDGE}(?P<id>{_OLD_NUMBER}){_END}", re.IGNORECASE)
_BARE = re.compile(rf"{_EDGE}(?P<id>\d{{4}}\.\d{{4,5}}){_END}")
_RELATED = re.compile(
    r"\b(?:see|also|cf|compare|extends?|extending|extended|extension|based|builds?|comments?|commenting|reply|erratum|follows?"
    r"|follow-up|supersedes|superseded|cites?|cited|replaces|related|with|companion|of|siehe|vgl|voir)\b[^.;]{0,60}$",
    re.IGNORECASE,
)
_DOI = re.compile(r"10\.\d{4,9}(?:\.\d+)*/[^\s\"'“”{}|\\^`]+", re.IGNORECASE)
_DOI_IN_LINK = re.compile(
    r"(?:doi\.org|/doi(?:/[a-z]+)?|link\.springer\.com(?:/\w+)?|(?:bio|med)rxiv\.org/content)/(?=10\.\d{4,9}/)",
    re.IGNORECASE,
)
_DOI_IN_TEXT = re.compile(r"(?:\bdoi\s*[:=]?\s*|doi\.org/|(?<![\w.+/=-]))(?=10\.\d{4,9}/)", re.IGNORECASE)
_ONLY_A_DOI = re.compile(r"(?:\\url\{)?(?:https?://(?:dx\.)?doi\.org/|doi\s*[:=]?\s*)10\.\S+", re.IGNORECASE)
_PAGE_OF_DOI = re.compile(
    r"(?:/(?:full|pdf|epdf|abstract|html|meta|summary)|\.pdf|(?<=\d)v\d{1,2}(?:\.full)?(?:\.pdf|-text)?|[?#].*)$",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%([2-7][0-9a-f])", re.IGNORECASE)
_ANGLES = re.compile(r"\{?\\text(less|greater)\b\s*(?:\{\})?\}?|\$([<>])\$")
_NAMED_LINK = re.compile(r"\\href\s*\{([^{}]*)\}\s*\{")
_LATEX = re.compile(r"\{?\\_\}?|\\([&%#$/])|\{\\?([_&%#$])\}|[{}]")


def whole_arxiv_id(value: str, *, today: date) -> str | None:
    """The id when the value is nothing else, in any spelling: with prefix, version, class or address."""
    value = re.sub(r"^arxiv\s*:\s*", "arXiv:", value.strip()[:200], flags=re.IGNORECASE)
    value = re.sub(r"\s*\[[\w.-]+\]$", "", value)
    found = arxiv_id(value)
    return found[0] if found and could_exist(found[0], on=today) else None


def named_arxiv_id(value: str, *, today: date) -> str | None:
    """The first id in a text that says it is one: "arXiv preprint arXiv:2606.16093", an address, "abs/2606.16409"."""
    return next(_ids(value, today=today, patterns=(_NAMED, _OLD)), (None, 0))[0]


def noted_arxiv_id(value: str, *, today: date) -> str | None:
    """As `named_arxiv_id`, but not an id of another paper: "see also arXiv:…", "extends arXiv:…"."""
    for found, start in _ids(value, today=today, patterns=(_NAMED, _OLD)):
        if not _RELATED.search(value[max(0, start - 80) : start]):
            return found
    return None


def arxiv_ids(text: str, *, today: date) -> list[tuple[str, int]]:
    """Every id in a running text and where it begins, bare numbers too, in order."""
    return sorted(set(_ids(text, today=today, patterns=(_NAMED, _OLD, _BARE))), key=lambda one: one[1])


def _ids(text: str, *, today: date, patterns: tuple[re.Pattern[str], ...]) -> Iterator[tuple[str, int]]:
    for pattern in patterns:
        for match in pattern.finditer(text[:_FIELD]):
            found = arxiv_id(match["id"])
            if found and could_exist(found[0], on=today):
                yield found[0], match.start("id")


def whole_doi(value: str) -> str | None:
    """The DOI of a field that holds one, without `doi:` or an address before it; LaTeX escapes undone."""
    return _tidy(match.group()) if (match := _DOI.search(_plain(value[:2000]))) else None


def linked_doi(value: str) -> str | None:
    """The DOI that an address of a resolver or a publisher names."""
    value = _PERCENT.sub(lambda match: chr(int(match[1], 16)), _plain(value[:2000]))
    match = _DOI_IN_LINK.search(value)
    found = _DOI.match(value, match.end()) if match else None
    return _tidy(_PAGE_OF_DOI.sub("", found.group())) if found else None


def noted_doi(value: str) -> str | None:
    """The DOI of a note that says nothing else: "doi:10.1000/182"."""
    value = value.strip()
    return whole_doi(value) if _ONLY_A_DOI.fullmatch(value) else None


def dois(text: str) -> list[tuple[str, int]]:
    """Every DOI of a running text and where it begins."""
    found = []
    for match in _DOI_IN_TEXT.finditer(text[:_FIELD]):
        if doi := _DOI.match(text, match.end()):
            found.append((_tidy(doi.group()), doi.start()))
    return found


def _plain(value: str) -> str:
    value = _NAMED_LINK.sub(r"\1 ", html.unescape(value))
    value = _ANGLES.sub(lambda match: match[2] or ("<" if match[1] == "less" else ">"), value)
    return _LATEX.sub(lambda match: match[1] or match[2] or ("_" if "_" in match.group() else ""), value)


def _tidy(doi: str) -> str:
    """Remove the punctuation of the surrounding sentence; brackets that belong to the DOI stay."""
    doi = re.split(r"%20|[,;]https?:|\][\[(]", doi)[0]
    while doi and (doi[-1] in ".,;:*'\"]" or (doi[-1] == ")" and doi.count(")") > doi.count("("))):
        doi = doi[:-1]
    while doi.endswith(">") and doi.count(">") > doi.count("<"):
        doi = doi[:-1].rstrip(".,;:")
    return doi
