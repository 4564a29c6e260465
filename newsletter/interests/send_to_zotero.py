"""A reader's library sent to Zotero, once, what is there already left out.

In: references and a Zotero API key that may write, which is kept nowhere. Out: how many were written, and one sentence
when not all were. Zotero takes 50 at a time; what was written until an error counts.

https://www.zotero.org/support/dev/web_api/v3/write_requests
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from newsletter.catalogue.sources.paper_identifiers import title_key
from newsletter.interests import fetch_library
from newsletter.interests.fetch_library import Stopped, ask_zotero, fetch_zotero, parsed, zotero_path
from newsletter.interests.library.entries import gettext_noop
from newsletter.interests.library.write_formats import Written

_AT_ONCE = 50  # items; the most that Zotero takes in one request
SECONDS = 30.0  # of one export; a page waits for it

KEY_NEEDED = gettext_noop("Give an API key. You can make one that may write at zotero.org/settings/keys.")
MAY_NOT_WRITE = gettext_noop("Zotero refused this key. Make one that may read and write at zotero.org/settings/keys.")
NOT_COMPARED = gettext_noop(
    "Your Zotero library is too large to see what is in it already. Download BibTeX here and import that there."
)
NO_ANSWER = gettext_noop("Zotero could not be reached. Try again later: what has arrived is not sent twice.")
REFUSED = gettext_noop("Zotero refused {number} of them: {message}")


_INSTEAD = {  # of sentences about an import
    fetch_library.MORE: NOT_COMPARED,
    fetch_library.AWAY: NO_ANSWER,
    fetch_library.UNREADABLE: NO_ANSWER,
}


@dataclass(slots=True)
class Sent:
    """Outcome of an export. ``why``: the sentence when not all was sent, with {site}, {number} and {message}."""

    written: int = 0
    known: int = 0  # in that library already
    refused: int = 0
    message: str = ""  # of Zotero, about the first that it refused
    why: str = ""

    def sentence(self, gettext: Callable[[str], str]) -> str:
        return gettext(self.why).format(site="Zotero", number=self.refused, message=self.message) if self.why else ""


def send_to_zotero(references: Sequence[Written], key: str) -> Sent:
    """Write the references into the library of the key's owner, without those that it has by id, DOI or title."""
    sent, key, until = Sent(), key.strip(), time.monotonic() + SECONDS
    try:
        if not key:
            raise Stopped(KEY_NEEDED)
        path = zotero_path("", key, until=until)
        new = _not_there(references, key)
        sent.known = len(references) - len(new)
        for start in range(0, len(new), _AT_ONCE):
            _write(path, key, new[start : start + _AT_ONCE], sent, until=until)
    except Stopped as stopped:
        sent.why = _INSTEAD.get(str(stopped), str(stopped))
    return sent


def _not_there(references: Sequence[Written], key: str) -> list[Written]:
    there = fetch_zotero("", key)
    if there.why or there.rest:
        raise Stopped(there.why)
    names = {name for one in there.entries for name in _names(one.arxiv_id, one.doi, one.title)}
    return [one for one in references if names.isdisjoint(_names(one.arxiv_id, one.doi, one.title))]


def _names(arxiv_id: str | None, doi: str | None, title: str) -> list[str]:
    return [name for name in (arxiv_id, (doi or "").casefold(), title_key(title)) if name]


def _write(path: str, key: str, references: Sequence[Written], sent: Sent, *, until: float) -> None:
    body = json.dumps([_item(one) for one in references]).encode()
    answer = parsed(ask_zotero(f"{path}/items", key, refused=MAY_NOT_WRITE, until=until, post=body))
    written, failed = answer.get("successful"), answer.get("failed")
    if not isinstance(written, dict) or not isinstance(failed, dict):
        raise Stopped(fetch_library.UNREADABLE)
    sent.written += len(written)
    if failed:
        first = next(iter(failed.values()))
        sent.refused += len(failed)
        sent.message = sent.message or (str(first.get("message", ""))[:200] if isinstance(first, dict) else "")
        sent.why = REFUSED


def _item(reference: Written) -> dict[str, Any]:
    """Return the reference as Zotero's JSON: an arXiv paper as preprint, another with a DOI as article of a journal."""
    item: dict[str, Any] = {
        "itemType": "preprint" if reference.arxiv_id else "journalArticle" if reference.doi else "document",
        "title": reference.title,
        "creators": [{"creatorType": "author", "name": name} for name in reference.authors],
        "date": reference.on.isoformat() if reference.on else "",
        "url": reference.url,
        "extra": reference.note,
    }
    if reference.arxiv_id:
        item |= {"repository": "arXiv", "archiveID": f"arXiv:{reference.arxiv_id}"}
    return item | ({"DOI": reference.doi} if reference.doi else {})
