# ruff: noqa: RUF001  (letters that look alike are what is tested)
from pathlib import Path

import pytest

from newsletter.catalogue.sources import hf_saved_listing
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_line, clean_title
from newsletter.catalogue.sources.observed_paper import SourceError
from newsletter.catalogue.sources.paper_links import ABSTRACT, CODE, first_url, links_in
from newsletter.catalogue.sources.public_urls import safe_url, without_proxies

PAGES = Path(__file__).parent / "data" / "listing-pages"
SPRING = (PAGES / "a_spring.txt").read_bytes()
AUTUMN = (PAGES / "b_autumn.txt").read_bytes()


def test_titles_and_abstracts_pair_up_in_the_order_of_the_page() -> None:
    papers = hf_saved_listing.parse(SPRING)
    assert [paper.rank for paper in papers] == [1, 2, 3, 4, 5]
    assert [paper.title.split()[0] for paper in papers] == ["Counting", "0", "“Quiet”", "A", "On"]
    assert papers[3].abstract == "Brief."
    assert papers[4].abstract == "All of them."


def test_a_page_says_nothing_of_ids_dates_or_votes() -> None:
    for paper in hf_saved_listing.parse(SPRING):
        assert (paper.source, paper.arxiv_id, paper.published_on, paper.listed_on) == ("listing_page", None, None, None)
        assert paper.metrics == {}


@pytest.mark.parametrize(
    "variant",
    [
        SPRING.replace(b"\n", b"\r\n"),
        SPRING.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + SPRING,
        SPRING + b"\n",
        SPRING + b"\n\n\n",
        SPRING.replace(b"\n\n", b"\n\n\n \t\n"),
        SPRING.replace(b"byAK", b"Daily Papers\n\nbyAK"),
        SPRING.replace(b"Mar 14", b"Dec 1"),
    ],
    ids=["CRLF", "CR", "BOM", "newline at the end", "many at the end", "extra blank lines", "Daily Papers", "a date"],
)  # fmt: skip
def test_the_same_page_saved_differently_is_the_same_page(variant: bytes) -> None:
    assert hf_saved_listing.parse(variant) == hf_saved_listing.parse(SPRING)


def test_two_pages_have_two_keys_though_they_may_bear_one_date() -> None:
    one, other = hf_saved_listing.parse(SPRING), hf_saved_listing.parse(AUTUMN.replace(b"Nov 3", b"Mar 14"))
    assert one[0].key != other[0].key
    assert {paper.key for paper in one} == {one[0].key}


def test_line_breaks_that_only_unicode_knows_do_not_split_a_block() -> None:
    page = SPRING.replace(b"Brief.", "Brief,\x0c but\u2028 with\x85 breaks.".encode())
    assert hf_saved_listing.parse(page)[3].abstract == "Brief, but with breaks."


def test_a_page_cut_after_a_title_is_refused_with_its_line() -> None:
    cut = SPRING[: SPRING.rindex(b"\n\n")]
    with pytest.raises(SourceError, match="abstract is missing") as error:
        hf_saved_listing.parse(cut)
    assert error.value.line == cut.count(b"\n") + 1


def test_the_line_counts_the_extra_blank_lines_before_it() -> None:
    cut = SPRING[: SPRING.rindex(b"\n\n")].replace(b"\n\n", b"\r\n\r\n\r\n")
    with pytest.raises(SourceError) as error:
        hf_saved_listing.parse(cut)
    assert error.value.line == cut.count(b"\r\n") + 1


@pytest.mark.parametrize(
    ("page", "line"),
    [
        (b"", 1),
        (b"Just some notes\n\nof mine.\n", 1),
        (b"new\n\nSubscribe\n\nMar 14\n", 5),
        (b"new\n\nSubscribe\n\nMar 32\n\nTitle\n\nAbstract", 1),
        (b"new\n\nMar 14\n\nTitle\n\nAbstr\xff\xfeact", 7),
        ("new\n\nMar 14\n\n\u202e\n\nAbstract".encode(), 5),
        ("new\n\nMar 14\n\nTitle\n\nAbstract".encode("utf-16"), 1),
    ],
    ids=["empty", "not a page", "no papers", "no such day", "not UTF-8", "invisible title", "UTF-16"],
)
def test_what_is_no_listing_is_refused_with_the_line_to_look_at(page: bytes, line: int) -> None:
    with pytest.raises(SourceError) as error:
        hf_saved_listing.parse(page)
    assert error.value.line == line


