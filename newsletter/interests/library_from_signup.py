"""What somebody brings while they sign up: read at once, kept with the request, put into their library once confirmed.

In: a pasted list or a file. Out: plain values that the consent record can hold, later LibraryEntry rows. The readers'
package knows these functions by the settings READ_LIBRARY and KEEP_LIBRARY.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from newsletter.interests.library import Entry, Reading, Refusal, read_library
from newsletter.interests.library.entries import gettext_noop
from newsletter.interests.library_entries import add_entries
from newsletter.models import LibraryEntry
from subscriptions.models import Subscriber

MOST_BYTES, MOST_ENTRIES = 1_000_000, 500  # anybody may send these; a confirmed reader's page takes more
_REFUSED_KEPT, _ABSTRACT_KEPT = 10, 1_500
_TOO_LARGE = gettext_noop("This is too large for signing up. Bring it once you have confirmed your address.")
_TOO_MANY = gettext_noop("From here on nothing was read. Bring the file again once you have confirmed your address.")


def read_at_signup(data: bytes) -> dict[str, Any]:
    """Return ``entries``, each [title, arXiv id, DOI, abstract], and ``refused``, each [line, sentence]."""
    if len(data) > MOST_BYTES:
        reading = Reading(refused=[Refusal(1, _TOO_LARGE)])
    else:
        reading = read_library(data, today=timezone.now().date())
    kept, beyond = reading.entries[:MOST_ENTRIES], reading.entries[MOST_ENTRIES:]
    refused = [(refusal.line, refusal.why) for refusal in reading.refused[:_REFUSED_KEPT]]
    refused += [(entry.line, _TOO_MANY) for entry in beyond[:1]]
    return {
        "entries": [[entry.title, entry.arxiv_id, entry.doi, entry.abstract[:_ABSTRACT_KEPT]] for entry in kept],
        "refused": [list(refusal) for refusal in refused],
    }


def entries_of(library: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that `read_at_signup` wrote down."""
    return [Entry(title, arxiv_id, doi, 0, abstract) for title, arxiv_id, doi, abstract in library["entries"]]


def keep_from_signup(reader: Subscriber, library: Mapping[str, Any], *, now: datetime) -> None:
    """Put what was brought into the library of the reader, who has confirmed."""
    add_entries(reader, entries_of(library), source=LibraryEntry.Source.UPLOADED, now=now)
