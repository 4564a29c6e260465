"""Parse lines of a mail server's log: time, program, message. Pure.

In: text of classic syslog, RFC 5424, ISO times (rsyslog, systemd), `journalctl -o json` or `json-pretty`, a container's
log, or JSON lines of our own form. Out: Lines, in their order. Each line is looked at once, whatever the file's size.
"""

from __future__ import annotations

import calendar
import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 65_536  # characters of a line, and of one JSON object written over many lines
# What stands before the line itself: the service's name of docker compose, the time of `docker logs -t`, that and the
# stream of Kubernetes.
_CONTAINER = re.compile(
    r"(?:(?:\x1b\[[\d;]{1,8}m)?[\w.-]{1,80}\s{1,40}\| (?:\x1b\[0m)?"
    r"|\d{4}-\d\d-\d\dT[\d:.]{8,20}Z (?:std(?:out|err) [FP] )?(?=<\d|[A-Z][a-z]{2} |\d{4}-))?"
)
# FreeBSD names facility and level before the host, some a level in its place, Solaris both behind the program.
_HOST = r"(?:<[\w.]{1,40}> )?\S+ {1,8}(?:mail\.\w{1,20} {1,8})?"
_PROGRAM = _HOST + r"(?P<program>[^\s:\[\]]+)(?:\[\d+\])?: {1,8}(?:\[ID \d{1,9} [\w.]{1,40}\] )?(?P<body>.*)"
_FORMS = (
    re.compile(r"(?:<\d{1,3}>)?(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?P<clock>[\d:.]{8,15}) " + _PROGRAM),
    re.compile(
        r"(?:(?:\d{1,5} )?<\d{1,3}>1 )?(?P<iso>\d{4}-\d\d-\d\dT[\d:.,]{8,20}(?:Z|[+-]\d\d:?\d\d)?) \S+ "
        r"(?P<program>[^\s:\[\]]+)(?:\[\d+\])? \S+ \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?\ufeff?(?P<body>.*)"
    ),
    re.compile(r"(?:<\d{1,3}>)?(?P<iso>\d{4}-\d\d-\d\d[T ][\d:.,]{8,20}(?:Z|[+-]\d\d:?\d\d)?) " + _PROGRAM),
    re.compile(r"[A-Z][a-z]{2} (?P<iso>\d{4}-\d\d-\d\d [\d:.]{8,15}) (?P<zone>\S+) " + _PROGRAM),
    re.compile(r"(?P<unix>\d{9,11}\.\d{3,9}) " + _PROGRAM),
    # Exim's own main log names no host and no program.
    re.compile(r"(?P<iso>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})?) (?P<body>.*)"),
)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_TIMES = ("time", "timestamp", "@timestamp", "at", "date", "ts")


class Line(NamedTuple):
    """``at``: UTC, None when it says no time. ``fields``: of a JSON line that is no log line of a program."""

    at: datetime | None
    program: str
    body: str
    fields: dict[str, Any] | None = None


def lines_of(texts: Iterable[str], *, now: datetime | None = None, zone: tzinfo = UTC) -> Iterator[Line]:
    """Yield the lines of a log. ``now`` gives the year of times without one, ``zone`` their time zone."""
    whole: list[str] = []  # of one JSON object written over many lines
    for text in texts:
        text = text.rstrip("\r\n").lstrip("\ufeff")
        if whole:
            whole.append(text)
            if text == "}" or len(whole) > LONGEST // 100:
                yield from _of_json("".join(whole)[:LONGEST], now=now, zone=zone)
                whole = []
        elif text.strip() == "{":
            whole = [text]
        elif text.lstrip().startswith("{"):
            yield from _of_json(text, now=now, zone=zone)
        elif line := _of_text(text, now=now, zone=zone):
            yield line


def _of_text(text: str, *, now: datetime | None, zone: tzinfo) -> Line | None:
    if container := _CONTAINER.match(text):
        text = text[container.end() :]
    for form in _FORMS:
        if match := form.fullmatch(text):
            found = match.groupdict()
            at = _moment(found, now=now, zone=zone)
            return Line(at, found.get("program") or "", found["body"])
    return None


def _of_json(text: str, *, now: datetime | None, zone: tzinfo) -> Iterator[Line]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(fields, dict):
        return
    if "MESSAGE" in fields:  # journald's own names; a field that is not UTF-8 is a list of bytes
        micros = _text(fields.get("__REALTIME_TIMESTAMP") or fields.get("_SOURCE_REALTIME_TIMESTAMP"))
        at = _from_unix(int(micros) / 1e6) if micros.isascii() and micros.isdecimal() and len(micros) < 20 else None
        program = _text(fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM"))
        yield Line(at, program, _text(fields["MESSAGE"])[:LONGEST])
    elif isinstance(fields.get("log"), str) and "message_id" not in fields:  # a container's line in its envelope
        inner = fields["log"].strip()
        if inner.startswith("{"):
            yield from _of_json(inner, now=now, zone=zone)
        elif line := _of_text(inner, now=now, zone=zone):
            yield line
    else:
        told = next((fields[name] for name in _TIMES if fields.get(name)), None)
        at = _from_unix(told) if isinstance(told, int | float) else _from_iso(str(told or ""), zone=zone)
        yield Line(at, "", "", fields)


def _text(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(value or "")


def _moment(found: dict[str, str | None], *, now: datetime | None, zone: tzinfo) -> datetime | None:
    if unix := found.get("unix"):
        return _from_unix(float(unix))
    if iso := found.get("iso"):
        return _from_iso(iso, zone=UTC if found.get("zone") in {"UTC", "GMT", "Z"} else zone)
    clock, month = found.get("clock"), _MONTHS.get(found.get("month") or "")
    if now is None or clock is None or month is None:
        return None
    for year in (now.year, now.year - 1):
        at = _from_iso(f"{year}-{month:02}-{int(found['day'] or 0):02} {clock}", zone=zone)
        if at is not None and at <= now + timedelta(days=1):
            return at
    return None


def _from_iso(text: str, *, zone: tzinfo) -> datetime | None:
    date, _, rest = text.partition(" ")  # "2026-11-29 22:40:07 +0100"
    try:
        at = datetime.fromisoformat(f"{date}T{rest.replace(' ', '')}" if rest else text)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _from_unix(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
