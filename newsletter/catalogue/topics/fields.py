"""Fields of science: which one a category belongs to, and which topics it speaks for. Pure.

In: categories as sources write them: arXiv's whole tree (https://arxiv.org/category_taxonomy), bioRxiv's and medRxiv's
("biorxiv.neuroscience"), OpenAlex's fields ("openalex.medicine"). Out: slugs. The most exact entry counts: a category's
own, else that of its archive.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_SETS = Path(__file__).resolve().parent.parent.parent / "data" / "fields.json"
_SCIENCE = "science"  # of the default topics, for papers whose field's own set is switched off
_NATURAL_SCIENCES = frozenset(["biology-medicine", "chemistry-materials", "earth-environment", "physics"])
# The default topics.
_DEFAULT = {
    "cs.CL": "language-models",
    "cs.CV": "vision",
    "eess.IV": "vision",
    "cs.SD": "speech-audio",
    "eess.AS": "speech-audio",
    "cs.GR": "3d-graphics",
    "cs.IR": "retrieval",
    "cs.MA": "rl-agents",
    "cs.RO": "robotics",
    "cs.SE": "code",
    "cs.PL": "code",
    "cs.LO": "code",
    "stat.ML": "learning-theory",
    "math.OC": "learning-theory",
    "math.ST": "learning-theory",
    "cs.DC": "systems",
    "cs.AR": "systems",
    "cs.PF": "systems",
    "cs.OS": "systems",
    "cs.CR": "security",
    "cs.CY": "security",
    "cs.SI": "graphs-tabular",
    "cs.CE": "science",
    "math.NA": "science",
    "cs.NE": "architectures",
}


def field_of(categories: Iterable[str]) -> str:
    """The field of the first category that has one; "" when none has."""
    fields = _fields()
    return next((found for one in categories if (found := _entry(fields, one))), "")


@cache
def topics_of(category: str) -> tuple[str, ...]:
    """Slugs of the topics that a category speaks for, the most exact first: of its field's set, then a default one."""
    default = _DEFAULT.get(category, _SCIENCE if field_of([category]) in _NATURAL_SCIENCES else "")
    return tuple(filter(None, (_entry(_topics(), category), default)))


@cache
def sets() -> tuple[Mapping[str, Any], ...]:
    """Each field with its categories and its topics, as they stand in the file."""
    return tuple(json.loads(_SETS.read_text(encoding="utf-8")))


@cache
def _fields() -> Mapping[str, str]:
    return {category: one["slug"] for one in sets() for category in one["categories"]}


@cache
def _topics() -> Mapping[str, str]:
    return {category: topic["slug"] for one in sets() for topic in one["topics"] for category in topic["categories"]}


def _entry(table: Mapping[str, str], category: str) -> str:
    return table.get(category) or table.get(category.partition(".")[0], "")
