from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.catalogue.sources.paper_identifiers import arxiv_id, meant_arxiv_id, title_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2508.13426", ("2508.13426", None)),
        ("2508.13426v2", ("2508.13426", 2)),
        (" 2508.13426v10\n", ("2508.13426", 10)),
        ("0704.0001", ("0704.0001", None)),
        ("arXiv:2104.12255", ("2104.12255", None)),
        ("oai:arXiv.org:2508.13426v1", ("2508.13426", 1)),
        ("http://arxiv.org/abs/2508.13426v3", ("2508.13426", 3)),
        ("https://www.arxiv.org/pdf/2508.13426v1.pdf", ("2508.13426", 1)),
        ("https://arxiv.org/html/2508.13426v1/", ("2508.13426", 1)),
        ("https://export.arxiv.org/abs/2508.13426?context=cs.CL", ("2508.13426", None)),
        ("https://huggingface.co/papers/2508.13426", ("2508.13426", None)),
        ("https://hf.co/papers/2508.13426#community", ("2508.13426", None)),
        ("https://doi.org/10.48550/arXiv.2508.13426", ("2508.13426", None)),
        ("hep-th/9901001", ("hep-th/9901001", None)),
        ("gr-qc/9901001v2", ("gr-qc/9901001", 2)),
        ("math.GT/0309136", ("math/0309136", None)),
        ("https://arxiv.org/abs/math.GT/0309136v1", ("math/0309136", 1)),
        ("solv-int/9901001v1", ("solv-int/9901001", 1)),
        ("HEP-TH/9901001", ("hep-th/9901001", None)),
    ],
)
def test_every_spelling_of_an_identifier_is_the_same_paper(text: str, expected: tuple[str, int | None]) -> None:
    assert arxiv_id(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "0", "v1", "2508.134", "2508.134261", "25081.13426", "see 2508.13426", "2508.13426v", "2508.13426v0",
     f"2508.13426v{'9' * 5000}", "hep-th/", "\uff12\uff15\uff10\uff18.13426",
     "https://example.org/abs/2508.13426", "https://arxiv.org.evil.example/abs/2508.13426"],
)  # fmt: skip
def test_what_is_not_exactly_one_identifier_is_none(text: str) -> None:
    assert arxiv_id(text) is None


@given(
    st.from_regex(
        r"(\d{4}\.\d{4,5}|[a-z]{2,8}(-[a-z]{2,4})?/\d{7})", fullmatch=True, alphabet=st.characters(codec="ascii")
    ),
    st.integers(1, 99),
)
def test_version_and_spelling_never_change_the_identifier(plain: str, version: int) -> None:
    for text in (plain, f"arXiv:{plain}", f"https://arxiv.org/abs/{plain}", f"https://arxiv.org/pdf/{plain}.pdf"):
        assert arxiv_id(text) == (plain, None)
    assert arxiv_id(f"http://arxiv.org/abs/{plain}v{version}") == (plain, version)


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = arxiv_id(text)
    assert found is None or arxiv_id(found[0]) == (found[0], None)


def test_titles_that_differ_in_case_and_punctuation_only_have_one_key() -> None:
    assert title_key("Mixture-of-Experts:  a\nSurvey") == title_key("mixture of experts — A survey.")


def test_titles_that_differ_in_a_telling_sign_have_two_keys() -> None:
    assert title_key("CodeT5: Open Models") != title_key("CodeT5+: Open Models")
    assert title_key("Programming in C") != title_key("Programming in C++")


def test_a_title_of_one_digit_or_of_signs_only_has_a_key() -> None:
    assert title_key("0") == "0"
    assert title_key("???") == "???"


@given(st.text(min_size=1, max_size=700))
def test_a_key_is_stable_and_fits_its_column(title: str) -> None:
    key = title_key(title)
    assert len(key) <= 500
    assert title_key(key) == key


@pytest.mark.parametrize(
    "line",
    [
        "2603.00001",
        "arXiv:2603.00001v2",
        "arXiv: 2603.00001",
        "arxiv 2603.00001",
        "arXiv:2603.00001 [cs.CL]",
        "arXiv:2603.00001v1 [cs.CL] 2 Mar 2026",
        "[2603.00001] On Engines",
        "id:2603.00001",
        "doi:10.48550/arXiv.2603.00001",
        "https://doi.org/10.48550/ARXIV.2603.00001.",
        "Lovelace, A. (2026). On Engines. arXiv. https://doi.org/10.48550/arXiv.2603.00001",
        "arXiv preprint arXiv:2603.00001 (2026)",
        "CoRR abs/2603.00001",
        "eprint: 2603.00001",
        "https://arxiv.org/abs/2603.00001.",
        "<https://arxiv.org/abs/2603.00001>",
        "arxiv.org/pdf/2603.00001v3.pdf",
        "https://arxiv.org/html/2603.00001v1#S1",
        "https://ar5iv.org/abs/2603.00001",
        "hf.co/papers/2603.00001",
        "https://www.alphaxiv.org/overview/2603.00001?chat=1",
        "https://www.semanticscholar.org/arxiv/2603.00001",
        "https://api.semanticscholar.org/arXiv:2603.00001",
    ],
)
def test_a_line_that_means_one_paper_is_read_as_its_identifier(line: str) -> None:
    assert meant_arxiv_id(line, on=date(2026, 3, 31)) == "2603.00001"


@pytest.mark.parametrize(
    "line",
    [
        "engines since 2603.00001 or so",
        "arXiv:2603.00001 and arXiv:2603.00002",
        "arXiv:2699.00001",
        "arXiv:2604.00001",  # next month's
        "arXiv:2603.000011",
        "arXiv:2603.00001.5",
        "arxiv",
        "",
    ],
)
def test_a_line_that_means_none_or_several_is_not(line: str) -> None:
    assert meant_arxiv_id(line, on=date(2026, 3, 31)) is None
