"""What a library file gives: entries and refusals; and how the fields of one reference become an entry. Pure."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from newsletter.catalogue.sources.clean_text import clean_title
from newsletter.catalogue.sources.paper_identifiers import title_key
from newsletter.interests.library import identifiers

MOST_REFERENCES = 20_000  # of one file, those refused too
NOTE_LENGTH = 2000  # characters that a reader may write about one paper
_TITLE_LENGTH, _ABSTRACT_LENGTH, _DOI_LENGTH = 500, 5000, 300
_TAG = re.compile(
    r"</?(?:i|b|u|p|em|su[bp]|scp?|tt|strong|span|div|br|[a-z]{1,9}:[a-z-]{1,30})\b[^<>]{0,200}>", re.IGNORECASE
)
_NO_LETTER = re.compile(r"[\W_]*")


def gettext_noop(sentence: str) -> str:
    """Mark a sentence for translation. Pages translate it; the command prints it as it is."""
    return sentence


class TooManyReferencesError(Exception):
    """The file goes on beyond `MOST_REFERENCES`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One reference. ``arxiv_id`` and ``doi`` are bare: no prefix, no version. ``line``: where it begins, from 1."""

    title: str
    arxiv_id: str | None
    doi: str | None
    line: int
    abstract: str = ""
    note: str = ""

    @property
    def identity(self) -> str:
        """Key that references to one paper share: its arXiv id, else its DOI, else its title."""
        if self.arxiv_id:
            return f"arxiv:{self.arxiv_id}"
        if self.doi:
            return f"doi:{self.doi.casefold()}"
        return f"title:{hashlib.blake2b(title_key(self.title).encode(), digest_size=16).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Refusal:
    line: int
    why: str


@dataclass(slots=True)
class Reading:
    entries: list[Entry] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def take(self, part: Entry | Refusal) -> None:
        """Add an entry. Raises TooManyReferencesError when the file has too many."""
        if len(self.entries) + len(self.refused) >= MOST_REFERENCES:
            raise TooManyReferencesError
        if isinstance(part, Entry):
            self.entries.append(part)
        else:
            self.refused.append(part)


@dataclass(frozen=True, slots=True)
class Reference:
    """The fields of one reference that can name it, whatever its format calls them.

    ``eprint``: fields that hold a preprint's identifier and nothing else. ``links``: addresses. ``venues``: journal,
    report number and the like, where "arXiv preprint arXiv:…" is written. ``notes``: free text
    about this paper. ``own_note``: what its reader wrote here before.
    """

    title: str
    line: int
    doi: str = ""
    eprint: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    abstract: str = ""
    own_note: str = ""


def add(reading: Reading, reference: Reference, *, today: date) -> None:
    """Add a reference as an entry, or as a refusal when it has neither a title nor an identifier."""
    readable = clean_title(_without_tags(storable(reference.title[: 4 * _TITLE_LENGTH])))
    title = unicodedata.normalize("NFKC", readable)[:_TITLE_LENGTH]  # compared, not shown: SR² is SR2
    if _NO_LETTER.fullmatch(title):
        title = ""
    arxiv_id, doi = _arxiv_id_of(reference, today), _doi_of(reference)
    if title or arxiv_id or doi:
        abstract = " ".join(_without_tags(storable(reference.abstract[: 2 * _ABSTRACT_LENGTH])).split())
        note = storable(reference.own_note)[:NOTE_LENGTH]
        entry = Entry(title, arxiv_id, doi, reference.line, abstract[:_ABSTRACT_LENGTH], note)
        reading.take(entry)
    else:
        reading.take(Refusal(reference.line, gettext_noop("This entry has neither a title nor an arXiv id nor a DOI.")))


def _without_tags(text: str) -> str:
    return html.unescape(_TAG.sub("", html.unescape(text)))


def _arxiv_id_of(reference: Reference, today: date) -> str | None:
    whole = (*reference.eprint, reference.doi, identifiers.whole_doi(reference.doi) or "")
    bare = (identifiers.whole_arxiv_id(value, today=today) for value in whole)
    named = (identifiers.named_arxiv_id(value, today=today) for value in (*reference.links, *reference.venues))
    noted = (identifiers.noted_arxiv_id(value, today=today) for value in reference.notes)
    return _first(bare) or _first(named) or _first(noted)


def _doi_of(reference: Reference) -> str | None:
    linked, noted = map(identifiers.linked_doi, reference.links), map(identifiers.noted_doi, reference.notes)
    doi = identifiers.whole_doi(reference.doi) or _first(linked) or _first(noted)
    return doi if doi and len(doi) <= _DOI_LENGTH and doi == storable(doi) else None


def storable(text: str) -> str:
    """Remove what JSON can escape and no database stores: zeros and halves of surrogate pairs."""
    return text.encode("utf-8", "ignore").decode().replace("\0", "")


def _first(found: Iterable[str | None]) -> str | None:
    return next((value for value in found if value), None)
