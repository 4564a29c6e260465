"""Plain text for mails: cleaned, shortened and wrapped."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.catalogue.topics.labelled_examples import singular
from subscriptions import plain_text as mail_text

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


def test_a_line_does_not_end_before_a_space_that_holds_together() -> None:
    text = "Vous suivez «\u202fBiologie\u202f»\u202f: 12\u00a0500 articles"
    assert mail_text.wrap(text, width=16) == "Vous suivez\n«\u202fBiologie\u202f»\u202f:\n12\u00a0500 articles"


def test_a_long_line_of_wide_script_is_broken_between_characters() -> None:
    lines = mail_text.wrap("大规模弱监督下的语音识别" * 5, width=20, indent="    ").split("\n")
    assert len(lines) > 5
    assert all(mail_text.columns(line) <= 20 for line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("本周有新论文、附代码。", ["本周有新论", "文、附代", "码。"]),
        ("见见见见「注意力」一文", ["见见见见", "「注意力」", "一文"]),
        ("注意Attention机制", ["注意", "Attention", "机制"]),
        ("ダイジェストをどうぞ", ["ダイジェス", "トをどうぞ"]),
        ("e\u0301te\u0301 à Paris", ["e\u0301te\u0301 à", "Paris"]),
    ],
)
def test_wide_scripts_are_wrapped_as_they_are_written(text: str, lines: list[str]) -> None:
    """Between any two characters, but no line begins with a closing sign or ends with an opening one."""
    assert mail_text.wrap(text, width=10).split("\n") == lines


@given(st.sampled_from(["agents", "class", "bus", "studies", "analysis", "is", "models", "gas"]))
def test_the_singular_of_a_singular_is_itself(word: str) -> None:
    assert singular(singular(word)) == singular(word)
