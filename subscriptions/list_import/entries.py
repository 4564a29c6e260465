"""Each line of a file as an entry: an address, what it is to us, and what makes it so.

In: rows and the plan of their file. Out: entries, and a reason for each line that cannot be one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext as _

from subscriptions import csv_related_rows, schedule, token_links
from subscriptions.addresses import Address, parse_address
from subscriptions.csv_cells import plain_cell
from subscriptions.csv_preferences import Refused, muted_from, preferences_in, told_interests
from subscriptions.list_import import names
from subscriptions.list_import.dates import read_moment
from subscriptions.list_import.reading_plan import standing_in
from subscriptions.list_import.states import Standing
from subscriptions.list_import.table import address_in
from subscriptions.list_import.tags import split_tags, stances_in
from subscriptions.models import Subscriber, Suppression
from subscriptions.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from subscriptions.list_import.reading_plan import Plan
    from subscriptions.list_import.table import Row

_FAULTS = {
    "quote": lambda: _("quotation mark: it opens here and is never closed; repair this line"),
    "wide": lambda: _("cells: more than there are columns; put a cell with a comma in it into quotation marks"),
}
_PREFERENCES = ("follows", "interests", *Preferences().columns)
READERS = (Standing.READER, Standing.PAUSED)
REASONS = {
    Standing.BOUNCED: Suppression.Reason.BOUNCE,
    Standing.COMPLAINED: Suppression.Reason.COMPLAINT,
    Standing.BARRED: Suppression.Reason.ADMIN,
    Standing.ERASED: Suppression.Reason.ERASED,
}
_STATES = {
    Standing.READER: Subscriber.State.CONFIRMED,
    Standing.PAUSED: Subscriber.State.PAUSED,
    Standing.LEFT: Subscriber.State.UNSUBSCRIBED,
    Standing.BARRED: Subscriber.State.SUPPRESSED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """``state``: of the reader's row that the line becomes, empty for none; ``reason``: of its suppression likewise."""

    line: int
    address: Address
    address_hash: str
    standing: Standing
    state: str = ""
    reason: str = ""
    confirmed_at: datetime | None = None
    left_at: datetime | None = None
    paused_until: datetime | None = None
    clicks_agreed_at: datetime | None = None
    source: str = ""
    written_source: str = ""
    preferences: Preferences | None = None
    muted_from: Mapping[str, str] | None = None
    interests: Sequence[Mapping[str, Any]] = ()  # as told
    rows: Mapping[str, Sequence[Any]] | None = None  # of `csv_related_rows`, by column


@dataclass(frozen=True, slots=True)
class Refusal:
    line: int
    email: str
    reason: str


def entries_of(
    rows: Iterable[Row], plan: Plan, *, slugs: Mapping[str, int], now: datetime
) -> Iterator[Entry | Refusal]:
    """Yield an entry or a refusal for each row. ``slugs``: the topics there are."""
    base = Preferences(time_zone=plan.answers.zone or "UTC")
    email_at = plan.places[names.EMAIL][0]
    for row in rows:
        text = plain_cell(row.cells[email_at]) if email_at < len(row.cells) else ""
        try:
            if row.fault:
                raise Refused(_FAULTS[row.fault]())
            yield _Reader(row, plan, slugs=slugs, base=base, now=now).entry(text)
        except Refused as refused:
            yield Refusal(row.line, text[:320], str(refused))


