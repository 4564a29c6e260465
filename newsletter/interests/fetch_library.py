"""A reader's library fetched once from Zotero or ORCID.

In: a number or address of a Zotero library, a Zotero API key, or an ORCID iD. Out: entries as a file would give, and
one sentence when not all could be fetched. The key is used for this one import and kept nowhere, so a library does not
refresh itself. At most `SECONDS` pass: what was read until then counts, and `rest` says where to go on.

https://www.zotero.org/support/dev/web_api/v3/basics and https://info.orcid.org/documentation/api-tutorials/
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from newsletter.catalogue import http_client
from newsletter.catalogue.http_client import FetchError, FetchPolicy, FetchResponse, HostBusy
from newsletter.interests.library import csl
from newsletter.interests.library.entries import (
    Entry,
    Reading,
    Reference,
    TooManyReferencesError,
    add,
    gettext_noop,
)

SECONDS = 20.0  # of one import; a page waits for it
_WAIT_FOR_TURN = 3.0  # seconds, while another reader's import asks the same host
_PAGE = 100  # items; the most that Zotero gives at once
_MOST_ITEMS = 10_000
_LARGEST_ANSWER = 16 * 2**20  # bytes
_KINDS = frozenset({"application/json", "application/vnd.citationstyles.csl+json", "application/vnd.orcid+json"})
_LIBRARY = re.compile(
    r"(?:https?://(?:www\.|api\.)?zotero\.org/)?(?:(users?|groups?)/)?(\d{1,12})(?:/.*)?", re.IGNORECASE
)
_KEY = re.compile(r"[A-Za-z0-9]{8,64}")
_ORCID = re.compile(r"(?:https?://(?:www\.)?orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])/?", re.IGNORECASE)
_OWN = frozenset({"", "self", "version-of"})  # "part-of" names the book that holds the chapter

NO_LIBRARY = gettext_noop(
    "Give the number of a Zotero library, its address with that number, or an API key. "
    "Your number is at zotero.org/settings/keys."
)
NO_KEY = gettext_noop("This is no Zotero API key. Copy it from zotero.org/settings/keys, where you can make one.")
NO_ORCID = gettext_noop("This is no ORCID iD. Give sixteen digits such as 0000-0002-1825-0097.")
PRIVATE = gettext_noop(
    "Zotero refused: this library is private. Make an API key that may read it at zotero.org/settings/keys "
    "and give it here."
)
WRONG_KEY = gettext_noop("Zotero refused this key. Check that it is whole and may read this library.")
UNKNOWN_LIBRARY = gettext_noop("Zotero has no library with this number.")
UNKNOWN_ORCID = gettext_noop("ORCID has no record with this iD.")
BUSY = gettext_noop("{site} is busy. Try again in a few minutes.")
UNREADABLE = gettext_noop(
    "The answer of {site} could not be read. Try again later, or export a file there and bring that."
)
AWAY = gettext_noop("{site} could not be reached. Try again later, or export a file there and bring that.")
MORE = gettext_noop("{site} holds more than could be read at once. Press the button once more to read on.")


@dataclass(slots=True)
class Fetched:
    """What an import gave. ``why``: the sentence when it is not all, with {site} for ``site``. ``rest``: the item to
    go on with, 0 when nothing is left."""

    site: str
    entries: list[Entry] = field(default_factory=list)
    unnamed: int = 0  # items with neither title nor identifier
    why: str = ""
    rest: int = 0

    def take(self, reading: Reading) -> None:
        self.entries += reading.entries
        self.unnamed += len(reading.refused)


class Stopped(Exception):
    """Ends an import or export; the message is the sentence for the reader, with {site} for the site."""


def fetch_zotero(library: str, key: str = "", *, start: int = 0) -> Fetched:
    """Read a Zotero library, newest items first, from item ``start`` on. A key alone reads the library of its owner."""
    fetched, until = Fetched("Zotero", rest=start), time.monotonic() + SECONDS
    key = key.strip()
    try:
        path = zotero_path(library.strip(), key, until=until)
        while True:
            query = f"format=csljson&limit={_PAGE}&start={fetched.rest}&sort=dateAdded&direction=desc"
            answer = ask_zotero(f"{path}/items?{query}", key, refused=WRONG_KEY if key else PRIVATE, until=until)
            fetched.take(_csl_entries(answer))
            fetched.rest += _PAGE
            if not _goes_on(answer, fetched.rest):
                fetched.rest = 0
                return fetched
    except Stopped as stopped:
        fetched.why = str(stopped)
        return fetched


def zotero_path(library: str, key: str, *, until: float) -> str:
    if key and not _KEY.fullmatch(key):
        raise Stopped(NO_KEY)
    if key and not library:
        owner = parsed(ask_zotero("/keys/current", key, refused=WRONG_KEY, unknown=WRONG_KEY, until=until)).get(
            "userID"
        )
        return f"/users/{_number(owner)}"
    match = _LIBRARY.fullmatch(library)
    if match is None:
        raise Stopped(NO_LIBRARY)
    return f"/{'groups' if (match[1] or '').casefold().startswith('g') else 'users'}/{match[2]}"


def _number(owner: Any) -> int:
    if not isinstance(owner, int):
        raise Stopped(UNREADABLE)
    return owner


def _csl_entries(answer: FetchResponse) -> Reading:
    if not isinstance(parsed(answer).get("items"), list):
        raise Stopped(UNREADABLE)
    try:
        return csl.read(answer.body.decode("utf-8", "replace"), timezone.now().date())
    except TooManyReferencesError:
        raise Stopped(UNREADABLE) from None


def _goes_on(answer: FetchResponse, start: int) -> bool:
    """Whether another page follows, by the Link header, else by Total-Results."""
    if link := answer.headers.get("Link", ""):
        return 'rel="next"' in link
    total = answer.headers.get("Total-Results", "")
    return total.isdecimal() and start < int(total[:9])


def ask_zotero(
    path: str, key: str, *, refused: str, until: float, unknown: str = UNKNOWN_LIBRARY, post: bytes | None = None
) -> FetchResponse:
    """The answer of Zotero to one request. Raises Stopped with a sentence; ``refused``: that for a key that may not."""
    headers = {"Zotero-API-Version": "3"} | ({"Zotero-API-Key": key} if key else {})
    headers |= {} if post is None else {"Content-Type": "application/json"}
    why = {401: refused, 403: refused, 404: unknown}
    return _ask(settings.ZOTERO_API_URL + path, headers, why=why, until=until, post=post)


def fetch_orcid(orcid: str) -> Fetched:
    """Read the public works of an ORCID iD: each once, by the identifiers that are its own."""
    fetched, today = Fetched("ORCID"), timezone.now().date()
    match = _ORCID.fullmatch(orcid.strip())
    try:
        if match is None or not _has_right_checksum(match[1].upper()):
            raise Stopped(NO_ORCID)
        address = f"{settings.ORCID_API_URL}/v3.0/{match[1].upper()}/works"
        why, until = {404: UNKNOWN_ORCID, 409: UNKNOWN_ORCID}, time.monotonic() + SECONDS
        found = parsed(_ask(address, {"Accept": "application/json"}, why=why, until=until))
        groups, reading = found.get("group"), Reading()
        if not isinstance(groups, list):
            raise Stopped(UNREADABLE)
        for group in groups[:_MOST_ITEMS]:
            add(reading, _work(group), today=today)
        fetched.take(reading)
    except Stopped as stopped:
        fetched.why = str(stopped)
    return fetched


def _has_right_checksum(orcid: str) -> bool:
    """ISO 7064 MOD 11-2: https://support.orcid.org/hc/en-us/articles/360006897674."""
    plain = orcid.replace("-", "")
    total = 0
    for digit in plain[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == plain[-1]


def _work(group: Any) -> Reference:
    """Merge what several sources say of one work: the title of the first, the identifiers of all."""
    summaries = _list_at(group, "work-summary")
    named: dict[str, list[str]] = {"doi": [], "arxiv": []}
    for summary in summaries:
        for outside in _list_at(_at(summary, "external-ids"), "external-id"):
            kind, value = str(_at(outside, "external-id-type")).casefold(), _at(outside, "external-id-value")
            if kind in named and isinstance(value, str) and (_at(outside, "external-id-relationship") or "") in _OWN:
                named[kind].append(value)
    titles = [_at(summary, "title", "title", "value") for summary in summaries]
    links = [_at(summary, "url", "value") for summary in summaries]
    return Reference(
        title=next((title for title in titles if isinstance(title, str)), ""),
        line=0,
        doi=next(iter(named["doi"]), ""),
        eprint=(*named["arxiv"], *named["doi"]),
        links=tuple(link for link in links if isinstance(link, str)),
    )


def _at(found: Any, *path: str) -> Any:
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _list_at(found: Any, name: str) -> list[Any]:
    inner = _at(found, name)
    return inner if isinstance(inner, list) else []


def _ask(
    address: str, headers: Mapping[str, str], *, why: Mapping[int, str], until: float, post: bytes | None = None
) -> FetchResponse:
    """Ask the host when it is our turn. ``why``: what an answer other than 200 means here."""
    parts, patience = urlsplit(address), time.monotonic() + _WAIT_FOR_TURN
    while (left := until - time.monotonic()) > 0:
        rules = FetchPolicy(
            scheme=parts.scheme,
            public_only=parts.scheme == "https",  # another scheme is the operator's own setting
            redirects=0,
            max_bytes=_LARGEST_ANSWER,
            in_all=left,
            wrong_questions=frozenset({400, *why}),
        )
        try:
            return http_client.fetch(
                address,
                hosts=frozenset({parts.hostname or ""}),
                content_types=_KINDS,
                now=timezone.now(),
                spacing=timedelta(),
                headers=headers,
                rules=rules,
                post=post,
            )
        except HostBusy:
            if time.monotonic() > patience:
                raise Stopped(BUSY) from None
            time.sleep(0.2)
        except FetchError as error:
            raise Stopped(_why(error, why)) from None
    raise Stopped(MORE)


def _why(error: FetchError, why: Mapping[int, str]) -> str:
    if error.status is not None and error.status in why:
        return why[error.status]
    if error.status in {429, 503}:
        return BUSY
    return AWAY if error.status is None or error.status >= 500 else UNREADABLE


def parsed(answer: FetchResponse) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Stopped(UNREADABLE) from None
    if not isinstance(found, dict):
        raise Stopped(UNREADABLE)
    return found
