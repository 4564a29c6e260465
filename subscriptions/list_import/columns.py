"""What each column of a file holds, told by its name and by what stands in it.

In: the layout and the first rows. Out: the role of every column, and where two columns want the same one. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from subscriptions.list_import import names
from subscriptions.list_import.dates import is_date
from subscriptions.list_import.programs import PAPERBOY, program_of
from subscriptions.list_import.states import DEPARTURES, standing_of, yes_or_no
from subscriptions.list_import.table import address_in
from subscriptions.list_import.tags import split_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from subscriptions.list_import.table import Layout, Row

IGNORE = ""
# Columns of our own export beside the roles of other programs' (`names`).
OWN = (
    "confirmed_at", "consent_source", "topics", "follows", "interests", "cadence", "weekdays", "hour", "time_zone",
    "max_papers", "thin_policy", "wants_outside", "wants_news", "wants_also", "wants_reasons", "mail_format",
    "language", "state", "left_at", "paused_until", "clicks_agreed_at", "suppressed_for",
    "catch_ups", "library", "verdicts", "removals",
)  # fmt: skip
OURS_ALONE = frozenset({"interests", "catch_ups", "library", "verdicts", "removals"})  # elsewhere something else
ROLES = (
    names.EMAIL, *OWN, *names.DATES, *names.FLAGS, names.TAGS, names.SOURCE, names.ZONE, names.LANGUAGE, *names.JOINED,
)  # fmt: skip
# Roles that more than one column may have: the gravest state counts, and all tags.
SHARED = frozenset({names.STATE, names.TAGS, *names.FLAGS})
_DATE_OF_FLAG = {
    names.IS_CONFIRMED: names.CONFIRMED_AT,
    names.WANTS_MAIL: names.SIGNED_UP_AT,
    names.WANTS_NO_MAIL: names.LEFT_AT,
    names.BOUNCED: names.BOUNCED_AT,
    names.COMPLAINED: names.COMPLAINED_AT,
}
_FLAG_OF_DATE = {date: flag for flag, date in _DATE_OF_FLAG.items()}
_AGREEING = ("confirm", "opt", "subscri", "sign", "join", "consent", "agree", "anmeld", "bestätig", "einwillig")


@dataclass
class Evidence:
    """Counts of the filled cells of a column, and of those that hold an address, a date and so on."""

    filled: int = 0
    addresses: int = 0
    dates: int = 0
    numbers: int = 0
    flags: int = 0
    standings: int = 0
    departures: int = 0
    topics: int = 0

    def add(self, cell: str, topics: AbstractSet[str]) -> None:
        text = cell.strip()
        if not text:
            return
        is_number = text.replace(".", "", 1).isdigit()
        self.filled += 1
        self.addresses += bool(address_in(text))
        self.numbers += is_number
        self.dates += is_date(text)
        self.flags += yes_or_no(text) is not None
        standing = standing_of(text)
        self.standings += standing is not None
        self.departures += standing in DEPARTURES
        tags = split_tags(text)
        self.topics += bool(tags) and all(tag.casefold() in topics for tag in tags)

    def is_mostly(self, kind: int) -> bool:
        return kind * 2 > self.filled


@dataclass
class Recognised:
    """The role of each column by its name. ``rivals``: roles that several columns want, and which."""

    roles: dict[str, str] = field(default_factory=dict)
    rivals: dict[str, list[str]] = field(default_factory=dict)


def recognise(
    layout: Layout, rows: Iterable[Row], *, topics: AbstractSet[str], corrected: Mapping[str, str]
) -> Recognised:
    """The role of every column. ``topics``: names and slugs in lower case; ``corrected``: what a person said."""
    evidence = [Evidence() for _name in layout.names]
    cells_of: list[list[str]] = []
    for row in rows:
        cells_of.append(row.cells)
        for one, cell in zip(evidence, row.cells, strict=False):
            one.add(cell, topics)
    heading = (lambda name: name) if layout.has_header else (lambda name: "")
    free = [place for place, name in enumerate(layout.names) if name not in corrected]
    found = Recognised(dict.fromkeys(layout.names, IGNORE) | dict(corrected))
    taken = {role for role in corrected.values() if role}
    for place in free:
        role = _role(heading(layout.names[place]), evidence[place], is_ours=program_of(layout.names) == PAPERBOY)
        if role not in taken or role in SHARED:
            found.roles[layout.names[place]] = role
    _choose_address(found, layout, evidence, cells_of, free=[] if names.EMAIL in taken else free)
    _choose_date(found, layout, evidence, free=free)
    _keep_one_each(found, layout.names)
    return found


def _role(heading: str, seen: Evidence, *, is_ours: bool) -> str:
    own, role = heading.strip().casefold(), names.role_by_name(heading)
    if own in OWN and (is_ours or own not in OURS_ALONE) and own not in names.DATES and own != names.STATE:
        return own
    if role in names.DATES:
        return _of_dates(role, seen)
    if role in names.FLAGS:
        return _of_flags(role, seen, is_whole_name=names.is_known_name(heading))
    if role == names.STATE:
        return _of_states(heading, seen)
    if role == names.SOURCE and seen.filled and seen.is_mostly(seen.departures):
        return names.STATE  # "Spam Complaint" as the source of a suppression
    is_answer = bool(seen.filled) and seen.is_mostly(seen.flags)
    if role == names.EMAIL or (not role and names.says_other_thing(heading)):
        return names.role_of_answers(heading) if is_answer else IGNORE  # an address column is chosen among all
    return role or (names.role_of_answers(heading) if is_answer else "") or _by_content(seen)


def _of_dates(role: str, seen: Evidence) -> str:
    """Return the role of a column named as one of dates: kept where no cell can be read, so that each is refused."""
    is_flag = seen.filled and not seen.is_mostly(seen.dates) and seen.is_mostly(seen.flags)
    return _FLAG_OF_DATE[role] if is_flag else role


def _of_flags(role: str, seen: Evidence, *, is_whole_name: bool) -> str:
    if not seen.filled and role == names.WANTS_MAIL and not is_whole_name:
        return IGNORE  # an empty OPTIN_IP does not say that nobody wants mail
    if not seen.filled or seen.is_mostly(seen.flags):
        return role
    if seen.is_mostly(seen.dates):
        return _DATE_OF_FLAG.get(role, IGNORE)
    if seen.is_mostly(seen.standings):
        return names.STATE
    return IGNORE if role in (names.WANTS_MAIL, names.IS_CONFIRMED) else role  # a reason says that they left


def _of_states(heading: str, seen: Evidence) -> str:
    """Return the role of a column named as one of states, whose other words must then be asked about.

    A status of a known name is one, and each column that says of anybody that they left or may not be mailed.
    """
    is_known = names.is_known_name(heading)
    words = names.plain_heading(heading).split()
    is_status = is_known and any(one.endswith(("status", "statut", "estado", "zustand")) for one in words)
    if not is_known and (not seen.filled or names.says_other_thing(heading)):
        return IGNORE
    is_one = is_status or not seen.filled or seen.departures or seen.is_mostly(seen.standings)
    return names.STATE if is_one else IGNORE


def _by_content(seen: Evidence) -> str:
    if seen.filled and seen.standings == seen.filled and not seen.numbers:
        return names.STATE
    return names.TAGS if seen.filled and seen.is_mostly(seen.topics) else IGNORE


def _choose_address(
    found: Recognised, layout: Layout, evidence: Sequence[Evidence], table: Sequence[Sequence[str]], *, free: list[int]
) -> None:
    full = [place for place in free if evidence[place].filled and evidence[place].is_mostly(evidence[place].addresses)]
    named = [place for place in free if names.role_by_name(layout.names[place].partition(" (")[0]) == names.EMAIL]
    some = [place for place in free if evidence[place].addresses]
    wanted = full or [place for place in named if place in some] or some[:1] or named[:1]
    for place in wanted[:1]:
        found.roles[layout.names[place]] = names.EMAIL
    others = [place for place in wanted[1:] if not _agree(table, wanted[0], place)]
    if others:
        found.rivals[names.EMAIL] = [layout.names[place] for place in (wanted[0], *others)]


def _agree(table: Sequence[Sequence[str]], first: int, second: int) -> bool:
    pairs = [(cells[first], cells[second]) for cells in table if len(cells) > max(first, second)]
    return all(one.strip().casefold() == other.strip().casefold() for one, other in pairs)


def _choose_date(found: Recognised, layout: Layout, evidence: Sequence[Evidence], *, free: list[int]) -> None:
    """Take the one column of dates that no name speaks about; where there are several, a person must say."""
    if {names.CONFIRMED_AT, names.SIGNED_UP_AT, *names.JOINED} & set(found.roles.values()):
        return
    unnamed = [
        layout.names[place]
        for place in free
        if not found.roles[layout.names[place]]
        and evidence[place].filled
        and (evidence[place].dates - evidence[place].numbers) * 2 > evidence[place].filled
        and not (layout.has_header and names.is_no_date_of_joining(layout.names[place]))
    ]
    if len(unnamed) == 1:
        found.roles[unnamed[0]] = names.CONFIRMED_AT
    elif unnamed:
        found.rivals[names.CONFIRMED_AT] = unnamed


def _keep_one_each(found: Recognised, order: Sequence[str]) -> None:
    """Keep one column a role: the one whose name speaks of agreeing, else the first."""
    for role in set(found.roles.values()) - SHARED - {IGNORE}:
        same = [name for name in order if found.roles[name] == role]
        best = max(same, key=lambda name: any(word in names.plain_heading(name) for word in _AGREEING))
        for name in same:
            if name != best:
                found.roles[name] = IGNORE
