"""How well papers are filed under topics: `python -m tests.bench.bench_topics [pages folder]`.

Papers of saved listing pages (../shared/data/listing-pages unless given) and the sample papers, both labelled by hand
(tests/data). Micro-F1 of the assigned topics, accuracy of the primary one, recall among the first three; without and
with the extra `semantic`; then what a paper costs. In-sample: keywords, weights and thresholds were chosen while
looking at these labels. Cross-validated: what is tested was neither learnt from nor used to choose the threshold; the
keywords, which nobody can forget, are left out, so that it is what topics of unknown keywords would get.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from newsletter.catalogue.sources import hf_saved_listing, sample_papers
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.catalogue.topics.classifier import Classifier, Meanings, TopicProfile
from newsletter.catalogue.topics.encoder import Encoder
from newsletter.catalogue.topics.labelled_examples import Example, made_up_examples
from newsletter.models.embeddings import WIDTH

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT.parent / "shared" / "data" / "listing-pages"
FOLDS = 6
MOST = 3
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Filed:
    """Papers x topics: the chances given, and what was assigned."""

    scores: NDArray[np.float64]
    assigned: NDArray[np.bool_]


def profiles(*, keywords: bool = True) -> list[TopicProfile]:
    rows = json.loads((ROOT / "newsletter" / "data" / "topics.json").read_text(encoding="utf-8"))
    return [
        TopicProfile(row["slug"], row["name"], row["description"], tuple(row["keywords"]) if keywords else ())
        for row in rows
    ]


def labelled(texts: dict[str, str], labels: str) -> list[Example]:
    rows = json.loads((ROOT / "tests" / "data" / labels).read_text(encoding="utf-8"))
    return [Example(row["title"], texts[row["title"]], tuple(row["topics"])) for row in rows if row["title"] in texts]


def papers_of(folder: Path) -> dict[str, list[Example]]:
    found = [one for page in sorted(folder.glob("*.txt")) for one in hf_saved_listing.parse(page.read_bytes())]
    real = {one.title.replace("“", '"').replace("”", '"'): one.abstract for one in reversed(found)}
    ours = {one.title: one.abstract for one in sample_papers.papers()}
    sets = {
        "listing pages": labelled(real, "topic_labels.json"),
        "sample papers": labelled(ours, "sample_topic_labels.json"),
    }
    return {name: papers for name, papers in sets.items() if papers}


class Desk:
    """Builds classifiers and asks them; every text is read by the model once."""

    def __init__(self, encoder: Encoder | None) -> None:
        self.encoder = encoder
        self._read: dict[str, Floats] = {}

    def vectors(self, texts: Sequence[str]) -> Floats:
        assert self.encoder is not None
        unread = [text for text in dict.fromkeys(texts) if text not in self._read]
        self._read |= zip(unread, self.encoder.encode(unread), strict=True)
        rows = np.array([self._read[text] for text in texts], dtype=np.float32)
        return rows.reshape(len(texts), WIDTH)

    def file(
        self,
        papers: Sequence[Example],
        topics: Sequence[TopicProfile],
        *,
        examples: Sequence[Example] = (),
        corrections: Sequence[Example] = (),
    ) -> Filed:
        meanings = vectors = None
        if self.encoder is not None:
            meanings = Meanings(
                topics=self.vectors([one.text for one in topics]),
                examples=self.vectors([one.text for one in examples]),
                corrections=self.vectors([one.text for one in corrections]),
            )
            vectors = self.vectors([one.text for one in papers])
        classifier = Classifier(
            topics,
            background=[f"{one.title}. {one.abstract}" for one in sample_papers.papers()],
            examples=examples,
            corrections=corrections,
            meanings=meanings,
        )
        column = {one.slug: place for place, one in enumerate(topics)}
        filed = Filed(np.zeros((len(papers), len(topics))), np.zeros((len(papers), len(topics)), dtype=bool))
        for row, paper in enumerate(papers):
            vector = None if vectors is None else vectors[row]
            for found in classifier.classify(paper.title, paper.abstract, vector=vector):
                filed.scores[row, column[found.slug]] = found.score
                filed.assigned[row, column[found.slug]] = found.assigned
        return filed


def measure(filed: Filed, papers: Sequence[Example], slugs: Sequence[str]) -> tuple[float, float, float]:
    """(micro-F1, accuracy of the primary topic, recall among the first three)."""
    order = np.argsort(-filed.scores, axis=1, kind="stable")
    hits = said = true = primary = 0
    recall = 0.0
    for row, paper in enumerate(papers):
        wanted = set(paper.topics)
        found = {slugs[place] for place in np.flatnonzero(filed.assigned[row])}
        hits, said, true = hits + len(wanted & found), said + len(found), true + len(wanted)
        primary += slugs[order[row, 0]] == paper.topics[0]
        recall += len(wanted & {slugs[place] for place in order[row, :MOST]}) / len(wanted)
    return 2 * hits / (said + true), primary / len(papers), recall / len(papers)


def assign(scores: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")
    chosen: NDArray[np.bool_] = (ranks == 0) | ((ranks < MOST) & (scores >= threshold))
    return chosen


def held_out(desk: Desk, papers: Sequence[Example], *, corrected: bool) -> Filed:
    """Each sixth of the papers filed with a threshold chosen on the others, and as if curators had corrected those."""
    topics = profiles(keywords=corrected)
    slugs = [one.slug for one in topics]
    fold_of = np.random.default_rng(0).permutation(len(papers)) % FOLDS
    scores = np.zeros((len(papers), len(topics)))
    for fold in range(FOLDS):
        rows = np.flatnonzero(fold_of == fold)
        others = [paper for place, paper in enumerate(papers) if fold_of[place] != fold] if corrected else []
        asked = [papers[row] for row in rows]
        scores[rows] = desk.file(asked, topics, examples=made_up_examples(), corrections=others).scores
    assigned = np.zeros(scores.shape, dtype=bool)
    for fold in range(FOLDS):
        mine, rest = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        known = [papers[row] for row in rest]

        def f1(threshold: float, known: list[Example] = known, rest: NDArray[np.int64] = rest) -> float:
            return measure(Filed(scores[rest], assign(scores[rest], threshold)), known, slugs)[0]

        assigned[mine] = assign(scores[mine], max(np.arange(0.1, 0.6, 0.05), key=f1))
    return Filed(scores, assigned)


def main() -> None:
    sets = papers_of(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES)
    encoder = text_encoder.encoder()
    desks = {"words": Desk(None)} | ({"+ semantic": Desk(encoder)} if encoder else {})
    topics = profiles()
    slugs = [one.slug for one in topics]
    print(f"{len(made_up_examples())} made-up examples; micro-F1, primary accuracy, recall@3")
    for name, papers in sets.items():
        print(f"\n{name}: {len(papers)} papers, {sum(len(one.topics) for one in papers) / len(papers):.2f} topics each")
        for by, desk in desks.items():
            rows = {
                "in-sample: keywords alone": desk.file(papers, topics),
                "in-sample: as it runs": desk.file(papers, topics, examples=made_up_examples()),
                "cross-validated: no keywords": held_out(desk, papers, corrected=False),
                "cross-validated: others corrected": held_out(desk, papers, corrected=True),
            }
            for what, filed in rows.items():
                print(f"  {by:11}{what:36}" + "".join(f"{value:8.3f}" for value in measure(filed, papers, slugs)))
    _print_cost(encoder)


def _print_cost(encoder: Encoder | None) -> None:
    papers = sample_papers.papers()
    background = [f"{one.title}. {one.abstract}" for one in papers]
    began = time.process_time()
    classifier = Classifier(profiles(), background=background, examples=made_up_examples())
    classifier.classify("Warm", "up")
    learnt = time.process_time() - began
    began = time.process_time()
    for number in range(1000):
        one = papers[number % len(papers)]
        classifier.classify(one.title, one.abstract)
    print(f"\nlearning {learnt:.2f} s; 1,000 papers by words {time.process_time() - began:.2f} s, one core")
    if encoder:
        texts = [f"{one.title}. {one.abstract} {one.abstract}" for one in papers]
        began = time.process_time()
        encoder.encode(texts)
        print(f"reading a paper of 200 words by the model: {(time.process_time() - began) / len(texts) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
