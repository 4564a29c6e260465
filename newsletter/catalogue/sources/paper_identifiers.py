"""Names of papers: arXiv identifiers in all their spellings, and titles made comparable.

In: identifiers and titles as sources, people and files write them. Out: the form we store and join on. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_ARXIV_ID = re.compile(
    r"""(?: arxiv: | oai:arxiv\.org:
          | https?://(?:[a-z0-9-]+\.)*arxiv\.org/(?:abs|pdf|html)/
          | https?://(?:www\.)?(?:huggingface\.co|hf\.co)/papers/
          | (?:https?://(?:dx\.)?doi\.org/)?10\.48550/arxiv\.
        )?
        (?P<id> \d{4}\.\d{4,5} | [a-z-]+(?:\.[a-z]{2,4}(?:-[a-z]{2,4})?)?/\d{7} )
        (?: v(?P<version>[1-9]\d{0,3}) )?
        (?: \.pdf )? /? (?: [?\#].* )?
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_NUMBER = r"(?P<id>\d{4}\.\d{4,5}|[a-z-]{1,9}(?:\.[a-z]{2,4}(?:-[a-z]{2,4})?)?/\d{7})(?:v[1-9]\d{0,3})?(?:\.pdf)?"
# What says, before a number in a text, that it is arXiv's: its name, or an address of a site that shows its papers.
_NAMED = re.compile(
    rf"""(?: \barxiv (?:\s+(?:e-?print|preprint))? [\s:,.]{{0,3}} \[?
          | \b(?:arxiv\.org|alphaxiv\.org|ar5iv\.org|huggingface\.co|hf\.co|semanticscholar\.org|scirate\.com)/
            (?:[\w.-]{{1,20}}/){{0,3}} (?:arxiv[.:])?
          | \b10\.48550/arxiv\. | \b(?:abs|arxiv)/ | \be-?print\s?:?\s? | ^\W{{0,3}}id\s?:\s? | ^\W{{0,3}}\[
        ) {_NUMBER} (?![\w/-]|\.\d)""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_SUBJECT_CLASS = re.compile(r"\.[a-z]{2,4}(?:-[a-z]{2,4})?(?=/)")
# Archives that gave out identifiers of their own, from August 1991 to March 2007.
_ARCHIVES = re.compile(
    r"""acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|cond-mat|cs|dg-ga
      | funct-an|gr-qc|hep-(?:ex|lat|ph|th)|math(?:-ph)?|mtrl-th|nlin|nucl-(?:ex|th)|patt-sol|physics|plasm-ph|q-alg
      | q-bio|quant-ph|solv-int|supr-con""",
    re.VERBOSE,
)
_FIRST_MONTH, _NEW_STYLE, _FIVE_DIGITS = (1991, 8), (2007, 4), (2015, 1)
_DOI = re.compile(
    r"(?:(?:https?://)?(?:dx\.|www\.)?doi\.org/|doi:\s*)?(10\.[0-9]{4,9}/[\x21-\x7e]{1,180})", re.IGNORECASE
)
_PAGE = re.compile(
    r"""(?:https?://)?[a-z0-9.-]{4,100}/(?:doi(?:/(?:abs|epdf|full|pdf))?|content)/ (10\.[0-9]{4,9}/[^\s?\#]{1,180}?)
        (?:v[0-9]+)? (?:\.(?:abstract|full|full-text|pdf|supplementary-material))* (?:[?\#].*)?""",
    re.IGNORECASE | re.VERBOSE,
)
_FORUM = re.compile(
    r"(?:https?://)?(?:www\.)?openreview\.net/(?:forum|pdf)\?(?:.{0,200}&)?id=([\w-]{4,40})(?:[&#].*)?",
    re.IGNORECASE | re.ASCII,
)
_NOT_IN_A_KEY = re.compile(r"(?:[^\w+#*]|_)+")
_TITLE_KEY_LENGTH = 500
_LINE = 500  # characters


def arxiv_id(text: str) -> tuple[str, int | None] | None:
    """The identifier without version, and the version when one is named; None when `text` is not exactly one.

    Old identifiers lose their subject class (math.GT/0309136 is math/0309136) but never their archive:
    hep-th/9901001 and gr-qc/9901001 are two papers.
    """
    match = _ARXIV_ID.fullmatch(text.strip())
    if match is None:
        return None
    version = match["version"]
    return _SUBJECT_CLASS.sub("", match["id"].lower()), int(version) if version else None


def meant_arxiv_id(text: str, *, on: date) -> str | None:
    """Return the identifier of the one paper that a line means, as arXiv and others print or link it; else None.

    A stamp ("arXiv:2606.16688v1 [cs.IT] 15 Jun 2026"), a citation, an address with or without scheme, in a sentence or
    in brackets. A number alone counts only when it is all there is. `on`: the latest day it may be from.
    """
    whole = arxiv_id(text.strip().strip("<>()[]\"'.,;"))
    found = {whole[0]} if whole else {arxiv_id(match["id"])[0] for match in _NAMED.finditer(text[:_LINE])}  # type: ignore[index]
    return next(iter(found)) if len(found) == 1 and all(could_exist(one, on=on) for one in found) else None


def doi_name(text: str) -> str | None:
    """The name under which a DOI is joined on ("doi:10.1101/2026.11.02.1"); None when `text` is not exactly a DOI.

    A DOI is the same in either case (https://www.doi.org/doi-handbook/HTML/case-sensitivity.html).
    """
    match = _DOI.fullmatch(text.strip())
    return f"doi:{match[1].lower()}" if match else None


def work_name(text: str) -> str | None:
    """The name of the work that a DOI, a publisher's page of one or a page of OpenReview means; None for other texts.

    "https://www.biorxiv.org/content/10.1101/2026.11.02.1v2.full" is doi:10.1101/2026.11.02.1.
    """
    line = text.strip()[:_LINE]
    if forum := _FORUM.fullmatch(line):
        return f"openreview:{forum[1]}"
    page = _PAGE.fullmatch(line)
    return doi_name(page[1] if page else line)


def could_exist(identifier: str, *, on: date) -> bool:
    """Whether arXiv can have given out this identifier by that day. One that is made up spoils a whole query.

    https://info.arxiv.org/help/arxiv_identifier.html
    """
    archive, slash, number = identifier.rpartition("/")
    month = int(number[2:4])
    year = int(number[:2]) + (1900 if slash and number[0] == "9" else 2000)
    if not 1 <= month <= 12:
        return False
    if slash:
        return _ARCHIVES.fullmatch(archive) is not None and _FIRST_MONTH <= (year, month) < _NEW_STYLE
    digits = 5 if (year, month) >= _FIVE_DIGITS else 4
    return _NEW_STYLE <= (year, month) <= (on.year, on.month) and len(number) == 5 + digits


def title_key(title: str) -> str:
    """A title without case, accents' spelling, punctuation and spacing. A title of nothing but signs keeps them."""
    title = title[: 4 * _TITLE_KEY_LENGTH]  # normalising a long row of accents is quadratic
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    key = _NOT_IN_A_KEY.sub(" ", folded).strip() or " ".join(folded.split())
    return key[:_TITLE_KEY_LENGTH].rstrip()