class _Reader:
    """Reader of one row by the plan of its file."""

    def __init__(self, row: Row, plan: Plan, *, slugs: Mapping[str, int], base: Preferences, now: datetime) -> None:
        self.row, self.plan, self.slugs, self.base, self.now = row, plan, slugs, base, now

    def entry(self, text: str) -> Entry:
        if not text.strip():
            raise Refused(_("address: there is none in this line"))
        try:
            address = _plain_address(text) or parse_address(address_in(text) or text)
        except ValueError as error:
            raise Refused(_("address: %s") % error) from None
        standing = standing_in(self.row.cells, self.plan)
        if standing is None:
            raise Refused(_("state: nobody knows this word; say what it means"))
        common: dict[str, Any] = {
            "line": self.row.line,
            "address": address,
            "address_hash": token_links.address_hash(address.key),
            "standing": standing,
        }
        if standing == Standing.UNCONFIRMED:
            raise Refused(_("state: not confirmed there; they must sign up here themselves"))
        if standing in REASONS and not (self.plan.is_ours and standing == Standing.BARRED):
            return Entry(**common, reason=REASONS[standing], left_at=self._left_at(standing))
        return self._with_row(common, standing)

    def _with_row(self, common: dict[str, Any], standing: Standing) -> Entry:
        """Somebody with a row of their own: a reader, one who left, or one of our own export who is suppressed."""
        is_reader = standing in READERS
        wishes = self._preferences() if is_reader or self.plan.is_ours else {"preferences": self.base}
        paused_until = self._moment("paused_until", may_lie_ahead=True)
        if standing == Standing.PAUSED and paused_until is None:
            raise Refused(_("paused_until is empty: until when? Add that column, or let them sign up here"))
        return Entry(
            **common,
            state=_STATES[standing],
            reason=self._suppressed_for(standing) if not is_reader else "",
            confirmed_at=self._confirmed_at(is_reader=is_reader),
            left_at=None if is_reader else self._left_at(standing),
            paused_until=paused_until,
            clicks_agreed_at=self._moment("clicks_agreed_at"),
            source=self._source(is_reader=is_reader),
            written_source=self._cell(names.SOURCE)[:100],
            rows=self._rows(),
            **wishes,
        )

    def _cell(self, role: str) -> str:
        places = self.plan.places.get(role)
        if not places or places[0] >= len(self.row.cells):
            return ""
        return plain_cell(self.row.cells[places[0]])

    def _heading(self, role: str) -> str:
        """Return what the file calls the column of that role."""
        places = self.plan.places.get(role) if self.plan.layout.has_header else None
        return self.plan.layout.names[places[0]] if places else role

    def _rows(self) -> dict[str, list[Any]]:
        """What our own export has of rows that hang on the reader. Its cells are JSON in ASCII, and may be long."""
        places = {name: self.plan.places[name][0] for name in csv_related_rows.COLUMNS if name in self.plan.places}
        return csv_related_rows.rows_in(
            {name: self.row.cells[place].strip() for name, place in places.items() if place < len(self.row.cells)}
        )

    # --- consent ---

    def _confirmed_at(self, *, is_reader: bool) -> datetime | None:
        try:
            found = self._moment(names.CONFIRMED_AT) or self._moment(names.SIGNED_UP_AT) or self._joined_at()
        except Refused:
            if is_reader or self.plan.is_ours:
                raise
            return None  # for somebody who left it is of no account
        if found is None and is_reader:
            found = self._in_bounds("confirmed_at", _moment_in(self.plan.answers.confirmed_at, self.plan))
            if found is None and not self._is_asked("confirmed_at_all"):
                raise Refused(_("confirmed_at is empty: when did they agree?"))
        return found

    def _source(self, *, is_reader: bool) -> str:
        source = self._cell("consent_source") or self.plan.answers.consent_source
        if is_reader and not source and not self._is_asked("consent_source"):
            raise Refused(_("consent_source is empty: where did they agree?"))
        return source[:300]

    def _is_asked(self, question: str) -> bool:
        return any(one.id == question and one.is_required for one in self.plan.questions)

    def _left_at(self, standing: Standing) -> datetime | None:
        role = {Standing.BOUNCED: names.BOUNCED_AT, Standing.COMPLAINED: names.COMPLAINED_AT}.get(
            standing, names.LEFT_AT
        )
        try:
            return self._moment(role) or self._moment(names.LEFT_AT)
        except Refused:
            if self.plan.is_ours:
                raise
            return None  # that they left counts, whatever the date looks like

    def _suppressed_for(self, standing: Standing) -> str:
        reason = self._cell("suppressed_for") or (Suppression.Reason.ADMIN if standing == Standing.BARRED else "")
        if reason and reason not in Suppression.Reason.values:
            raise Refused(_("suppressed_for: not one of %s") % ", ".join(Suppression.Reason.values))
        return reason

    # --- dates ---

    def _moment(self, role: str, *, may_lie_ahead: bool = False) -> datetime | None:
        text = self._cell(role)
        try:
            moment = _moment_in(text, self.plan)
        except (ValueError, OverflowError):
            raise Refused(
                _("%(column)s is not a date and time such as 2026-03-18T09:30:00+01:00")
                % {"column": self._heading(role)}
            ) from None
        return moment if may_lie_ahead else self._in_bounds(role, moment)

    def _in_bounds(self, role: str, moment: datetime | None) -> datetime | None:
        if moment is not None and moment.year < 1970:
            raise Refused(_("%(column)s lies before 1970") % {"column": self._heading(role)})
        if moment is not None and moment > self.now:
            raise Refused(_("%(column)s lies in the future") % {"column": self._heading(role)})
        return moment

    def _joined_at(self) -> datetime | None:
        """The date that Google Groups writes into six columns."""
        parts = [self._cell(role) for role in names.JOINED]
        if not parts[0]:
            return None
        zone = self._cell(names.ZONE)
        try:
            moment = datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            raise Refused(_("join date: not a date")) from None
        known = schedule.zone_named(zone) if schedule.is_zone(zone) else _zone(self.plan.answers.zone)
        return self._in_bounds("join date", moment.replace(tzinfo=known))

    # --- preferences ---

    def _preferences(self) -> dict[str, Any]:
        """What the columns say about wishes, as fields of an entry."""
        cells = {name: self._cell(name) for name in _PREFERENCES if name in self.plan.places}
        cells["topics"] = " ".join(self._topics())
        zone, language = self._cell(names.ZONE), self._cell(names.LANGUAGE).replace("_", "-").casefold()
        if schedule.is_zone(zone) and names.JOINED[0] not in self.plan.places:
            cells["time_zone"] = zone
        with suppress(LookupError):
            cells["language"] = get_supported_language_variant(language)
        if not any(cells.values()):
            return {"preferences": self.base}
        cells["time_zone"] = cells.get("time_zone") or self.base.time_zone
        return {
            "preferences": _preferences_in(tuple(cells.items()), tuple(self.slugs)),
            "muted_from": muted_from(cells["topics"]),
            "interests": told_interests(cells.get("interests", "")),
        }

    def _topics(self) -> list[str]:
        """Topics as we export them: the words of our own column, and the tags that mean one."""
        words: dict[str, str] = {}
        for word in stances_in(self._cell("topics"), self.plan.topics) if "topics" in self.plan.places else ():
            name, sign, stance = word.partition(":")
            slug = self.plan.topics.get(name.casefold(), name)
            if words.setdefault(slug, sign + stance) != sign + stance:
                raise Refused(_("topics: %r is there twice, with different wishes") % slug)
        for place in self.plan.places.get(names.TAGS, ()):
            cell = self.row.cells[place] if place < len(self.row.cells) else ""
            for tag in split_tags(cell) if cell else ():
                words.setdefault(self.plan.topics.get(tag.casefold(), ""), "")
        return [slug + stance for slug, stance in words.items() if slug]


