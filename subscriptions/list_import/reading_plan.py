"""How a file will be read, and what only a person can say about it.

In: the lines of the file, topics, and what was answered. Out: a plan with the questions that are left. Nothing is
guessed: a time zone, a word for a state, the order of day and month where no date decides it, are asked for. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from subscriptions import schedule
from subscriptions.list_import import columns, names, programs
from subscriptions.list_import.dates import ORDERS, orders_of, read_moment
from subscriptions.list_import.states import (
    DEPARTURES,
    OF_PROGRAM,
    Standing,
    gravest,
    plain_word,
    standing_of,
    yes_or_no,
)
from subscriptions.list_import.table import Layout, UnreadableFile, find_layout, rows
from subscriptions.list_import.tags import split_tags, stances_in, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SAMPLE = 1000  # rows that columns are recognised by
MOST_WORDS = 200  # different words or tags that are counted
READERS = "readers"
_OF_WHOLE_FILE = {
    "left": Standing.LEFT, "bounced": Standing.BOUNCED, "complained": Standing.COMPLAINED, "barred": Standing.BARRED,
}  # fmt: skip
KINDS = (READERS, *_OF_WHOLE_FILE)
_NAME_HINTS = (
    ("complained", re.compile(r"complain|spam|junk|abuse")),
    ("bounced", re.compile(r"bounce|cleaned|undeliver")),
    ("barred", re.compile(r"suppress|block|blacklist|barred|ban(ned)?\b|do.?not")),
    ("left", re.compile(r"unsub|left|opt.?out|abgemeldet|cancel")),
)


@dataclass(frozen=True)
class Answers:
    """A person's answers about a file. ``columns``: name -> role; ``words``, ``tags`` likewise; empty leaves it out."""

    columns: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    dates: str = ""
    consent_source: str = ""
    confirmed_at: str = ""
    kind: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """Something only a person can say. ``about``: the column, word or tag; ``examples``: cells it is about."""

    id: str
    about: str = ""
    choices: tuple[str, ...] = ()
    suggestion: str = ""
    examples: tuple[str, ...] = ()
    is_required: bool = True


@dataclass(frozen=True)
class Plan:
    """How each line is read. ``places``: role -> places of its columns; ``standing``: what the whole file says."""

    program: str
    layout: Layout
    roles: dict[str, str]
    places: dict[str, tuple[int, ...]]
    order: str
    standing: Standing | None
    words: dict[str, Standing]
    topics: dict[str, str]
    answers: Answers
    questions: tuple[Question, ...]

    @property
    def is_ours(self) -> bool:
        return self.program == programs.PAPERBOY

    @property
    def is_open(self) -> bool:
        """Whether something must be answered before the file can be imported."""
        return any(question.is_required for question in self.questions)


@dataclass
class _Survey:
    """Contents of the columns whose meaning may be in doubt, over the whole file."""

    orders: Counter[frozenset[str]] = field(default_factory=Counter)
    doubtful: list[str] = field(default_factory=list)
    has_local_times: bool = False
    has_readers: bool = False
    has_undated_readers: bool = False
    has_unsourced_readers: bool = False
    words: Counter[str] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)


def make_plan(
    open_lines: Callable[[], Iterable[str]],
    *,
    file_name: str,
    known_topics: Mapping[str, str],
    hints: Mapping[str, str],
    answers: Answers,
) -> Plan:
    """The plan for a file whose lines ``open_lines`` gives, from the first, each time it is called.

    ``known_topics``: slugs and names in lower case -> slug; ``hints``: further words that may mean a topic -> slug.
    """
    layout = find_layout(open_lines())
    recognised = columns.recognise(
        layout,
        islice(rows(open_lines(), layout), SAMPLE),
        topics=known_topics.keys(),
        corrected={name: role for name, role in answers.columns.items() if name in layout.names},
    )
    places = {
        role: tuple(place for place, name in enumerate(layout.names) if recognised.roles[name] == role)
        for role in set(recognised.roles.values()) - {columns.IGNORE}
    }
    if names.EMAIL not in places:
        columns_there = f"Columns: {', '.join(layout.names)}." if layout.has_header else "Is it empty, or another file?"
        raise UnreadableFile(f"{file_name}: no column holds email addresses. {columns_there}")
    program = programs.program_of(layout.names if layout.has_header else ())
    standing = _OF_WHOLE_FILE.get(answers.kind) or _standing_of_file(program, places)
    answered = {plain_word(word): Standing(one) for word, one in answers.words.items()}
    words = {**OF_PROGRAM.get(program, {}), **answered}
    draft = Plan(program, layout, recognised.roles, places, answers.dates, standing, words, {}, answers, ())
    survey = _survey(open_lines(), draft, known_topics)
    order, about_order = _decide_order(survey, answers.dates)
    topics, about_tags = _match_tags(survey.tags, known_topics, hints, answers.tags)
    questions = (
        *_about_columns(recognised.rivals, layout),
        *_about_kind(draft, survey, file_name),
        *_about_words(survey.words),
        *about_order,
        *_about_consent(draft, survey),
        *about_tags,
    )
    return Plan(program, layout, recognised.roles, places, order, standing, words, topics, answers, questions)


