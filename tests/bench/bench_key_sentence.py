"""How good the key sentences are: `python -m tests.bench.bench_key_sentence [records.jsonl, folder of HF days]`.

Every sentence of 999 abstracts was graded by hand before any choice was seen (tests/data/key_sentence_grades.tsv: arXiv
id, "fit" when the weights were fitted to it or "blind", a grade a sentence: 2 best, 1 acceptable, 0 bad). The texts are
not here: ../shared/data unless given. Out: mean grade, share of best and of acceptable choices, for three simple rules
and for ours; "read as announcing" grades an announcement by what it adds to the title, which gives the two rules that
look for a cue what issue 12 names for them (graders differ most in what an announcement is worth).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from newsletter.catalogue import key_sentence as ours

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
GRADES = ROOT / "tests" / "data" / "key_sentence_grades.tsv"
CUE = re.compile(
    r"\b(?:we (?:\w+ )?(?:propose|present|introduce|show|prove|find|develop|demonstrate|study|investigate|derive|"
    r"construct)|this (?:paper|work|study|article|report) \w+|in this (?:paper|work|study))\b",
    re.IGNORECASE,
)


class Graded(NamedTuple):
    title: str
    abstract: str
    field: str
    sentences: list[str]
    grades: list[int]


Rule = Callable[[Graded], int]


def texts(records: Path, days: Path) -> dict[str, tuple[str, str, str]]:
    """Title, abstract and field by arXiv id; nothing of files that are not there."""
    found = {}
    for day in sorted(days.glob("*.json")):
        for paper in (entry["paper"] for entry in json.loads(day.read_text(encoding="utf-8"))):
            found[paper["id"]] = paper["title"], paper["summary"], "cs"
    for line in records.read_text(encoding="utf-8").splitlines() if records.exists() else []:
        row = json.loads(line)
        found[row["id"]] = row["title"], row["summary"], row["categories"][0].partition(".")[0]
    return found


def graded(known: dict[str, tuple[str, str, str]], which: str) -> list[Graded]:
    found = []
    for line in GRADES.read_text(encoding="utf-8").splitlines():
        paper, kind, digits = line.split("\t")
        if kind == which and paper in known:
            title, abstract, field = known[paper]
            sentences = [abstract[start:end] for start, end in ours.spans(abstract)]
            if len(sentences) == len(digits):
                found.append(Graded(title, abstract, field, sentences, [int(digit) for digit in digits]))
    return found


def cue(paper: Graded) -> int:
    return next((place for place, text in enumerate(paper.sentences) if CUE.search(text)), 0)


def blend(paper: Graded) -> int:
    told = ours._stems(paper.title)

    def points(place: int) -> float:
        text = paper.sentences[place]
        likeness = len(ours._stems(text) & told) / (len(told) or 1)
        return bool(CUE.search(text)) + 0.5 * (1 - abs(place / len(paper.sentences) - 0.4)) + likeness

    return max(range(len(paper.sentences)), key=points)


def chosen(paper: Graded) -> int:
    sentence = ours.key_sentence(paper.title, paper.abstract)
    return next(place for place, text in enumerate(paper.sentences) if sentence in text)


RULES: dict[str, Rule] = {"first sentence": lambda _: 0, "first with a cue": cue, "fixed blend": blend, "ours": chosen}


def as_written(paper: Graded, place: int) -> int:
    return paper.grades[place]


def as_announcing(paper: Graded, place: int) -> int:
    text, grade = paper.sentences[place], paper.grades[place]
    if grade != 1 or not ours._PROPOSES.search(text):
        return grade
    beyond = len(ours._stems(text) - ours._stems(paper.title))
    return 2 if beyond >= 5 and len(text.split()) >= 15 else 0 if beyond < 4 else 1


def main(records: Path, days: Path) -> None:
    if not (known := texts(records, days)):
        print(f"No texts: {records} and {days} are not there. Give a file of records and a folder of days.")
    for which in ("blind", "fit"):
        papers = graded(known, which)
        for name, part in (("all", papers), ("computer science", [each for each in papers if each.field == "cs"])):
            if not part:
                continue
            print(f"{which}, {name}: {len(part)} abstracts; mean/best/acceptable as graded, and read as announcing")
            for rule, choose in RULES.items():
                shown = []
                for grade in (as_written, as_announcing):
                    got = [grade(paper, choose(paper)) for paper in part]
                    shown.append(
                        "/".join(
                            f"{sum(share) / len(got):.3f}"
                            for share in (got, [each == 2 for each in got], [each > 0 for each in got])
                        )
                    )
                print(f"  {rule:18}", *shown)


if __name__ == "__main__":
    given = [Path(each) for each in sys.argv[1:3]]
    main(*(given if len(given) == 2 else (SHARED / "arxiv-records.jsonl", SHARED / "hf-daily")))