@lru_cache(maxsize=4096)
def _preferences_in(cells: tuple[tuple[str, str], ...], slugs: tuple[str, ...]) -> Preferences:
    """Return the preferences in these cells. Cached: readers of one list want much the same."""
    return preferences_in(dict(cells), topics=dict.fromkeys(slugs, 0))


_PLAIN = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*")


def _plain_address(text: str) -> Address | None:
    """What `parse_address` makes of a plain address, without judging its domain again; None for any other."""
    local, _at, domain = text.partition("@")
    if len(local) > 64 or not _PLAIN.fullmatch(local) or not (known := _domain_of(domain)) or len(text) > 254:
        return None
    return Address(email=f"{local}@{known}", key=f"{local.casefold()}@{known}", domain=known)


@lru_cache(maxsize=65536)
def _domain_of(domain: str) -> str:
    """The domain as mail is sent to it; empty when it is none."""
    try:
        return parse_address(f"a@{domain}").domain if domain.isascii() else ""
    except ValueError:
        return ""


def _moment_in(text: str, plan: Plan) -> datetime | None:
    """The instant in a cell, in the zone of the file where it names none; None for an empty one."""
    if not text:
        return None
    moment = read_moment(text, order=plan.order)
    return moment if moment.tzinfo else moment.replace(tzinfo=_zone(plan.answers.zone))


def _zone(name: str) -> Any:
    return schedule.zone_named(name) if name else UTC
