"""JSON lines as input of commands: one object a line, from a file or from standard input (`-`).

Every error is a CommandError that names the file or the line and says what to do.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One object and the number of its line, from 1."""

    number: int
    fields: dict[str, Any]

    def text(self, key: str) -> str:
        """Return a field that must be there and be a text."""
        value = self.fields.get(key)
        if not isinstance(value, str):
            raise self.refusal(f'"{key}" is missing or is not a text')
        return value

    def optional_text(self, key: str) -> str:
        """Return a field that may be absent or null, which count as an empty text."""
        return "" if self.fields.get(key) is None else self.text(key)

    def optional_texts(self, key: str) -> list[str]:
        """Return a list of texts that may be absent or null."""
        value = self.fields.get(key) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.refusal(f'"{key}" is not a list of texts')
        return value

    def refusal(self, why: str) -> CommandError:
        return CommandError(f"Line {self.number}: {why}. Correct the line and run the command again.")


def read_json_lines(name: str) -> Iterator[JsonLine]:
    """Yield the object of each line that is not blank."""
    try:
        with nullcontext(sys.stdin) if name == "-" else Path(name).open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield JsonLine(number, _object(line, number))
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not a text in UTF-8. Convert it first.") from error


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JsonLine(number, {}).refusal(f"not JSON ({error})") from error
    if not isinstance(found, dict):
        raise JsonLine(number, {}).refusal("not a JSON object")
    return found