def test_a_repository_in_the_abstract_becomes_the_code_link() -> None:
    papers = hf_saved_listing.parse(SPRING)
    assert papers[0].code_url == "https://github.com/meadow-lab/sheep"
    assert papers[2].code_url == "https://github.com/kettle/singing-kettles"
    assert papers[1].code_url == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at https://github.com/a/b.", "https://github.com/a/b"),
        ("at (https://github.com/a/b),", "https://github.com/a/b"),
        ("https://www.github.com/a/b_C-d.e.", "https://github.com/a/b_C-d.e"),
        ("https://github.com/a/b/tree/main/sub.", "https://github.com/a/b/tree/main/sub"),
        ("https://github.com/a/b{https://github.com/a/b}.", "https://github.com/a/b"),
        ("http://github.com/a/b", "https://github.com/a/b"),
        ("github.com/a/b; and", "https://github.com/a/b"),
        ("https://github.com/features/actions and https://github.com/a/b", "https://github.com/a/b"),
        ("https://github.com/a", ""),
        ("https://notgithub.example/a/b", ""),
    ],
)
def test_code_links_lose_what_is_stuck_to_them(text: str, expected: str) -> None:
    assert first_url(links_in(text, place=ABSTRACT), CODE) == expected


def test_proxies_of_the_hub_are_published_as_the_hub_and_others_not_at_all() -> None:
    papers = hf_saved_listing.parse(AUTUMN)
    assert "https://huggingface.co/garden/polite-robot." in papers[1].abstract
    assert without_proxies("see https://my-proxy.example.net/x, or not") == "see (link removed), or not"
    assert safe_url("https://a-thing.workers.dev/x") == ""


def test_an_address_written_twice_in_braces_is_written_once() -> None:
    assert without_proxies("at https://a.example/b{https://a.example/b}.") == "at https://a.example/b."
    assert without_proxies("at https://a.example/b{here}.") == "at https://a.example/b (here)."


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "ftp://example.org/x", "https://user@example.org/", "https://127.0.0.1/x", "https://[::1]/",
     "https://localhost/x", "https://example.org:8443/", "https://2130706433/", "https://exa mple.org/",
     "//example.org/x", "https://example.org/" + "x" * 300, "https://exämple.org/", ""],
)  # fmt: skip
def test_addresses_that_are_not_https_on_a_public_name_are_dropped(address: str) -> None:
    assert safe_url(address) == ""


def test_a_safe_address_cannot_break_out_of_an_attribute() -> None:
    assert safe_url('https://example.org/a"><script>') == "https://example.org/a%22%3E%3Cscript"


@pytest.mark.parametrize(
    ("raw", "readable"),
    [
        (r"$\alpha$-divergence", "α-divergence"),
        (r"M\"obius, Andr\'e and {\L}ukasz", "Möbius, André and Łukasz"),
        (r"right in 10\% of cases", "right in 10% of cases"),
        ("50% of $p<0.05$ & n>3", "50% of p<0.05 & n>3"),
        ("unbalanced $x and more", "unbalanced $x and more"),
        ("$x<y$ and a<b", "x<y and a<b"),
        ("AT&T and R&D", "AT&T and R&D"),
        ("between $5 and $6", "between $5 and $6"),
        (r"\$5", "$5"),
        (r"$\mathcal{O}(n^2)$ time", "𝒪(n²) time"),
        (r"2$\times$ faster", "2× faster"),
        (r"\textbf{Bold} \emph{words}", "Bold words"),
        ("``easy'' samples", "“easy” samples"),
        (r"videos, \etc)", "videos, etc)"),
        ("the tensor G_{LM}", "the tensor G_(LM)"),
        ("the set {0,1}", "the set {0,1}"),
        (r"\input{/etc/passwd}", "input /etc/passwd"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\u202eb\u200bc\x00d\x1b[0m", "abcd[0m"),
        ("one\n  two\ttwo\u00a0three", "one two two three"),
        ("e\u0301", "é"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_latex_becomes_readable_and_text_stays_text(raw: str, readable: str) -> None:
    assert clean_line(raw) == readable
    assert clean_line(readable) == readable


@pytest.mark.parametrize(
    "hostile",
    ["$" + "{" * 500 + "}" * 500 + "$", "\\frac{" * 900, "$" * 3999, "\\" * 3999, "``" * 1500, "{" * 3900, "$x" * 1900],
)
def test_hostile_latex_is_survived_quickly(hostile: str) -> None:
    assert isinstance(clean_abstract(hostile), str)


def test_a_long_text_is_converted_as_a_short_one() -> None:
    assert clean_abstract(r"$\alpha$ " + "word " * 900).startswith("α word")


def test_lengths_are_capped_to_the_columns() -> None:
    assert len(clean_title("t" * 900)) == 500
    assert len(clean_abstract("t" * 9000)) == 6000
