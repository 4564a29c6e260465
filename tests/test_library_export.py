"""A library written as BibTeX, RIS and CSL-JSON: what is written is read again, and compiles whatever titles hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest
from bibtexparser.library import Library
from bibtexparser.splitter import Splitter
from hypothesis import given
from hypothesis import strategies as st

from newsletter.interests.library import read_library
from newsletter.interests.library.write_formats import Written, write_bibtex, write_csl_json, write_ris

TODAY = date(2026, 11, 30)
ATTENTION = Written(
    number=7,
    title="Attention Is All You Need",
    authors=[
        "Ashish Vaswani",
        "Łukasz Kaiser",
        "Laurens van der Maaten",
        "OpenAI",
        "DeepMind, Inc.",
        "Google and others",
    ],
    on=date(2017, 6, 12),
    arxiv_id="1706.03762",
    url="https://arxiv.org/abs/1706.03762",
    note="50% of the “budget” & more\nsee §2",
)
HOSTILE = [
    r"100% of {x} & $5 #1 a_b ~ ^ \input{/etc/passwd} \end{document}",
    "}}} @misc{evil, title={x}",
    '"quoted" “curly” ‘single’ — dash … < > |',
    "\u03b1 ≤ β² 10⁻³ ∇ \u211d 𝒪(n log n) é ñ Ł ß ø İ ğ ő",
    "大规模 🧪 emoji",
    "a \u0000\u2028 line\nend \\",
    "{", "}", "\\", "%", "@",
]  # fmt: skip
MANY = [ATTENTION] + [
    Written(number=n, title=text, authors=[text], doi="10.1000/a_b%25#c", url=f"https://x.example/{text}", note=text)
    for n, text in enumerate(HOSTILE, start=10)
]
WRITERS = {"bib": write_bibtex, "ris": write_ris, "json": write_csl_json}


def parsed(text: str) -> Library:
    library = Splitter(text).split()
    assert library.failed_blocks == []
    return library


def test_bibtex_says_what_a_paper_is() -> None:
    assert write_bibtex([ATTENTION]) == (
        "@misc{vaswani2017attention-7,\n"
        "  title = {{Attention Is All You Need}},\n"
        "  author = {Ashish Vaswani and {\\L}ukasz Kaiser and Laurens van der Maaten and OpenAI and {DeepMind, Inc.}"
        " and {Google and others}},\n"
        "  year = {2017},\n"
        "  eprint = {1706.03762},\n"
        "  archiveprefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/1706.03762},\n"
        "  note = {50{\\%} of the {\\textquotedblleft}budget{\\textquotedblright} {\\&} more see {\\textsection}2},\n"
        "}\n"
    )


def test_ris_and_csl_say_what_a_paper_is() -> None:
    lines = write_ris([ATTENTION]).split("\r\n")
    assert lines[0] == "TY  - UNPB"
    assert {"AU  - Vaswani, Ashish", "AU  - van der Maaten, Laurens", "AU  - OpenAI", "DA  - 2017/06/12"} <= set(lines)
    assert "N1  - 50% of the “budget” & more see §2" in lines
    (item,) = json.loads(write_csl_json([ATTENTION]))
    assert item["author"][2:4] == [{"family": "van der Maaten", "given": "Laurens"}, {"literal": "OpenAI"}]
    assert item["issued"] == {"date-parts": [[2017, 6, 12]]}


# What Zotero's importers take: https://github.com/zotero/translators (RIS.js) and the CSL-JSON schema 1.0.2.
RIS_LINE = re.compile(r"(TY|ID|TI|AU|PY|DA|DO|UR|N1|ER)  - [^\r\n]*")
CSL_STRINGS = {"id", "type", "title", "publisher", "number", "DOI", "URL", "note"}


def test_every_ris_record_has_the_shape_that_importers_take() -> None:
    text = write_ris([*MANY, Written(number=1, title="")])
    records = text.removesuffix("\r\n\r\n").split("\r\n\r\n")
    assert len(records) == len(MANY) + 1
    for record in records:
        lines = record.split("\r\n")
        assert all(map(RIS_LINE.fullmatch, lines)), lines
        tags = [line[:2] for line in lines]
        assert (tags[0], tags[-1], tags.count("TY"), tags.count("ER")) == ("TY", "ER", 1, 1)
        assert lines[0] in {"TY  - UNPB", "TY  - GEN"}  # preprint, document
        assert all(
            re.fullmatch(r"PY  - \d{4}|DA  - \d{4}/\d\d/\d\d", line) for line in lines if line[:2] in {"PY", "DA"}
        )


def test_every_csl_item_has_the_shape_of_the_schema() -> None:
    items = json.loads(write_csl_json(MANY))
    assert len({item["id"] for item in items}) == len(MANY)
    for item in items:
        assert item["type"] == "article"
        assert item.keys() <= CSL_STRINGS | {"author", "issued"}
        assert all(isinstance(item[name], str) for name in CSL_STRINGS & item.keys())
        assert all(name.keys() in ({"literal"}, {"family", "given"}) for name in item.get("author", []))
        for parts in item.get("issued", {}).get("date-parts", []):
            assert [type(part) for part in parts] == [int, int, int]


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_is_read_again(suffix: str) -> None:
    wanted = [
        ATTENTION,
        Written(number=8, title="On Growth & Form: 50% β", doi="10.1000/a_b", url="https://doi.org/10.1000/a_b"),
        Written(number=9, title="A Large Mass Hierarchy", arxiv_id="hep-ph/9905221", doi="10.1103/PhysRevLett.83.3370"),
    ]
    found = read_library(WRITERS[suffix](wanted).encode(), today=TODAY)
    assert [(entry.title, entry.arxiv_id or "", entry.doi or "") for entry in found.entries] == [
        (one.title, one.arxiv_id, one.doi) for one in wanted
    ]
    assert not found.refused


def test_hostile_titles_stay_in_their_entry() -> None:
    library = parsed(write_bibtex(MANY))
    assert len(library.entries) == len(MANY)
    for suffix, write in WRITERS.items():
        assert len(read_library(write(MANY).encode(), today=TODAY).entries) == len(MANY), suffix


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_any_text_gives_ascii_with_closed_braces_and_no_live_command(texts: list[str]) -> None:
    written = write_bibtex(
        Written(number=n, title=text, authors=[text], note=text, url=text, doi=text) for n, text in enumerate(texts)
    )
    assert written.isascii()
    library = parsed(written)
    assert [entry.key.rpartition("-")[2] for entry in library.entries] == [str(n) for n in range(len(texts))]
    for entry in library.entries:
        for field in entry.fields:
            value = str(field.value)
            assert value.count("{") == value.count("}")
            if field.key not in {"doi", "url"}:
                assert not re.search(
                    r"(?<!\\)[%&#$_]", value.replace(r"\ensuremath{^", "").replace(r"\ensuremath{_", "")
                ), value


def test_the_bibliography_compiles(tmp_path: Path) -> None:
    """By biber and pdflatex where they are installed; the strict parser above always."""
    (tmp_path / "library.bib").write_text(write_bibtex(MANY))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{amssymb}\\usepackage[backend=biber]{biblatex}"
        "\\addbibresource{library.bib}\\begin{document}\\nocite{*}\\printbibliography\\end{document}"
    )
    if biber := shutil.which("biber"):
        done = subprocess.run(
            [biber, "--tool", "--validate-datamodel", "library.bib"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "ERROR" not in done.stdout
        assert done.returncode == 0, done.stdout
    if biber and (pdflatex := shutil.which("pdflatex")):
        for step in (
            [pdflatex, "-interaction=nonstopmode", "paper"],
            [biber, "paper"],
            [pdflatex, "-halt-on-error", "paper"],
        ):
            done = subprocess.run(step, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-1000:]
    assert len(parsed((tmp_path / "library.bib").read_text()).entries) == len(MANY)
