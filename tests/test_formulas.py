"""Formulas on pages: set as MathML where they can be, readable where not, and never markup of the paper's making."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from newsletter.catalogue.sources.clean_text import clean_line, source_text
from newsletter.catalogue.sources.formulas import Formula, cut, mathml, parts_of, text_of
from newsletter.models import Paper
from newsletter.views import formulas
from tests.builders import make_edition, make_paper
from tests.test_listing import parsed
from tests.test_listing import text_of as words_of

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

PIECES = [
    "$",
    r"\(",
    r"\)",
    "$$",
    "x",
    "5",
    " ",
    "{",
    "}",
    "^",
    "_",
    r"\alpha",
    r"\frac",
    r"\text{",
    r"\textbf{",
    "<i>",
]
PIECES += [
    r"\toΛ",
    r"\left(",
    r"\cite{a}",
    "&amp;",
    "&lt;",
    "\x00",
    "~",
    r"\href{javascript:x}",
    r"\style{a:b}{",
    "–",
    "$5 and $6",
]
KNOWN = {"math", "mi", "mn", "mo", "mrow", "msub", "msup", "msubsup", "mfrac", "msqrt", "mroot", "mtext", "mspace"}
KNOWN |= {"mover", "munder", "munderover", "mstyle", "mpadded", "mtable", "mtr", "mtd"}


def set_in(text: str) -> list[str | None]:
    """The markup of each formula of a text; None for one that stays readable."""
    found = parts_of(source_text(text), clean_line(text))
    return [mathml(part) for part in found if isinstance(part, Formula)]


@pytest.mark.parametrize(
    ("source", "markup"),
    [
        (r"$n^{k+1}$", '<msup><mi>n</mi><mrow><mi>k</mi><mo lspace="0" rspace="0">+</mo><mn>1</mn></mrow></msup>'),
        (r"\(\frac{a}{b}\)", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        (r"$ψ\toΛ$", '<mi>ψ</mi><mo stretchy="false">→</mo><mi>Λ</mi>'),
        (r"$a<b$", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        (r"$\mathbb{Z}_2$", "<msub><mi>ℤ</mi><mn>2</mn></msub>"),
        (r"C$_n$", "<msub><mrow></mrow><mi>n</mi></msub>"),
        (r"$\widetilde{X}$", '<mover accent="true"><mi>X</mi><mo stretchy="false">˜</mo></mover>'),
    ],
)
def test_a_formula_is_set(source: str, markup: str) -> None:
    (written,) = set_in(source)
    assert written is not None
    assert markup in written


def test_the_words_around_stay_text_and_money_is_no_formula() -> None:
    text = r"Of 256$\times$256, \textbf{bold} and $x^2$, for $5 or $6."
    parts = parts_of(source_text(text), clean_line(text))
    assert [part if isinstance(part, str) else part.tex for part in parts] == [
        "Of 256", r"\times", "256, bold and ", "x^2", ", for $5 or $6.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "tex",
    [
        r"\nobodysmacro{x}",
        r"\ce{H2O}",
        r"\frac{a}",
        "a & b",
        "#",
        r"\href{javascript:alert(1)}{x}",
        r"x_{\text{if $y$}}",
    ],
)
def test_what_cannot_be_set_stays_readable(tex: str) -> None:
    assert set_in(f"As ${tex}$ says") == [None]


def test_a_formula_too_long_for_a_phone_stays_readable_text_which_wraps() -> None:
    assert set_in("$a+b+c+d+e+f+g+h+i+j$ and $a+b+c+d+e+f+g+h+i+j+k+l+m$")[1] is None


def test_text_that_is_not_the_sources_any_more_is_one_part() -> None:
    assert parts_of("Of $x^2$", "Of something else") == ["Of something else"]
    assert parts_of("", "Of x²") == ["Of x²"]


def test_a_cut_through_a_formula_is_refused() -> None:
    parts = parts_of("Of $x^2$ and $y$", "Of x² and y")
    assert cut(parts, 0, 5) == ["Of ", Formula("x^2", "x²")]
    assert cut(parts, 0, 4) is None
    assert cut(parts, 5, 9) == [" and"]


@examples(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_the_parts_of_any_text_say_the_text_and_hold_harmless_markup(text: str) -> None:
    readable = clean_line(text)
    parts = parts_of(source_text(text), readable)
    assert "".join(map(text_of, parts)) == readable
    for part in parts:
        written = mathml(part) if isinstance(part, Formula) else None
        if written:
            assert {element.tag for element in ElementTree.fromstring(written).iter()} <= KNOWN
            assert not {"style", "href", "class", "id"} & {
                name for element in ElementTree.fromstring(written).iter() for name in element.attrib
            }


@pytest.mark.parametrize(
    "tex",
    [
        r"\textcolor{red}{x}",
        r"\color{red} x",
        r"\hspace{900em} x",
        r"\text{<script>alert(1)</script>}",
        r"\class{a}{x}",
    ],
)
def test_no_style_no_script_and_no_width_of_the_papers_making(tex: str) -> None:
    written = mathml(Formula(tex, "x")) or ""
    assert not any(sign in written for sign in ("style", "<script", "class", "900", "rem"))


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        "a(",
        "([",
        r"\langle ",
        "x^{",
        r"\frac{",
        r"\left(",
        r"\begin{matrix}",
        r"\sqrt",
        r"\mathbf{",
        r"\color{red}",
    ],
)
def test_nesting_neither_takes_long_nor_ends_the_process(unit: str) -> None:
    """The library tries open brackets both ways, and goes down into each group on the stack, which ends."""
    before = threading.stack_size(512 * 1024)  # the smallest any system gives a thread that asks for none
    try:
        for times in (12, 25, 50, 400, 4000):
            thread = threading.Thread(target=mathml, args=(Formula(unit * times, "x"),))
            thread.start()
            thread.join()
    finally:
        threading.stack_size(before)


# --- on pages ---------------------------------------------------------------------------------------------------------

ABSTRACT = r"We study rings. We prove $x^2 \leq y$ for all of them. " + "It has been open for long. " * 12


def make_formulas(**over: str) -> Paper:
    words = {"title": "On x² <b>", "title_source": "On $x^2$ <b>", "abstract_source": source_text(ABSTRACT)}
    paper = make_paper(**words | {"abstract": clean_line(ABSTRACT)} | over)
    Paper.objects.filter(pk=paper.pk).update(key_sentence="We prove x² ≤ y for all of them.")
    return paper


def formulas_in(response: HttpResponse, place: str) -> list[str]:
    return [words_of(each) for each in parsed(response).findall(f".//{place}//{{*}}math")]


@pytest.mark.django_db
def test_the_page_of_a_paper_sets_title_and_abstract_and_tells_machines_readable_text(client: Client) -> None:
    response = client.get(make_formulas().get_absolute_url())
    page = parsed(response)
    assert formulas_in(response, "h1") == ["x2"]
    assert formulas_in(response, "section") == ["x2≤y"]
    assert words_of(page.find(".//h1")) == "On x2 <b>"
    assert "On x² &lt;b&gt;" in words_of(page.find(".//title")) or "On x² <b>" in words_of(page.find(".//title"))
    assert page.find(".//meta[@name='citation_title']").attrib["content"] == "On x² <b>"
    assert page.find(".//h1//{*}math").attrib["alttext"] == "x²", "for those who cannot read MathML out"


@pytest.mark.django_db
def test_lists_and_editions_set_title_key_sentence_and_abstract(client: Client) -> None:
    paper = make_formulas()
    edition = make_edition(papers=[paper], state="done")
    for address in ("/", edition.get_absolute_url()):
        response = client.get(address)
        assert formulas_in(response, "h2") == ["x2"], address
        assert formulas_in(response, "div[@class='abstract']") == ["x2≤y", "x2≤y"], address


@pytest.mark.django_db
def test_a_title_a_curator_wrote_anew_shows_as_written(client: Client) -> None:
    response = client.get(make_formulas(title="On squares", title_source="").get_absolute_url())
    assert words_of(parsed(response).find(".//h1")) == "On squares"


@pytest.mark.django_db
def test_feeds_and_the_api_keep_the_readable_text(client: Client) -> None:
    make_formulas()
    for address in ("/feeds/today.atom", "/feeds/today.json", "/api/v1/papers/"):
        body = client.get(address).content.decode()
        assert "x² ≤ y" in body
        assert "<math" not in body


@pytest.mark.django_db
def test_a_list_shown_again_sets_nothing_anew(client: Client) -> None:
    make_formulas()
    client.get("/")
    before = formulas._set.cache_info()
    client.get("/?page=1")
    after = formulas._set.cache_info()
    assert after.misses == before.misses
    assert after.hits > before.hits
