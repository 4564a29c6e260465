"""Papers by the hundred thousand whose words are as common and as rare as those of real ones (Zipf's law).

The common words are those of the sample papers, the rare ones are made up; a paper has a subject, whose words come
again and again. The same number gives the same papers.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
_WORDS, _SUBJECTS, _OF_A_SUBJECT = 40_000, 400, 60
_BATCH = 5_000


def fill(papers: int) -> None:
    """Paper rows and the topics of a third of them."""
    from newsletter.catalogue.sources import sample_papers
    from newsletter.models import Paper, PaperTopic
    from subscriptions.models import Topic

    random = np.random.default_rng(1)
    counted = Counter(word for one in sample_papers.papers() for word in f"{one.title} {one.abstract}".lower().split())
    common = [word for word, _ in counted.most_common()]
    made_up = ["".join(random.choice(list("abcdeilmnorstu"), 9)) for _ in range(_WORDS - len(common))]
    words = np.array([*common, *made_up], dtype=object)
    chances = 1 / np.arange(3, _WORDS + 3) ** 1.05
    chances /= chances.sum()
    subjects = random.choice(_WORDS, (_SUBJECTS, _OF_A_SUBJECT), p=chances)
    topics = list(Topic.objects.all())
    for start in range(0, papers, _BATCH):
        count = min(_BATCH, papers - start)
        general = random.choice(_WORDS, (count, 110), p=chances)
        subject = random.integers(0, _SUBJECTS, count)
        special = np.take_along_axis(subjects[subject], random.integers(0, _OF_A_SUBJECT, (count, 50)), axis=1)
        order = random.permutation(160)
        texts = words[np.hstack([general, special])[:, order]]
        days = (start + np.arange(count)) * 730 // papers
        rows = Paper.objects.bulk_create(
            Paper(
                title=" ".join(texts[row, :9]).capitalize(),
                title_key=" ".join(texts[row, :9]),
                abstract=" ".join(texts[row, 9:]).capitalize(),
                authors=[f"Author {random.integers(20_000)}", f"Writer {random.integers(20_000)}"],
                published_on=(NOW - timedelta(days=730 - int(days[row]))).date(),
                listed_on=(NOW - timedelta(days=730 - int(days[row]))).date(),
                first_seen_at=NOW,
                code_url="https://example.org/code" if row % 4 == 0 else "",
            )
            for row in range(count)
        )
        PaperTopic.objects.bulk_create(
            PaperTopic(paper=paper, topic=topics[int(subject[row]) % len(topics)], score=0.8, is_primary=True)
            for row, paper in enumerate(rows)
            if row % 3 == 0
        )
