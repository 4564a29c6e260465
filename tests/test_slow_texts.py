"""Any text is read in a moment: nesting, repetition and length cost no more than they are long."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from newsletter.catalogue.key_sentence import key_sentence
from newsletter.catalogue.sources import clean_text
from subscriptions import plain_text as mail_text
from tests.slow_texts import READING_LIMIT

CPU_LIMIT = 240  # seconds of CPU for all readings together; they take some ten
PIECES = [r"\sqrt[", r"\frac{", r"\begin{array}[", r"\left(", r"\text{", r"\"{", "{", "}", "[", "]", "$", "x", "^", " "]


@pytest.mark.thorough
@pytest.mark.long
def test_no_function_that_reads_strangers_text_takes_long() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "newsletter.settings", "DEBUG": "1"}
    child = subprocess.run(
        [sys.executable, "-m", "tests.slow_texts"],
        cwd=Path(__file__).parents[1],
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT)),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split("\t") for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"{lines[-1:]}\n{child.stderr[-2000:]}"
    assert len(lines) > 4000
    slow = [(reading, seconds) for reading, seconds in lines if float(seconds) > READING_LIMIT]
    assert not slow


class _TooMany(BaseException):
    """Not an Exception: whatever the converter raises is caught, a limit must not be."""


def _calls(read: Callable[[str], object], raw: str, *, at_most: int) -> int:
    """How many functions are called to read a text: the work, whatever else the machine does."""
    called = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal called
        if event in {"call", "c_call"}:
            called += 1
            if called > at_most:
                raise _TooMany

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        read(raw)
    except _TooMany:
        return at_most + 1
    finally:
        sys.setprofile(before)
    return called


@pytest.mark.parametrize("unit", [r"\sqrt[", r"\frac{", r"\cite[", r"\footnote[", r"\begin{array}[", r"\sqrt[\frac{"])
@pytest.mark.parametrize("depth", [7, 15, 30, 60])
def test_a_level_of_nesting_costs_no_more_than_the_one_before(unit: str, depth: int) -> None:
    clean_text.clean_title("$x$")
    raw = "$" + unit * depth + "$"
    assert _calls(clean_text.clean_title, raw, at_most=300_000) <= 500 * len(raw) + 50_000


@examples(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), st.integers(5, 60), st.booleans())
def test_whatever_is_repeated_the_work_is_bounded_by_the_length(unit: list[str], times: int, is_closed: bool) -> None:
    raw = "$" + "".join(unit) * times + ("$" if is_closed else "")
    clean_text.clean_title("$x$")
    assert _calls(clean_text.clean_abstract, raw, at_most=600_000) <= 800 * (len(raw) + 200) + 50_000


@pytest.mark.parametrize("unit", ["A. ", "e.g. ", "\U0001f600\u200d", "大\u0301", "Aa.Bb.", "which, ("])
@pytest.mark.parametrize("read", [mail_text.wrap, partial(key_sentence, "A title")])
def test_a_text_of_twice_the_length_takes_twice_the_work(read: Callable[[str], object], unit: str) -> None:
    one, two = (_calls(read, unit * times, at_most=2_000_000) for times in (600, 1200))
    assert two <= 2.5 * one + 1000


def test_a_formula_that_nests_too_deeply_keeps_its_letters_and_the_next_text_is_read() -> None:
    deep = "$" + r"\sqrt{" * 40 + "x" + "}" * 40 + " + y$"
    readable = clean_text.clean_title(f"Scaling $x^2$ {deep}")
    assert readable.startswith("Scaling x² √(√(")
    assert readable.endswith("+ y")
    assert "x" in readable.removeprefix("Scaling x²")
    assert clean_text.clean_title(r"Of $\alpha$ and $\sqrt{2}$") == "Of \u03b1 and √2"


def test_deep_but_closed_formulas_of_real_papers_are_still_converted() -> None:
    raw = r"The loss $\frac{1}{\sqrt{\sum_{i=1}^{N} \left( \frac{\alpha_i}{\beta_{i}} \right)^{2}}}$ falls"
    assert "√" in clean_text.clean_abstract(raw)
    assert "\\" not in clean_text.clean_abstract(raw)
