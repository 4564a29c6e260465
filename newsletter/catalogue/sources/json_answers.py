"""Values out of JSON that somebody else wrote: each is of the type it should be, or empty. Pure.

In: bytes, and what was read of them. Out: mappings, texts, lists, counters and days; SourceError for what is no JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from newsletter.catalogue.sources.observed_paper import SourceError

_COUNT_LIMIT = 2_000_000_000
_DAY = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?![0-9])")


def json_of(data: bytes) -> Any:
    """The answer's JSON. Raises SourceError for anything else."""
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise SourceError(f"not JSON, or cut short: {error.msg}", line=error.lineno) from error
    except (ValueError, RecursionError) as error:  # bad bytes, too deep, a number too long
        raise SourceError("not JSON") from error


def items_of(answer: Any, name: str, *, whose: str) -> list[Mapping[str, Any]]:
    """The objects in the list that an answer is known by. Raises SourceError when it has no such list."""
    items = mapping(answer).get(name)
    if not isinstance(items, list):
        raise SourceError(f"not an answer of {whose}: it has no list “{name}”")
    return [mapping(item) for item in items]


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def counters(**values: Any) -> dict[str, int]:
    """Those of the values that are counts."""
    return {name: value for name, value in values.items() if type(value) is int and 0 <= value <= _COUNT_LIMIT}


def day_of(raw: str) -> date | None:
    """The date that a text begins with, 2026-06-03 or 2026-6-3; None when it begins with none."""
    match = _DAY.match(raw)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None
