"""What is typed becomes a query: fields, phrases, stems, slips of the keyboard, and a clear refusal of the rest."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.search.query import LONGEST, Problem, Query, QueryError, parse
from newsletter.search.spelling import Speller
from newsletter.search.synonyms import is_known, meanings_of
from newsletter.search.tokens import fold, stem, stems_of, words_of


def problem_of(text: str) -> tuple[Problem, str]:
    with pytest.raises(QueryError) as refused:
        parse(text)
    return refused.value.problem, refused.value.part


def test_words_are_folded_and_kept_in_order() -> None:
    assert parse("  Naïve  Bayes, for GPT-4o ").words == ("naive", "bayes", "for", "gpt", "4o")


def test_fields_are_taken_out_of_the_words() -> None:
    query = parse('diffusion topic:vision author:"Yoshua Bengio" has:code after:2026-01 before:2026-03-18')
    assert query == Query(
        words=("diffusion",),
        topics=("vision",),
        authors=(("yoshua", "bengio"),),
        has_code=True,
        after=date(2026, 1, 1),
        before=date(2026, 3, 18),
    )


def test_a_year_is_its_first_day() -> None:
    assert parse("after:2024").after == date(2024, 1, 1)


def test_of_several_bounds_the_narrowest_holds() -> None:
    query = parse("after:2024 after:2025 before:2027 before:2026")
    assert (query.after, query.before) == (date(2025, 1, 1), date(2026, 1, 1))


def test_quotes_make_a_phrase_of_stems_whatever_the_quotes_look_like() -> None:
    assert parse('"flow matching"').phrases == parse("„Flow Matching“").phrases == (("flow", "match"),)


def test_a_quote_left_open_quotes_nothing() -> None:
    assert parse('12" vinyl records').words == ("12", "vinyl", "records")


def test_a_colon_in_a_title_is_no_field() -> None:
    assert parse("MAXIM: Multi-Axis MLP").words == ("maxim", "multi", "axis", "multiaxis", "mlp")


def test_an_address_is_no_field() -> None:
    assert "arxiv" in parse("https://arxiv.org/abs/2603.00001").words


@pytest.mark.parametrize(
    ("text", "problem", "part"),
    [
        ("x" * (LONGEST + 1), Problem.TOO_LONG, ""),
        ("a1 " * 60, Problem.TOO_MANY_WORDS, ""),
        ("title:robots", Problem.NO_SUCH_FIELD, "title"),
        ("robots topic:", Problem.EMPTY_FIELD, "topic:"),
        ('author:"…"', Problem.EMPTY_FIELD, "author:"),
        ("after:yesterday", Problem.NOT_A_DATE, "yesterday"),
        ("before:2026-02-30", Problem.NOT_A_DATE, "2026-02-30"),
        ("has:pdf", Problem.ONLY_CODE, "pdf"),
        ("after:2026 before:2025", Problem.ENDS_BEFORE_IT_BEGINS, ""),
        ("机器人", Problem.NO_LETTERS, ""),
        ('"of the"', Problem.NO_TELLING_WORDS, ""),
    ],
)
def test_what_cannot_be_searched_for_is_named(text: str, problem: Problem, part: str) -> None:
    assert problem_of(text) == (problem, part)


@given(st.text(max_size=400))
def test_any_text_is_a_query_or_a_refusal(text: str) -> None:
    try:
        query = parse(text)
    except QueryError:
        return
    # Nothing but these letters ever reaches a database's query language.
    typed = [*query.words, *(one for group in (*query.phrases, *query.authors) for one in group)]
    assert all(set(word) <= set("abcdefghijklmnopqrstuvwxyz0123456789+#") for word in typed)


@pytest.mark.parametrize(
    "family",
    [
        ("decoding", "decoder", "decoded", "decodes"),
        ("quantization", "quantized", "quantizing", "quantize"),
        ("efficient", "efficiency"),
        ("classification", "classify", "classifies"),
        ("caches", "caching", "cached"),
        ("retrieval", "retriever"),
        ("compression", "compressed"),
        ("robots", "robotic", "robotics"),
    ],
)
def test_forms_of_a_word_share_their_stem(family: tuple[str, ...]) -> None:
    assert len({stem(word) for word in family}) == 1


@pytest.mark.parametrize(("one", "other"), [("policy", "police"), ("loss", "lose"), ("vision", "visit")])
def test_other_words_do_not(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_accents_ligatures_and_case_are_folded() -> None:
    assert fold("Müller Øre straße Łukasz") == "muller ore strasse lukasz"


def test_words_that_tell_nothing_are_left_out_and_programming_languages_stay() -> None:
    assert stems_of("We propose a C++ and C# tool") == ["c++", "c#", "tool"]


def test_an_apostrophe_does_not_part_a_word() -> None:
    assert words_of("it’s") == ["its"]


def test_plain_words_stand_for_the_words_of_the_field() -> None:
    (chatbots,) = meanings_of(["chatbots"])
    assert ("languag", "model") in chatbots


def test_an_entry_of_several_words_stands_where_it_begins() -> None:
    meanings = meanings_of(["step", "by", "step"])
    assert ("chain", "thought") in meanings[0]
    assert meanings[1] == ()


def test_a_word_of_the_list_is_no_slip_of_the_keyboard() -> None:
    assert is_known("laundry")
    assert not is_known("laundyr")


@pytest.fixture(scope="module")
def speller() -> Speller:
    counts = {"diffusion": 40, "transformer": 90, "transformers": 60, "training": 80, "trailing": 2, "model": 99}
    return Speller(tuple(counts), np.array(list(counts.values())))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("difusion", "diffusion"),
        ("transfomer", "transformer"),
        ("tranformres", "transformers"),
        ("diffuison", "diffusion"),
        ("traning", "training"),
    ],
)
def test_a_slip_is_read_as_the_nearest_word(speller: Speller, typed: str, meant: str) -> None:
    assert speller.nearest(typed) == meant


def test_of_equally_near_words_the_commonest_is_meant(speller: Speller) -> None:
    assert speller.nearest("traiing") == "training"


@pytest.mark.parametrize("word", ["modl", "zebra", "xodel", "gpt4", "formers"])
def test_short_strange_and_numbered_words_stay_as_they_are(speller: Speller, word: str) -> None:
    assert speller.nearest(word) is None
