"""Types of the checks: a finding, its severity, and a function that asks the DNS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# (name, type) -> the records as text, none when there are none; NoAnswer when the DNS did not say.
Lookup = Callable[[str, str], Sequence[str]]


class NoAnswer(Exception):
    """The DNS gave no answer: nothing is known about the name."""


class Level(StrEnum):
    OK = "ok"
    ADVICE = "advice"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:<8} {self.subject}: {self.text}"


def tags_of(text: str) -> dict[str, str]:
    """Parse a list of tag=value of DKIM and DMARC (RFC 6376 §3.2)."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, sign, value in pairs if sign}


def items_of(value: str) -> list[str]:
    return ["".join(part.split()).lower() for part in value.split(":")]
