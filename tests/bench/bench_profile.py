"""How well five liked papers tell what else a reader likes: `python -m tests.bench.bench_profile [pages folder]`.

Simulated readers on saved listing pages (../shared/data/listing-pages unless given), all papers but those shown to be
ranked, P@10 the share of liked ones among the first ten. A page is a reader who likes what is on it; one to three
topics are a reader, by the hand labels of tests/data, or by these with a fifth of the likes swapped at random. What
was chosen by looking was chosen on other draws (seeds 11 and 101) than those printed here. Also: readers a second.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from newsletter.catalogue.sources import hf_saved_listing
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.catalogue.topics.classifier import Classifier, TopicProfile
from newsletter.catalogue.topics.labelled_examples import made_up_examples
from newsletter.interests import profile as profiles

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT.parent / "shared" / "data" / "listing-pages"
Rows = NDArray[np.int64]
Method = Callable[[Rows], NDArray[np.float64]]
SVM = "arxiv-sanity SVM"


@dataclass(frozen=True)
class Corpus:
    texts: list[str]
    fields: list[str]  # what each topic is about
    pages: list[Rows]
    topics: NDArray[np.float32]  # the classifier's scores
    labels: NDArray[np.bool_]  # a person's

    @property
    def papers(self) -> int:
        return len(self.texts)


def load(folder: Path = PAGES) -> Corpus:
    found: dict[str, tuple[str, str]] = {}
    pages = []
    for path in sorted(folder.glob("*.txt")):
        rows = [
            (" ".join(o.title.casefold().split()), o.title, o.abstract)
            for o in hf_saved_listing.parse(path.read_bytes())
        ]
        found |= {key: (title, abstract) for key, title, abstract in rows if key not in found}
        pages.append({key for key, _, _ in rows})
    keys = list(found)
    fields = json.loads((ROOT / "newsletter" / "data" / "topics.json").read_text())
    profiles = [TopicProfile(f["slug"], f["name"], f["description"], tuple(f["keywords"])) for f in fields]
    column = {profile.slug: number for number, profile in enumerate(profiles)}
    background = [f"{title} {abstract}" for title, abstract in found.values()]
    classifier = Classifier(profiles, background=background, examples=made_up_examples())
    topics = np.zeros((len(keys), len(profiles)), dtype=np.float32)
    for row, (title, abstract) in enumerate(found.values()):
        for topic in classifier.classify(title, abstract):
            topics[row, column[topic.slug]] = topic.score
    labels = np.zeros(topics.shape, dtype=bool)
    for entry in json.loads((ROOT / "tests" / "data" / "topic_labels.json").read_text()):
        key = " ".join(entry["title"].casefold().split())
        if key in found:
            labels[keys.index(key), [column[slug] for slug in entry["topics"]]] = True
    return Corpus(
        texts=[f"{title}\n{abstract}" for title, abstract in found.values()],
        fields=[" ".join([f["name"], f["description"], *f["keywords"]]) for f in fields],
        pages=[np.array([row for row, key in enumerate(keys) if key in page]) for page in pages],
        topics=topics,
        labels=labels,
    )


def page_readers(corpus: Corpus) -> list[Rows]:
    return corpus.pages


def topic_readers(corpus: Corpus, *, count: int = 60, fickle: float = 0.0) -> list[Rows]:
    """Readers of one to three topics; ``fickle`` swaps that share of what they like for other papers."""
    rng = np.random.default_rng(7)
    readers: list[Rows] = []
    while len(readers) < count:
        liked = corpus.labels[:, rng.choice(corpus.labels.shape[1], rng.integers(1, 4), False)].any(axis=1)
        if 35 <= liked.sum() <= 0.6 * corpus.papers:
            lost = liked & (rng.random(corpus.papers) < fickle)
            found = ~liked & (rng.random(corpus.papers) < fickle * liked.mean() / (1 - liked.mean()))
            readers.append(np.flatnonzero(liked & ~lost | found))
    return readers


def precision(corpus: Corpus, readers: list[Rows], method: Method, *, shown: int, repeats: int) -> float:
    return float(np.mean(list(_precisions(corpus, readers, method, shown, repeats))))


def _precisions(corpus: Corpus, readers: list[Rows], method: Method, shown: int, repeats: int) -> Iterator[float]:
    for number, liked in enumerate(readers):
        rng = np.random.default_rng(number)
        for _ in range(repeats):
            given = rng.choice(liked, shown, replace=False)
            scores = method(given).astype(float)
            scores[given] = -np.inf
            yield float(np.isin(np.argsort(-scores, kind="stable")[:10], liked).mean())


def ours(corpus: Corpus, *, meanings: NDArray[np.float32] | None = None, brought: list[str] | None = None) -> Method:
    """Our profile. ``brought``: texts of the liked papers where we know no more of them, as of entries of a library."""
    words = profiles.TextModel(corpus.texts, topics=corpus.topics, fields=corpus.fields, meanings=meanings)
    vectors = words.vectors(corpus.texts, topics=corpus.topics, meanings=meanings)
    known = words.vectors(brought, topics=np.zeros_like(corpus.topics)) if brought else vectors
    none = np.zeros(2, dtype=np.int64)

    def method(given: Rows) -> NDArray[np.float64]:
        judged = profiles.Judged(np.array([0, len(given)]), given, none, none[:0])
        return profiles.personal_relevance(known, vectors, judged, usual=words.usual)[0][0].astype(float)

    return method


def others(corpus: Corpus) -> dict[str, Method]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(
        ngram_range=(1, 2), max_features=20_000, sublinear_tf=True, min_df=2, max_df=0.3, stop_words="english"
    ).fit_transform(corpus.texts)
    reader_of_fields = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit([*corpus.texts, *corpus.fields])
    about = (reader_of_fields.transform(corpus.texts) @ reader_of_fields.transform(corpus.fields).T).toarray()
    rng = np.random.default_rng(0)

    def target(given: Rows) -> NDArray[np.float64]:
        return np.isin(np.arange(corpus.papers), given).astype(float)

    def svm(given: Rows) -> NDArray[np.float64]:
        model = LinearSVC(class_weight="balanced", C=0.01, tol=1e-6, max_iter=10_000)
        return _standard(model.fit(words, target(given)).decision_function(words))

    def logistic(given: Rows) -> NDArray[np.float64]:
        liked = target(given)
        weight = np.where(liked > 0, 1 / len(given), 5 / (corpus.papers - len(given))) * corpus.papers
        fitted = LogisticRegression(C=0.1, max_iter=2000).fit(words, liked, sample_weight=weight)
        return _standard(fitted.decision_function(words))

    def profile(scores: NDArray[Any]) -> Method:
        lengths = np.linalg.norm(scores, axis=1, keepdims=True)
        topics = scores / np.where(lengths > 0, lengths, 1)
        return lambda given: _standard((topics @ topics[given].T).mean(axis=1))

    described, filed = profile(about), profile(corpus.topics)
    return {
        "random": lambda given: rng.random(corpus.papers),
        "centroid": lambda given: np.asarray((words @ words[given].T).mean(axis=1)).ravel(),
        "full logistic fit": logistic,
        SVM: svm,
        "SVM + topic texts": lambda given: svm(given) + described(given),
        "SVM + filed topics": lambda given: svm(given) + filed(given),
    }


def _standard(scores: Any) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=float)
    return (values - values.mean()) / (values.std() or 1.0)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES
    if not any(folder.glob("*.txt")):
        print("No saved listing pages here: name a folder that holds some.")
        return
    corpus = load(folder)
    readers = {
        "a page": (page_readers(corpus), 60),
        "topics": (topic_readers(corpus), 3),
        "fickle": (topic_readers(corpus, fickle=0.2), 3),
    }
    print(f"{corpus.papers} papers, {len(corpus.pages)} pages; P@10 by liked papers shown")
    print(f"{'':22}" + "".join(f"{f'{name}, {shown}':>12}" for name in readers for shown in (5, 20)) + "     mean, 5")
    methods = others(corpus) | {"ours": ours(corpus)}
    methods["ours, unknown papers"] = ours(corpus, brought=corpus.texts)
    methods["ours, unknown titles"] = ours(corpus, brought=[text.partition("\n")[0] for text in corpus.texts])
    if encoder := text_encoder.encoder():
        methods["ours, with semantic"] = ours(corpus, meanings=encoder.encode(corpus.texts))
    for name, method in methods.items():
        row = [
            precision(corpus, who, method, shown=shown, repeats=repeats)
            for who, repeats in readers.values()
            for shown in (5, 20)
        ]
        print(f"{name:22}" + "".join(f"{value:12.3f}" for value in row) + f"{np.mean(row[::2]):12.3f}", flush=True)
    _print_speed(corpus)


def _print_speed(corpus: Corpus) -> None:
    """100,000 readers, of whom 20,000 have judged 15 papers each, as planning takes them: 2,000 at a time."""
    rng = np.random.default_rng(1)
    chunk, each, chunks = 2_000, 15, 50
    words = profiles.TextModel(corpus.texts, topics=corpus.topics, fields=corpus.fields)
    vectors = words.vectors(corpus.texts, topics=corpus.topics)
    counts = np.where(np.arange(chunk) % 5 == 0, each, 0)
    liked, disliked = counts * 4 // 5, counts - counts * 4 // 5
    for candidates in (60, 5_000):
        rows = rng.integers(0, corpus.papers, candidates)
        offered = profiles.Vectors(vectors.words[rows], vectors.rest[rows])
        judged = profiles.Judged(
            np.cumsum([0, *liked]),
            rng.integers(0, corpus.papers, liked.sum()),
            np.cumsum([0, *disliked]),
            rng.integers(0, corpus.papers, disliked.sum()),
        )
        began = time.process_time()
        for _ in range(chunks):
            profiles.personal_relevance(vectors, offered, judged, usual=words.usual)
        spent = time.process_time() - began
        print(f"100,000 readers, 20,000 with {each} verdicts x {candidates:,} candidates: {spent:.2f} s of one core")


if __name__ == "__main__":
    main()
