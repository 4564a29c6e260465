"""The sentence of an abstract that says what the paper brings: verbatim, chosen by what makes a line worth reading."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from newsletter.catalogue import choose_key_sentences
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.key_sentence import key_sentence, spans
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.models import Paper
from tests.builders import NOON, make_paper
from tests.test_listing import parsed, text_of

if TYPE_CHECKING:
    from django.test import Client

BACKGROUND = "Recent recognisers have become accurate, yet existing ones remain slow and need large machines. "
WORDS = [
    "We propose",
    "Ünder",
    "e.g.",
    "5 %",
    "this",
    ".",
    "?",
    "\n",
    "。",
    "$x^2$",
    "However,",
    "code",
    "(",
    ")",
    "A.",
]


@pytest.mark.parametrize(
    ("title", "abstract", "chosen"),
    [
        pytest.param(
            "Advances in the study of wren song at the Northern Observatory",
            "The Northern Observatory is the only station that records wrens at night. Since it began in 2009 it has "
            "gathered the largest archive of song in the world, with about 10 million calls and 3 million duets of "
            "wrens in open country. This article systematically reviews the progress made there, with a focus on the "
            "discovery of duets in winter and of calls that young wrens copy from other birds.",
            "This article systematically reviews",
            id="what a review is about, not how much there is to review",
        ),
        pytest.param(
            "StormEar: Hearing whispers in storms",
            BACKGROUND
            + "We present StormEar, a recogniser that listens with two microphones and cancels rain by subtraction. "
            "Code is available at https://example.org/stormear.",
            "We present StormEar,",
            id="what it is and how, not the background and not the code",
        ),
        pytest.param(
            "StormEar: Hearing whispers in storms",
            BACKGROUND + "We propose StormEar for hearing whispers in storms. "
            "StormEar subtracts a model of rain that a second microphone learns while nobody speaks.",
            "StormEar subtracts a model",
            id="the next sentence says how, the first only repeats the title",
        ),
        pytest.param(
            "Hearing whispers in storms",
            BACKGROUND + "We study whispers in storms. Extensive experiments demonstrate its effectiveness. "
            "On ten storms our recogniser halves the error of the best baseline, from 40% to 19% of the words.",
            "On ten storms our recogniser",
            id="a result with its amount, not one without",
        ),
        pytest.param(
            "Counting sheep",
            "Sheep have been counted for centuries. However, nobody counts them at night. To address these challenges, "
            "we count. We show that every flock of at least three sheep can be counted with two dogs.",
            "We show that every flock",
            id="not a sentence that leans on the one before",
        ),
        pytest.param(
            "Derivations of flocks",
            "We prove that every derivation of a finite flock is inner. As an application, we show that dogs commute.",
            "We prove that every derivation",
            id="the theorem, not its application",
        ),
        pytest.param(
            "BellNet: Cheap bells for cows",
            BACKGROUND + "To address this, we propose BellNet, a framework for cheap bells for cows. "
            "On four pastures BellNet halves the price of a bell and finds 12% more cows than the best baseline.",
            "On four pastures",
            id="a later result with numbers, not the announcement that leans",
        ),
        pytest.param(
            "Bells for cows",
            BACKGROUND
            + "We propose a bell that rings only when its cow leaves the others, by comparing two compasses. "
            "Extensive experiments show that our bell significantly improves finding and is effective.",
            "We propose a bell",
            id="how it works, not an improvement without an amount",
        ),
        pytest.param(
            "Do cows follow bells?",
            "Cows wear bells. We examine whether cows follow the bell of another cow in fog and at night. "
            "We find that nine of ten cows walk towards a bell in fog, and that none does at night.",
            "We find that nine of ten",
            id="the finding, not the question",
        ),
        pytest.param(
            "Weighing galaxies with clocks",
            "Galaxies are heavy. Two clocks are used to weigh galaxies by comparing the light of their edges. "
            "We find that the mass of dwarf galaxies falls with their age, faster than any model of dust predicts. "
            "As a check, such masses are compared with those of earlier surveys.",
            "We find that the mass",
            id="what was found, not what was used nor how it was checked",
        ),
        pytest.param(
            "A survey of bells",
            "Bells ring in every valley. However, nobody has compared them. "
            "This survey compares 140 bells by metal, weight and sound, and names three questions nobody has asked. "
            "Such bells differ. A list is available at https://example.org/bells.",
            "This survey compares",
            id="a survey",
        ),
        pytest.param(
            "CowBench: Telling cows apart",
            BACKGROUND
            + "We introduce CowBench, a benchmark of 4,200 photographs of 300 cows that twelve farmers named. "
            "We evaluate eight models. Code and data will be made available.",
            "We introduce CowBench",
            id="a benchmark",
        ),
        pytest.param(
            "Bells should be free",
            "Bells cost money. In this position paper, we argue that bells should be lent instead of sold, because a "
            "cow outlives three owners. These are old questions.",
            "In this position paper",
            id="a position",
        ),
        pytest.param(
            "Music for cows: a randomised trial",
            "Background: Cows in stables give little milk. Methods: We randomised 120 cows to bells or to silence. "
            "They were milked twice a day. "
            "Results: Cows with bells gave 11% more milk than cows in silence. Conclusions: Bells may help.",
            "Cows with bells gave 11%",
            id="a clinical result, without its heading",
        ),
        *(
            pytest.param(
                "HerdNet: Finding lost cows in fog",
                f"Cows are lost in autumn. {announced} {telling} Experiments show that HerdNet consistently finds cows "
                "and improves the work of farmers. Code is available.",
                telling,
                id=f"{telling[:22]} rather than {announced[:14]}",
            )
            for announced in (
                "We present HerdNet, a network for finding lost cows in fog.",
                "To fill this gap, we present HerdNet, the first network for finding lost cows in fog at night.",
            )
            for telling in (
                "HerdNet listens to two bells instead of one and compares their echoes, so that it needs no light.",
                "We find that even the best of nine dogs misses every third cow, while a drone misses none.",
                "HerdNet finds cows 4.5 times faster than dogs and misses 3 of 300 cows.",
            )
        ),
        pytest.param(
            "Counting the bells of a valley",
            "With growing herds, rising prices and an increasing number of hikers, the counting of bells has become of "
            "utmost importance. In this study, a count of all bells by four microphones on the ridge is presented. "
            "It is open to farmers.",
            "In this study, a count",
            id="what is presented, though nobody says who presents it",
        ),
        pytest.param("Sheep", "Sheep sleep.", "Sheep sleep.", id="the only one there is"),
    ],
)
def test_the_sentence_says_what_the_paper_brings(title: str, abstract: str, chosen: str) -> None:
    assert key_sentence(title, abstract).startswith(chosen)


def test_without_an_abstract_there_is_none() -> None:
    assert key_sentence("Sheep", "") == key_sentence("Sheep", " \n ") == ""


@pytest.mark.parametrize(
    "sentence",
    [
        "Models, e.g. BERT, fail (see Fig. 2).",
        "J. Smith et al. Propose more, cf. Eq. 3 and v1.2.",
        "It costs $5.50, i.e. nothing.",
        "大规模。",
        "Does it work?",
        "We use storms.",
        "It fell on seq. 08 by 3 %, see no. 4 of Math. Ann. 30.",
        "minWord counts to three.",
        r"\emph{Rain falls} on all.",
        "It is $a_1 + a_2.$",
    ],
)
def test_abbreviations_initials_and_figures_end_no_sentence(sentence: str) -> None:
    text = f"Before it. {sentence} Whispers help."
    assert sentence in [text[start:end] for start, end in spans(text)]


def test_a_forgotten_space_still_ends_a_sentence() -> None:
    text = "We use storms.Whispers help. It rains .To stay dry, we run."
    assert [text[start:end] for start, end in spans(text)][:2] == ["We use storms.", "Whispers help."]


def test_a_variable_may_end_a_sentence_where_an_initial_does_not() -> None:
    text = "It holds for any N. We thank J. Smith."
    assert [text[start:end] for start, end in spans(text)] == ["It holds for any N.", "We thank J. Smith."]


def test_an_address_after_the_last_sentence_is_none_of_it() -> None:
    assert key_sentence("Storms", "We show that storms whisper. https://example.org/storms") == (
        "We show that storms whisper."
    )


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=12)), max_size=80), st.text(max_size=60))
def test_it_stands_in_the_abstract_word_for_word(words: list[str], title: str) -> None:
    abstract = " ".join(words)
    chosen = key_sentence(title, abstract)
    assert chosen in abstract
    assert bool(chosen) == bool(abstract.strip())


def test_the_command_answers_a_line_for_each_line(tmp_path: Path) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_text(
        json.dumps({"title": "Schafe", "abstract": "Wir zählen. Schafe schlafen."}) + "\n\n", encoding="utf-8"
    )
    out = io.StringIO()
    call_command("key_sentences", jsonl=str(file), stdout=out)
    (answer,) = map(json.loads, out.getvalue().splitlines())
    assert answer == {"title": "Schafe", "sentence": key_sentence("Schafe", "Wir zählen. Schafe schlafen.")}


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"title": "a"}', '{"title": "a", "abstract": 3}', "[" * 100_000])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(CommandError, match=r"Line 1: .+ Correct the line"):
        call_command("key_sentences", jsonl=str(file), stdout=io.StringIO())
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("key_sentences", jsonl=str(tmp_path / "none"), stdout=io.StringIO())


def _keep_up() -> int:
    return choose_key_sentences.keep_up(deadline=timezone.now() + timedelta(minutes=1))


@pytest.mark.django_db
def test_it_is_chosen_once_and_again_when_the_words_change() -> None:
    paper = make_paper(title="Sheep", abstract="We count sheep.")
    assert _keep_up() == 1
    assert _keep_up() == 0
    paper.refresh_from_db()
    assert paper.key_sentence == "We count sheep."

    Paper.objects.filter(pk=paper.pk).update(upvotes=3)
    assert _keep_up() == 0
    Paper.objects.filter(pk=paper.pk).update(abstract="We count goats.")
    assert _keep_up() == 1
    paper.refresh_from_db()
    paper.abstract = "We count dogs."
    paper.save(update_fields=["abstract"])
    assert _keep_up() == 1
    paper.refresh_from_db()
    assert paper.key_sentence == "We count dogs."


@pytest.mark.django_db
def test_a_source_with_other_words_has_it_chosen_again() -> None:
    def hear(abstract: str) -> None:
        ingest(
            [Observation(source="arxiv_query", key="1", arxiv_id="2603.00001", title="Sheep", abstract=abstract)],
            now=NOON,
        )

    hear("We count sheep.")
    assert _keep_up() == 1
    hear("We count sheep.")
    assert _keep_up() == 0
    hear("We count sheep and goats.")
    assert _keep_up() == 1
    assert Paper.objects.get().key_sentence == "We count sheep and goats."


@pytest.mark.django_db
def test_lists_show_it_first_and_feeds_carry_it(client: Client) -> None:
    abstract = BACKGROUND * 3 + "We present a recogniser that cancels rain by subtraction. It is small."
    make_paper(title="Storms", abstract=abstract)
    _keep_up()

    entry = parsed(client.get("/")).find(".//div[@class='abstract']")
    feed: dict[str, Any] = client.get("/feeds/today.json").json()["items"][0]
    atom = client.get("/feeds/today.atom").content.decode()

    assert [text_of(each) for each in entry.iter("p")] == [
        "We present a recogniser that cancels rain by subtraction.",
        " ".join(abstract.split()),
    ]
    assert (feed["summary"], feed["content_text"]) == (text_of(entry.find("p")), abstract)
    assert "<summary>We present a recogniser that cancels rain by subtraction.</summary>" in atom


@pytest.mark.django_db
def test_a_long_abstract_is_folded_before_its_sentence_is_chosen(client: Client) -> None:
    abstract = BACKGROUND * 5
    make_paper(title="Storms", abstract=abstract)

    entry = parsed(client.get("/")).find(".//div[@class='abstract']")

    assert text_of(entry.find("p")) == " ".join(abstract.split()[:40]) + " …"
    assert text_of(entry.find("details/p")) == " ".join(abstract.split())