def standing_in(cells: Sequence[str], plan: Plan) -> Standing | None:
    """Return what the columns of a line say about its address; None where a word is unknown and none says they left."""
    said = [plan.standing] if plan.standing else []
    is_known = True
    for place in plan.places.get(names.STATE, ()):
        word = _cell(cells, place)
        if word:
            one = plan.words.get(plain_word(word)) or standing_of(word)
            is_known &= one is not None
            said += [one] if one else []
    if not plan.is_ours:
        said += _dated(cells, plan)
    found = gravest(said + _flagged(cells, plan))
    return found if is_known or found in DEPARTURES else None


def _dated(cells: Sequence[str], plan: Plan) -> list[Standing]:
    """Return what dates in columns of leaving, bounces and complaints say: that it happened."""
    meant = {
        names.LEFT_AT: Standing.LEFT,
        names.BOUNCED_AT: Standing.BOUNCED,
        names.COMPLAINED_AT: Standing.COMPLAINED,
    }
    return [one for role, one in meant.items() for place in plan.places.get(role, ()) if _cell(cells, place)]


_FLAGGED = {
    (names.IS_CONFIRMED, False): Standing.UNCONFIRMED,
    (names.WANTS_MAIL, False): Standing.LEFT,
    (names.WANTS_NO_MAIL, True): Standing.LEFT,
    (names.BLOCKED, True): Standing.BARRED,
    (names.BOUNCED, True): Standing.BOUNCED,
    (names.COMPLAINED, True): Standing.COMPLAINED,
}


def _flagged(cells: Sequence[str], plan: Plan) -> list[Standing]:
    """Return what columns of yes and no say; in one that speaks of leaving, a date or reason means yes."""
    said = []
    for role in names.FLAGS:
        for place in plan.places.get(role, ()):
            cell = _cell(cells, place)
            flag = yes_or_no(cell)
            said.append((role, bool(cell) and (role, True) in _FLAGGED if flag is None else flag))
    return [_FLAGGED[one] for one in said if one in _FLAGGED]


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""


def _standing_of_file(program: str, places: Mapping[str, object]) -> Standing | None:
    """Return what the whole file says of its addresses.

    Mailchimp writes those who left, and those it cleaned, into files of their own; relays list what bounced.
    """
    if program == programs.BOUNCES:
        return Standing.BOUNCED
    if program != "mailchimp":
        return None
    return Standing.BOUNCED if names.BOUNCED_AT in places else Standing.LEFT if names.LEFT_AT in places else None


def _survey(lines: Iterable[str], plan: Plan, known_topics: Mapping[str, str]) -> _Survey:
    survey = _Survey()
    dates = [plan.places[role][0] for role in (*names.DATES, "paused_until", "clicks_agreed_at") if role in plan.places]
    tags = plan.places.get(names.TAGS, ())
    own_topics = plan.places.get("topics", ())
    agreed = [place for role in (names.CONFIRMED_AT, names.SIGNED_UP_AT) for place in plan.places.get(role, ())]
    sources = plan.places.get("consent_source", ())
    for row in rows(lines, plan.layout):
        for place in dates:
            if text := _cell(row.cells, place):
                _look_at_date(survey, text)
        standing = standing_in(row.cells, plan)
        for place in plan.places.get(names.STATE, ()) if standing is None else ():
            word = plain_word(_cell(row.cells, place))
            if word and word not in plan.words and standing_of(word) is None and len(survey.words) < MOST_WORDS:
                survey.words[word] += 1
        written = [tag for place in tags for tag in split_tags(_cell(row.cells, place))]
        for place in own_topics:
            written += [word.partition(":")[0] for word in stances_in(_cell(row.cells, place), known_topics)]
        for tag in written:
            if tag in survey.tags or len(survey.tags) < MOST_WORDS:
                survey.tags[tag] += 1
        if not row.fault and standing in (Standing.READER, Standing.PAUSED, None):
            survey.has_readers = True
            is_dated = any(_cell(row.cells, place) for place in agreed) or names.JOINED[0] in plan.places
            survey.has_undated_readers |= not is_dated
            survey.has_local_times |= names.JOINED[0] in plan.places and not _names_zone(row.cells, plan)
            survey.has_unsourced_readers |= not any(_cell(row.cells, place) for place in sources)
    return survey


