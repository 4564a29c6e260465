"""Dates and times as programs, spreadsheets and people write them.

In: a cell. Out: an instant, or a local time where the cell names no zone; the orders of day and month it can be read
in. 03/04/2024 has two: the file is asked about, never guessed. Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "dmy", "mdy", "ymd"
ORDERS = (DAY_FIRST, MONTH_FIRST, YEAR_FIRST)
LONGEST = 80

_NUMERIC = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?!\d)(.*)", re.DOTALL)
_DAY_WORD_YEAR = re.compile(
    r"(?:[^\W\d_]+\.?,?\s+)?(\d{1,2})(?:\.|st|nd|rd|th)?[\s-]+([^\W\d_]+)\.?,?[\s-]+(\d{4}|\d{2})\b(?!:)(.*)"
)
_WORD_DAY_YEAR = re.compile(
    r"(?:[^\W\d_]+\.?,?\s+)?([^\W\d_]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4}|\d{2})\b(?!:)(.*)"
)
_WORD_DAY_TIME_YEAR = re.compile(r"[^\W\d_]+\s+([^\W\d_]+)\s+(\d{1,2})\s+(\d\d:\d\d:\d\d)(\s+[A-Z]{3,4})?\s+(\d{4})")
_TIME = re.compile(
    r"[\s,T]*(?:(?:at|um)\s+)?(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(?:uhr\b)?\s*([ap])?\.?(?:m\b)?\.?"
    r"\s*(?:(Z|UTC|GMT|CEST|CET|MESZ|MEZ|EST|EDT|CDT|MST|MDT|PST|PDT)\b)?\s*(?:([+-])(\d{1,2}):?(\d{2})?)?\s*(?:\([^)]*\))?",
    re.IGNORECASE,
)
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]+(\d.*)")
# RFC 5322, 4.3. CST is China's too.
_ZONE_HOURS = {"CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6}
_ZONE_HOURS |= {"PST": -8, "PDT": -7}
# Chinese and Japanese, French, Spanish and Portuguese, in the words that the patterns above know.
_REWORDED = (
    (re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日"), r"\1-\2-\3 "),
    (re.compile(r"\b(\d{1,2}) ?(?:[h時时点:])(\d{2})(?:分(\d{1,2})秒|分)?"), r"\1:\2"),
    (re.compile(r"(?<=\d)er\b|\b(?:de|à|a las)\b", re.IGNORECASE), " "),
)
_MONTHS = (
    ("jan", "jän", "ene", "gen"), ("feb", "fév", "fev"), ("mar", "mär", "mae"), ("apr", "avr", "abr"),
    ("may", "mai", "mag"), ("jun", "juin", "giu"), ("jul", "juil", "lug"), ("aug", "aoû", "aou", "ago"),
    ("sep", "set"), ("oct", "okt", "ott"), ("nov",), ("dec", "dez", "déc", "dic"),
)  # fmt: skip
_MONTH_OF = {start: number for number, starts in enumerate(_MONTHS, 1) for start in starts}


def orders_of(text: str) -> frozenset[str]:
    """Orders in which day, month and year can stand in the cell; empty when it leaves no doubt, or is no such date."""
    found = _NUMERIC.fullmatch(text.strip()[:LONGEST])
    if found is None or len(found[1]) > 2:
        return frozenset()
    possible = frozenset(order for order in ORDERS if _date_in(order, found) is not None)
    is_clear = found[2] == "." and DAY_FIRST in possible  # nobody writes month.day.year with dots
    return frozenset() if is_clear else possible


def read_moment(text: str, *, order: str = "") -> datetime:
    """The instant in the cell, without a zone where it names none. Raises ValueError when it is no date.

    ``order`` is for dates such as 03/04/2024; without it those are no dates.
    """
    text = " ".join(text.split())[:LONGEST]
    moment = _read_number(text) if text.replace(".", "", 1).isdigit() else None
    for read in (_read_iso, _read_numeric, _read_words, _read_reworded):
        moment = moment or read(text, order)
    if moment is None:
        raise ValueError(f"not a date: {text!r}")
    return moment


def is_date(text: str) -> bool:
    """Whether the cell can be read as a date in one order or another; bare numbers only as those of spreadsheets."""
    try:
        read_moment(text, order=next(iter(sorted(orders_of(text))), ""))
    except ValueError:
        return False
    return True


def _read_iso(text: str, order: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        found = _ISO.fullmatch(text)
        return _at(datetime.fromisoformat(found[1]), found[2]) if found and _is_iso_day(found[1]) else None


def _is_iso_day(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _read_number(text: str) -> datetime | None:
    """Seconds or milliseconds since 1970, or days since 1900 as a spreadsheet counts them."""
    whole = text.partition(".")[0]
    if len(whole) in (10, 13):
        seconds = float(text) / (1000 if len(whole) == 13 else 1)
        return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds < 4e9 else None
    if len(whole) == 5 and 20_000 <= int(whole) < 80_000:
        return datetime(1899, 12, 30) + timedelta(seconds=round(float(text) * 86_400))  # noqa: DTZ001  (a local time)
    return None


def _read_numeric(text: str, order: str) -> datetime | None:
    found = _NUMERIC.fullmatch(text)
    if found is None:
        return None
    if len(found[1]) > 2:
        order = YEAR_FIRST
    elif found[2] == "." and _date_in(DAY_FIRST, found) is not None:
        order = DAY_FIRST
    day = _date_in(order, found) if order else None
    return _at(day, found[5]) if day is not None else None


def _date_in(order: str, found: re.Match[str]) -> datetime | None:
    parts = dict(zip(order, (found[1], found[3], found[4]), strict=True))
    year = parts["y"]
    if len(year) not in (2, 4) or len(parts["m"]) > 2 or len(parts["d"]) > 2:
        return None
    return _day(int(year) + (2000 if len(year) == 2 else 0), int(parts["m"]), int(parts["d"]))


def _read_words(text: str, order: str) -> datetime | None:
    if found := _DAY_WORD_YEAR.fullmatch(text):
        day, word, year, rest = found.groups()
    elif found := _WORD_DAY_YEAR.fullmatch(text):
        word, day, year, rest = found.groups()
    elif found := _WORD_DAY_TIME_YEAR.fullmatch(text):
        word, day, clock, zone, year = found.groups()
        rest = clock + (zone or "")
    else:
        return None
    month = _month(word)
    on = _day(int(year) + (2000 if len(year) == 2 else 0), month, int(day)) if month else None
    return _at(on, rest) if on is not None else None


def _read_reworded(text: str, order: str) -> datetime | None:
    plain = text
    for pattern, written in _REWORDED:
        plain = pattern.sub(written, plain)
    plain = " ".join(plain.split())
    return None if plain == text else _read_numeric(plain, order) or _read_words(plain, order)


@lru_cache(maxsize=256)
def _month(word: str) -> int | None:
    lowered = word.casefold()
    return _MONTH_OF.get(lowered[:4]) or _MONTH_OF.get(lowered[:3])


def _day(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day)  # noqa: DTZ001  (a local time: the caller knows the zone of the file)
    except ValueError:
        return None


def _at(day: datetime, rest: str) -> datetime | None:
    """Return the day at the time that the rest of the cell names; None when it is no time."""
    if not rest.strip(" ,T"):
        return day
    found = _TIME.fullmatch(rest)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    moment = day.replace(hour=hour, minute=minute, second=second)
    return _with_zone(moment, found)


def _with_zone(moment: datetime, found: re.Match[str]) -> datetime:
    if found[6]:
        offset = timedelta(hours=int(found[7]), minutes=int(found[8] or 0))
        return moment.replace(tzinfo=timezone(offset if found[6] == "+" else -offset))
    if found[5]:
        return moment.replace(tzinfo=timezone(timedelta(hours=_ZONE_HOURS.get(found[5].upper(), 0))))
    return moment
