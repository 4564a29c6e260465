"""One reader's profile in words, and what they take out of it.

In: a portrait, and what a form names. Out: the strongest words and topics with their strength, the papers that weigh in
most lately; ProfileRemoval rows. Removing twice changes nothing, and what is put back counts as before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from newsletter.interests.load_profiles import Portrait
from newsletter.interests.profile import root_of, words_in
from newsletter.models import LibraryEntry, Paper, ProfileRemoval, Verdict
from subscriptions.models import Subscriber, Topic

WORDS_SHOWN, TOPICS_SHOWN, PAPERS_SHOWN = 12, 5, 30
STRONG, CLEAR = 2 / 3, 1 / 3  # of the strongest weight
WORTH_NAMING = 0.1
AUTHORS_SHOWN, AUTHOR_OF = 8, 2  # so many liked papers of one author are no chance


class Term(NamedTuple):
    """A word or topic of a profile: the name of its removal, what readers call it, and how strong it is (0 to 1)."""

    key: str
    label: str
    strength: float

    @property
    def is_strong(self) -> bool:
        return self.strength >= STRONG

    @property
    def is_clear(self) -> bool:
        return self.strength >= CLEAR


class Weighing(NamedTuple):
    """A paper that weighs in: whether liked or disliked, by which way, and how much it counts (0 to 1)."""

    paper: int | None  # None: of the library, and not known to us
    title: str
    url: str
    value: int
    is_verdict: bool
    weight: float


@dataclass(frozen=True, slots=True)
class InWords:
    """The words and topics of a profile, strongest first."""

    words: list[Term]
    words_against: list[Term]
    topics: list[Term]
    topics_against: list[Term]


def in_words(portrait: Portrait) -> InWords:
    """The strongest words and topics that a profile leads to, and away from, as fractions of the strongest of all."""
    known = Topic.objects.in_bulk()
    by_slug = {known[pk].slug: weight for pk, weight in portrait.topics.items()}
    labels = {topic.slug: topic.local_name for topic in known.values()}
    topics = [
        [Term(f"topic:{slug}", labels[slug], strength) for slug, strength in terms[:TOPICS_SHOWN]]
        for terms in _both_ways(by_slug)
    ]
    ways = [terms[:WORDS_SHOWN] for terms in _both_ways(portrait.words)]
    written = _as_written({root for terms in ways for root, _ in terms}, portrait)
    words = [[Term(f"word:{written[root]}", written[root], strength) for root, strength in terms] for terms in ways]
    return InWords(*words, *topics)


def _both_ways(weights: Mapping[str, float]) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Split terms into liked and disliked ones, strongest first; ties by name."""
    most = max((abs(weight) for weight in weights.values()), default=0)
    scaled = [(name, weight / most) for name, weight in weights.items() if most]
    strongest = sorted(scaled, key=lambda term: (-abs(term[1]), term[0]))
    return (
        [(name, share) for name, share in strongest if share >= WORTH_NAMING],
        [(name, -share) for name, share in strongest if share <= -WORTH_NAMING],
    )


def _as_written(roots: set[str], portrait: Portrait) -> dict[str, str]:
    """Map each root to the form that the judged papers use most: a root may be no word ("bia")."""
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    judged = [*portrait.opinion.liked, *portrait.opinion.disliked]
    texts = [
        *Paper.objects.filter(pk__any_of=[key for key in judged if key > 0]).values_list("title", "abstract"),
        *LibraryEntry.objects.filter(pk__any_of=[-key for key in judged if key < 0]).values_list("title", "text"),
    ]
    for title, text in texts:
        for word in words_in(f"{title}\n{text}"):
            if (root := root_of(word)) in roots:
                forms[root][word] += 1
    return {root: min(forms[root], key=lambda form: (-forms[root][form], form), default=root) for root in roots}


def papers_of(reader: Subscriber, portrait: Portrait) -> list[Weighing]:
    """Papers that count in the profile, liked ones first, latest first."""
    weights = [(key, 1, weight) for key, weight in list(portrait.opinion.liked.items())[:PAPERS_SHOWN]]
    weights += [(key, -1, weight) for key, weight in list(portrait.opinion.disliked.items())[:PAPERS_SHOWN]]
    papers = Paper.objects.in_bulk([key for key, *_ in weights if key > 0])
    entries = LibraryEntry.objects.select_related("paper").in_bulk([-key for key, *_ in weights if key < 0])
    judged = set(Verdict.objects.filter(subscriber=reader, paper__in=papers).values_list("paper_id", flat=True))
    rows = []
    for key, value, weight in weights:
        if paper := papers.get(key):
            rows.append(Weighing(key, paper.title, paper.home_url, value, key in judged, weight))
        elif entry := entries.get(-key):
            rows.append(Weighing(None, entry.shown_title, entry.home_url, value, False, weight))
    return rows


def authors_of(portrait: Portrait) -> list[str]:
    """Authors of at least two of the liked papers, those of most first: they count once the reader follows them."""
    liked = [key for key in portrait.opinion.liked if key > 0]
    papers = Paper.objects.filter(pk__any_of=liked).values_list("authors", flat=True)
    often = Counter(name for names in papers for name in dict.fromkeys(names))
    found = sorted((-count, name) for name, count in often.items() if count >= AUTHOR_OF)
    return [name for _count, name in found]


def removals_named(reader: Subscriber, names: Iterable[str], *, now: datetime) -> list[ProfileRemoval]:
    """The removals, not stored yet, that a form names: `word:…`, `topic:slug`, `paper:number` or `all`."""
    found = []
    for name in dict.fromkeys(names):
        kind, _, what = name.partition(":")
        row = ProfileRemoval(subscriber=reader, kind=kind, at=now)
        match kind:
            case "word" if words_in(what) == [what] and len(what) <= ProfileRemoval.LONGEST_WORD:
                row.word = what
            case "topic" if topic := Topic.objects.filter(slug=what[:80]).first():
                row.topic = topic
            case "paper" if what.isascii() and what.isdigit() and len(what) < 19:
                row.paper = Paper.objects.filter(pk=int(what)).first()
        if kind == "all" or row.word or row.topic or row.paper:
            found.append(row)
    return found


def remove(removals: Sequence[ProfileRemoval]) -> None:
    """Store removals from a reader's profile; a paper that was judged again since is removed again."""
    for row in removals:
        ProfileRemoval.objects.update_or_create(
            subscriber=row.subscriber,
            kind=row.kind,
            word=row.word,
            topic=row.topic,
            paper=row.paper,
            defaults={"at": row.at},
        )


def put_back(reader: Subscriber, removal: int) -> None:
    """Delete a removal, so that what it names counts again."""
    reader.profile_removals.filter(pk=removal).delete()
