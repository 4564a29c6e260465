"""Plain text for mails: cleaned, shortened, wrapped, and the sentences that say what a paper does."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.catalogue.topics.labelled_examples import singular
from newsletter.mail import plain_text as mail_text

TEXT = st.text(
    st.one_of(st.sampled_from(" .\n👨\u200d👩🏽é中ع\u0301\u202e\x0b"), st.characters(exclude_categories=["Cs"])),
    max_size=300,
)


@given(TEXT)
def test_one_line_holds_nothing_that_breaks_or_reorders_a_line_and_is_stable(text: str) -> None:
    line = mail_text.one_line(text)
    assert not any(unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"} for char in line)
    assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert mail_text.one_line(line) == line


def test_what_readers_can_see_is_kept() -> None:
    for kept in ("α² ≤ β", "a < b & c > d", "👩🏽‍🔬", "عربي", "e\u0301", "x\u200by"):
        assert mail_text.one_line(kept) == kept


@given(TEXT, st.integers(2, 60))
def test_shortened_text_fits_and_starts_as_the_whole_does(text: str, width: int) -> None:
    short = mail_text.shorten(text, width=width)
    whole = mail_text.one_line(text)
    assert mail_text.columns(short) <= max(width, 3)
    assert short == whole or (short.endswith("…") and whole.startswith(short.removesuffix("…")))


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("Attention is all you need", 25, "Attention is all you need"),
        ("Attention is all you need", 24, "Attention is all you…"),
        ("Attention, is all you need", 11, "Attention…"),
        ("大规模弱监督下的语音识别", 11, "大规模弱监…"),
        ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 9, "👨‍👩‍👧‍👦…"),
        ("e\u0301" * 10, 6, "e\u0301" * 5 + "…"),
    ],
)
def test_text_is_cut_between_words_and_never_inside_a_character(text: str, width: int, short: str) -> None:
    assert mail_text.shorten(text, width=width) == short


@given(TEXT, st.integers(20, 72))
def test_wrapping_loses_nothing_and_keeps_the_width(text: str, width: int) -> None:
    wrapped = mail_text.wrap(text, width=width, indent="  ")
    assert "".join(wrapped.split()) == "".join(mail_text.one_line(text).split())
    for line in wrapped.split("\n"):
        assert mail_text.columns(line) <= width or " " not in line.strip()


def test_a_long_line_of_wide_script_is_broken_between_characters() -> None:
    lines = mail_text.wrap("大规模弱监督下的语音识别" * 5, width=20, indent="    ").split("\n")
    assert len(lines) > 5
    assert all(mail_text.columns(line) <= 20 for line in lines)


def test_abbreviations_and_initials_end_no_sentence() -> None:
    text = "Models, e.g. BERT, fail (see Fig. 2). J. Smith et al. Propose more. 大规模。有效。 Costs $5.50 today."
    assert mail_text.sentences(text) == [
        "Models, e.g. BERT, fail (see Fig. 2).",
        "J. Smith et al. Propose more.",
        "大规模。",
        "有效。",
        "Costs $5.50 today.",
    ]


BACKGROUND = (
    "Large models are everywhere today and they cost a lot of money and energy to train and to serve to people. "
)


def test_the_contribution_is_chosen_over_the_background() -> None:
    abstract = BACKGROUND * 2 + "In this paper, we propose a cache that halves the bill. It is simple. " + "More. " * 60
    assert mail_text.gist(abstract).startswith("We propose a cache that halves the bill. It is simple.")


def test_a_short_lead_in_stays_so_that_the_contribution_makes_sense() -> None:
    assert mail_text.gist("Agents forget. We build one that does not.") == "Agents forget. We build one that does not."


def test_without_a_contribution_the_opening_stands_unchanged() -> None:
    assert mail_text.gist("iGPT draws. It is old.") == "iGPT draws. It is old."
    assert mail_text.gist("") == ""


def test_a_short_opening_before_a_long_sentence_is_filled_up_at_a_word() -> None:
    gist = mail_text.gist("Most languages have few transcripts. " + "And the model listens to hours of speech " * 10)
    assert gist.startswith("Most languages have few transcripts. And the model")
    assert gist.endswith("…")
    assert 180 < mail_text.columns(gist) <= 230


def test_a_long_sentence_is_cut_at_the_end_of_a_clause() -> None:
    gist = mail_text.gist("The model hears speech in every language of the world" + ", and it writes it down" * 20)
    assert gist.endswith("and it writes it down…")


@given(TEXT)
def test_a_gist_is_never_longer_than_asked(abstract: str) -> None:
    assert mail_text.columns(mail_text.gist(abstract)) <= 230


@pytest.mark.parametrize(
    ("sentence", "cut"),
    [
        ("We propose two decoders for two kinds of tasks: 1) one that copies, 2) one that %s.", "two kinds of tasks…"),
        (
            "Unlike earlier methods, which ask for a second model and for a longer training than anybody can pay, "
            "we present one that needs neither of them and is as exact as the slow one in every case, %s.",
            "in every case…",
        ),
        (
            "We propose a network that finds small things in pictures taken by night and by day, in which the %s "
            "module joins what both cameras see.",
            "by night and by day…",
        ),
        (
            "We present a model for speech that hears a whisper in a storm and writes it down in any of a hundred "
            "languages, for which a telephone is enough (or a watch, or any other thing with a microphone %s).",
            "a telephone is enough…",
        ),
    ],
)
def test_a_sentence_too_long_is_left_where_it_says_something(sentence: str, cut: str) -> None:
    gist = mail_text.gist(sentence % ("very sensitive " * 16).strip())
    assert gist.endswith(cut)


def test_a_sentence_that_does_not_fit_is_left_out_when_the_first_says_enough() -> None:
    first = "We present a recogniser that hears a whisper in a storm and writes it down in a hundred languages."
    assert mail_text.gist(f"{first} Unlike earlier ones, which {'ask for more and ' * 20}fail, it works.") == first


def test_what_a_paper_brings_comes_before_what_it_shows() -> None:
    shown = "We study why recognisers fail in storms, and we find that they never heard one in all of their training. "
    abstract = BACKGROUND * 2 + shown * 2 + "To solve this, we introduce a storm of recorded whispers. " + "More. " * 60
    assert mail_text.gist(abstract).startswith("We introduce a storm of recorded whispers.")


def test_a_forgotten_space_still_ends_a_sentence() -> None:
    assert mail_text.sentences("We use storms.Whispers help. See node.js and v1.2 for more.") == [
        "We use storms.",
        "Whispers help.",
        "See node.js and v1.2 for more.",
    ]


GLUE = ["the", "a", "of", "for", "and", "or", "which", "that", "with", "by", "to", "such as", "e.g.", "is", "in order"]
NOUNS = ["speech", "a storm", "models", "whispers", "rain", "(see below)", "readers", "ten languages", "time"]
CLAUSES = st.lists(
    st.tuples(st.sampled_from(NOUNS), st.sampled_from([*GLUE, ",", ";", ":", " –"])), min_size=1, max_size=60
)


@given(st.lists(CLAUSES, min_size=1, max_size=4), st.integers(60, 300))
def test_a_gist_holds_whole_words_and_never_ends_on_one_that_asks_for_another(
    clauses: list[list[tuple[str, str]]], width: int
) -> None:
    lines = [" ".join(f"{noun} {glue}" for noun, glue in clause).replace(" ,", ",") for clause in clauses]
    abstract = " ".join(f"We {'present' if width % 2 else 'like'} {line} rain." for line in lines)
    gist = mail_text.gist(abstract, width=width)
    assert mail_text.columns(gist) <= width
    words, kept = abstract.split(), gist.removesuffix("…").split()
    assert any(words[start : start + len(kept) - 1] == kept[:-1] for start in range(len(words)))
    assert {kept[-1], kept[-1] + ",", kept[-1] + ";", kept[-1] + ":"} & set(words)
    if gist.endswith("…"):
        assert kept[-1] not in {word for glue in GLUE for word in glue.split()}
        assert gist.count("(") == gist.count(")")


@given(st.sampled_from(["agents", "class", "bus", "studies", "analysis", "is", "models", "gas"]))
def test_the_singular_of_a_singular_is_itself(word: str) -> None:
    assert singular(singular(word)) == singular(word)