def _names_zone(cells: Sequence[str], plan: Plan) -> bool:
    return any(schedule.is_zone(_cell(cells, place)) for place in plan.places.get(names.ZONE, ()))


def _look_at_date(survey: _Survey, text: str) -> None:
    orders = orders_of(text)
    if orders:
        survey.orders[orders] += 1
        if len(orders) > 1 and len(survey.doubtful) < 3 and text not in survey.doubtful:
            survey.doubtful.append(text)
    if not survey.has_local_times:
        try:
            moment = read_moment(text, order=min(orders, default=""))
        except ValueError:
            return
        survey.has_local_times = moment.tzinfo is None


def _decide_order(survey: _Survey, answered: str) -> tuple[str, list[Question]]:
    """The order that all dates of the file allow; a question where there are several, or none."""
    if answered:
        return answered, []
    left = frozenset(ORDERS).intersection(*survey.orders) if survey.orders else frozenset()
    if not survey.doubtful:
        return min(left, default=""), []  # each date has one order only
    if len(left) == 1:
        return min(left), []
    choices = tuple(order for order in ORDERS if any(order in orders for orders in survey.orders))
    return choices[0], [Question("dates", choices=choices, examples=tuple(survey.doubtful))]


def _match_tags(
    tags: Mapping[str, int], known: Mapping[str, str], hints: Mapping[str, str], answered: Mapping[str, str]
) -> tuple[dict[str, str], list[Question]]:
    """Return tag -> topic, by name or as answered, and a question, which may stay open, for each other tag."""
    given = {tag.casefold(): slug for tag, slug in answered.items()}
    matched = dict(known) | given
    slugs = tuple(dict.fromkeys(known.values()))
    questions = []
    for tag in sorted(tags, key=lambda one: (-tags[one], one)):
        bare = tag.casefold()
        if bare not in matched and bare not in given:
            suggestion = suggest(bare, {**hints, **known})
            questions.append(Question("tag", tag, slugs, suggestion, is_required=False))
    return matched, questions


def _about_columns(rivals: Mapping[str, list[str]], layout: Layout) -> list[Question]:
    return [Question(role, choices=tuple(wanted)) for role, wanted in rivals.items()]


def _about_kind(plan: Plan, survey: _Survey, file_name: str) -> list[Question]:
    """Ask where the name of the file says that these left, and nothing in it does."""
    if plan.answers.kind or plan.standing or not survey.has_readers or names.STATE in plan.places:
        return []
    if any(role in plan.places for role in names.FLAGS):
        return []
    stem = file_name.casefold()
    hint = next((kind for kind, words in _NAME_HINTS if words.search(stem)), "")
    return [Question("kind", file_name, KINDS, hint)] if hint else []


def _about_words(words: Mapping[str, int]) -> list[Question]:
    choices = tuple(str(one) for one in Standing)
    return [Question("word", word, choices) for word in sorted(words, key=lambda one: (-words[one], one))]


def _about_consent(plan: Plan, survey: _Survey) -> list[Question]:
    """Ask what shows that these people agreed: when, in which zone, and where."""
    if not survey.has_readers:
        return []
    questions = []
    if survey.has_local_times and not plan.answers.zone:
        questions.append(Question("zone"))
    if survey.has_undated_readers and not plan.answers.confirmed_at:
        dated = {names.CONFIRMED_AT, names.SIGNED_UP_AT, names.JOINED[0]} & plan.places.keys()
        questions.append(Question("confirmed_at_all", is_required=not dated))
    if survey.has_unsourced_readers and not plan.answers.consent_source:
        questions.append(Question("consent_source", is_required="consent_source" not in plan.places))
    return questions
