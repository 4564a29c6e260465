"""Readers' own libraries: what each program writes is read, what is broken costs nothing else, hostile files end."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from newsletter.interests.library import Reading, read_library
from tests.processes import ROOT

TODAY = date(2026, 11, 30)
SHARED = ROOT.parent / "shared" / "cases" / "library"
ATTENTION = ("Attention Is All You Need", "1706.03762", None)
NUMPY = ("Array programming with NumPy", None, "10.1038/s41586-020-2649-2")
RANDALL = ("A Large Mass Hierarchy from a Small Extra Dimension", "hep-ph/9905221", "10.1103/PhysRevLett.83.3370")

FILES: dict[str, tuple[str, list[tuple[str, str | None, str | None]]]] = {
    "arxiv's own export": (
        "@misc{vaswani2023,\n      title={Attention Is All You Need}, \n      eprint={1706.03762},\n"
        "      archivePrefix={arXiv},\n      primaryClass={cs.CL},\n      url={https://arxiv.org/abs/1706.03762}, \n}",
        [ATTENTION],
    ),
    "dblp": (
        "@article{DBLP:journals/corr/VaswaniSPUJGKP17,\n  author       = {Ashish Vaswani and\n                  Noam Shazeer},\n"
        "  title        = {Attention Is All You Need},\n  journal      = {CoRR},\n  volume       = {abs/1706.03762},\n"
        "  year         = {2017},\n  eprinttype    = {arXiv},\n  eprint       = {1706.03762},\n"
        "  biburl       = {https://dblp.org/rec/journals/corr/VaswaniSPUJGKP17.bib}\n}",
        [ATTENTION],
    ),
    "inspire": (
        '@article{Randall:1999ee,\n    author = "Randall, Lisa and Sundrum, Raman",\n    title = "{A Large mass hierarchy from a small'
        ' extra dimension}",\n    eprint = "hep-ph/9905221",\n    archivePrefix = "arXiv",\n    reportNumber = "MIT-CTP-2860",\n'
        '    doi = "10.1103/PhysRevLett.83.3370",\n    journal = "Phys. Rev. Lett.",\n    volume = "83"\n}',
        [RANDALL],
    ),
    "old number with its archive apart": (
        "@article{r, title={A Large Mass Hierarchy from a Small Extra Dimension}, eprint={9905221}, archivePrefix={hep-ph},"
        " doi={https://doi.org/10.1103/PhysRevLett.83.3370}}",
        [RANDALL],
    ),
    "round brackets and no braces": (
        '@ARTICLE(numpy, Title = "Array programming with {NumPy}", year = 2020, DOI = "10.1038/s41586-020-2649-2")',
        [NUMPY],
    ),
    "macros put together": (
        '@string{pre = "arXiv preprint "}\n@string{ax = pre # {arXiv:}}\n'
        '@article{v, title = "Attention " # {Is All You Need}, journal = ax # "1706.03762v5", month = jun # "~12"}',
        [ATTENTION],
    ),
    "a broken entry between two": (
        "@article{a, title={Attention Is All You Need}, note={arXiv:1706.03762 [cs.CL]}}\n"
        "@article{b,\n  title = {Never closed,\n  year = 2020\n\n@article{c,\n title={Array programming with NumPy},\n"
        " doi={10.1038/s41586-020-2649-2}\n}",
        [ATTENTION, ("Never closed", None, None), NUMPY],
    ),
    "one key twice": (
        "@article{a, title={Attention Is All You Need}, url={http://arxiv.org/pdf/1706.03762v7.pdf}}\n"
        "@article{a, title={Array programming with NumPy}, url={https://dx.doi.org/10.1038/s41586-020-2649-2}}",
        [ATTENTION, NUMPY],
    ),
    "another paper in the note": (
        "@article{a, title={Array programming with NumPy}, doi={10.1038/s41586-020-2649-2},"
        " note={Extends arXiv:1706.03762}, annote={see https://arxiv.org/abs/1412.6980}, abstract={as in arXiv:1412.6980}}",
        [NUMPY],
    ),
    "another archive": (
        "@misc{a, title={Array programming with NumPy}, archivePrefix={ascl}, eprint={1710.0170}, doi={10.1038/S41586-020-2649-2}}",
        [("Array programming with NumPy", None, "10.1038/S41586-020-2649-2")],
    ),
    "escapes in the DOI": (
        "@book{a, title={U-Net}, doi={10.1007/978-3-319-24574-4{\\_}28}}\n@book{b, title={V-Net}, doi={10.1007/978-3\\_29}}",
        [("U-Net", None, "10.1007/978-3-319-24574-4_28"), ("V-Net", None, "10.1007/978-3_29")],
    ),
    "accents": (
        '@article{a, title={{\\\'E}tude of M{\\"o}bius strips in the {G\\"odel} {\\L}ukasiewicz na{\\"\\i}ve setting}}',
        [("Étude of Möbius strips in the Gödel Łukasiewicz naïve setting", None, None)],
    ),
    "ris": (
        "TY  - JOUR\nTI  - Array programming with NumPy\nAU  - Harris, Charles\nDO  - DOI: 10.1038/s41586-020-2649-2\nER  - \n\n"
        "TY  - PREP\nT1  - Attention Is All\n      You Need\nUR  - https://arxiv.org/abs/1706.03762v2\nN1  - 10.1000/182 is the standard\nER  - ",
        [NUMPY, ATTENTION],
    ),
    "ris without ends, spaces or order": (
        "junk before\nTY - UNPB\nTI - Attention Is All You Need\nPB - arXiv\nM1 - arXiv:1706.03762 [cs]\n"
        "TY - JOUR\nDO - 10.1038/s41586-020-2649-2\nTI - Array programming with NumPy",
        [ATTENTION, NUMPY],
    ),
    "pubmed": (
        "\nPMID- 1\nTI  - Array programming with\n      NumPy.\nCIN - Nature. doi: 10.1038/d41586-000-1\nLID - 10.1038/s41586-020-2649-2 [doi]\n"
        "AID - S0000(20)1 [pii]\n\nPMID- 2\nTI  - Attention Is All You Need.\nAID - arXiv:1706.03762v2 [pii]\n",
        [("Array programming with NumPy.", *NUMPY[1:]), ("Attention Is All You Need.", *ATTENTION[1:])],
    ),
    "endnote": (
        "%0 Journal Article\n%T Array programming with NumPy\n%A Harris, C.\n%R 10.1038/s41586-020-2649-2\n\n"
        "%0 Generic\n%T Attention Is All You Need\n%U http://arxiv.org/abs/1706.03762\n",
        [NUMPY, ATTENTION],
    ),
    "web of science": (
        "FN Clarivate Analytics Web of Science\nVR 1.0\nPT J\nAU Harris, CR\nTI Array programming\n   with NumPy\nSO NATURE\n"
        "DI 10.1038/s41586-020-2649-2\nER\n\nEF",
        [NUMPY],
    ),
    "csl-json": (
        json.dumps(
            [
                {
                    "type": "article-journal",
                    "title": "Array programming with <i>NumPy</i>",
                    "DOI": "10.1038/s41586-020-2649-2",
                },
                {
                    "title": ["Attention Is All You Need"],
                    "number": "arXiv:1706.03762",
                    "publisher": "arXiv",
                    "issued": None,
                },
                {
                    "title": "A Large Mass Hierarchy from a Small Extra Dimension",
                    "note": "eprint: hep-ph/9905221",
                    "DOI": RANDALL[2],
                },
            ]
        ),
        [NUMPY, ATTENTION, RANDALL],
    ),
    "zotero's csv": (
        '"Key","Item Type","Publication Year","Author","Title","DOI","Url","Extra"\n'
        '"A1","preprint","2017","Vaswani, A","Attention Is All You Need","","http://arxiv.org/abs/1706.03762","arXiv:1706.03762 [cs]"\n'
        '"B2","journalArticle","2020","Harris, C","Array programming with NumPy","10.1038/s41586-020-2649-2","",""\n',
        [ATTENTION, NUMPY],
    ),
    "a table by tags": (
        "PT\tAU\tTI\tSO\tDI\tUT\nJ\tHarris, CR\tArray programming with NumPy\tNATURE\t10.1038/s41586-020-2649-2\tWOS:1\n",
        [NUMPY],
    ),
    "openalex": (
        "id,display_name,doi\nhttps://openalex.org/W1,Array programming with NumPy,https://doi.org/10.1038/s41586-020-2649-2\n",
        [NUMPY],
    ),
    "refworks": (
        "RT Journal Article\nSR Electronic\nT1 Attention Is All You Need\nJF arXiv preprint arXiv:1706.03762\nYR 2017\n\n"
        "RT Journal Article\nT1 Array programming with NumPy\nDO 10.1038/s41586-020-2649-2\n",
        [ATTENTION, NUMPY],
    ),
    "refworks, its link and an escaped DOI": (
        "RT Generic\nT1 Attention Is All You Need\nUL https://arxiv.org/abs/1706.03762\n\n"
        "RT Journal Article\nT1 Array programming with NumPy\nDO 10.1038\\/s41586-020-2649-2\n",
        [ATTENTION, NUMPY],
    ),
    "endnote's other field": (
        "%0 Conference Paper\n%T Array programming with NumPy\n%R 10.1038/s41586-020-2649-2\n%O arXiv:2006.10256\n",
        [("Array programming with NumPy", "2006.10256", NUMPY[2])],
    ),
    "zotero's interface": (
        json.dumps(
            [
                {
                    "data": {
                        "itemType": "preprint",
                        "title": ATTENTION[0],
                        "archiveID": "arXiv:1706.03762",
                        "repository": "arXiv",
                    }
                },
                {"data": {"itemType": "attachment", "title": "Preprint PDF", "url": "http://arxiv.org/pdf/1706.03762"}},
                {"data": {"itemType": "note", "note": "<p>good</p>"}},
            ]
        ),
        [ATTENTION],
    ),
    "crossref's interface": (
        json.dumps(
            {"message": {"items": [{"title": [NUMPY[0]], "DOI": NUMPY[2], "reference": [{"DOI": "10.1000/182"}]}]}}
        ),
        [NUMPY],
    ),
    "semantic scholar's interface": (
        json.dumps(
            {"total": 1, "data": [{"title": ATTENTION[0], "externalIds": {"ArXiv": "1706.03762", "CorpusId": 1}}]}
        ),
        [ATTENTION],
    ),
    "arxiv's mail": (
        "------\n\\\\\narXiv:1706.03762\nDate: Mon, 12 Jun 2017 17:57:34 GMT   (1102kb,D)\n\nTitle: Attention Is All\n  You Need\n"
        "Authors: A, B\n\\\\\n  As in arXiv:1412.6980, more.\n\\\\ ( https://arxiv.org/abs/1706.03762 ,  1102kb)\n------\n"
        "\\\\\narXiv:hep-ph/9905221\nTitle: A Large Mass Hierarchy from a Small Extra Dimension\n\\\\\n  Text.\n\\\\ ( https://arxiv.org/abs/1 )\n",
        [ATTENTION, (RANDALL[0], RANDALL[1], None)],
    ),
    "addresses": (
        "https://arxiv.org/html/1706.03762v1\nhttps://www.biorxiv.org/content/10.1101/2020.01.01.123456v2.full.pdf\n"
        "https://dl.acm.org/doi/pdf/10.1145/1234567.1234568\n",
        [("", "1706.03762", None), ("", None, "10.1101/2020.01.01.123456"), ("", None, "10.1145/1234567.1234568")],
    ),
    "endnote without keys, a comma left out, an entry commented out": (
        "@article{\n   author = {Vaswani},\n   title = {Attention Is All You Need},\n   DOI = {10.48550/arXiv.1706.03762}\n}\n"
        "% @misc{old, title={Commented out}}\n@misc{b,\n title={Array programming with NumPy}\n doi={{10.1038/s41586-020-2649-2}}\n}\n"
        "@control{c, title = {0}}\n",
        [(*ATTENTION[:2], "10.48550/arXiv.1706.03762"), NUMPY],
    ),
    "an entry cut off": (
        "@misc{a, title={Attention Is All You Need}, eprint={1706.03762}}\n@misc{b, title={Array programming with NumPy},"
        " doi={10.1038/s41586-020-2649-2},\n abstract={cut he",
        [ATTENTION, NUMPY],
    ),
    "a doi as others write it": (
        "@misc{a, title={A}, doi={10.1002/x16\\textless{}1661::AID\\textgreater{}3}}\n@misc{b, title={B}, note={doi:10.1000/182}}\n"
        "@misc{c, title={C}, doi={10.1002/x16&lt;1661::AID&gt;3}}\n@misc{d, title={D}, url={https://doi.org/10.1002/%28SICI%291}}\n",
        [
            ("A", None, "10.1002/x16<1661::AID>3"),
            ("B", None, "10.1000/182"),
            ("C", None, "10.1002/x16<1661::AID>3"),
            ("D", None, "10.1002/(SICI)1"),
        ],
    ),
    "an old id with its class": (
        "@misc{a, title={A Title}, eprint={cond-mat.str-el/0412001v1}}",
        [("A Title", "cond-mat/0412001", None)],
    ),
    "ris without spaces, with markup": (
        "TY  -JOUR\nTI  -Array &amp; <i>programming</i> with NumPy\nM3  -doi:10.1038/s41586-020-2649-2\nER  -\n"
        "TY  - GEN\nT1  - Attention Is All You Need\nT2  - arXiv.org\nM1  - 1706.03762\n",
        [("Array & programming with NumPy", None, NUMPY[2]), ATTENTION],
    ),
    "latex's bibliography": (
        "\\bibitem{Randall:1999ee}\nL.~Randall,\nPhys. Rev. Lett. (1999)\n\ndoi:10.1103/PhysRevLett.83.3370\n"
        "[arXiv:hep-ph/9905221 [hep-ph]].\n\\bibitem{b}\nVaswani. \\emph{arXiv preprint arXiv:1706.03762}, 2017.\n",
        [("", *RANDALL[1:]), ("", "1706.03762", None)],
    ),
    "a reading list": (
        "# To read\n- [Attention](https://arxiv.org/abs/1706.03762)\n1. Randall, doi:10.1103/PhysRevLett.83.3370,\n   hep-ph/9905221\n"
        "[3] Harris (10.1038/s41586-020-2649-2) said\n* https://papers.cool/arxiv/2203.11171\n",
        [("", "1706.03762", None), ("", *RANDALL[1:]), ("", None, NUMPY[2]), ("", "2203.11171", None)],
    ),
    "json lines": (
        '{"title": "Attention Is All You Need", "id": "1706.03762"}\n{"title": "Array programming with NumPy", "doi": "10.1038/s41586-020-2649-2"}\n',
        [ATTENTION, NUMPY],
    ),
    "json of ids": ('["1706.03762", "10.1038/s41586-020-2649-2"]', [("", "1706.03762", None), ("", None, NUMPY[2])]),
    "openalex's interface": (
        json.dumps({"meta": {}, "results": [{"title": NUMPY[0], "doi": f"https://doi.org/{NUMPY[2]}"}]}),
        [NUMPY],
    ),
    "inspire's interface": (
        json.dumps(
            {
                "hits": {
                    "hits": [
                        {
                            "metadata": {
                                "titles": [{"title": RANDALL[0]}],
                                "arxiv_eprints": [{"value": RANDALL[1]}],
                                "dois": [{"value": RANDALL[2]}],
                            }
                        }
                    ]
                }
            }
        ),
        [RANDALL],
    ),
    "a reference inside a link of latex, and an id under extra": (
        "@misc{a, title={Array programming with NumPy}, howpublished={\\href{https://doi.org/10.1038/s41586-020-2649-2}{link}}}\n"
        "@Article{b, Title={Attention Is All You Need}, Extra={arXiv:1706.03762v2 [quant-ph, stat]}}\n",
        [NUMPY, ATTENTION],
    ),
    "ris of ads": (
        "TY  - JOUR\nTI  - Attention Is All You Need\nJO  - arXiv e-prints\nSP  - arXiv:1706.03762\nER  -\n",
        [ATTENTION],
    ),
    "web of science's preprints": (
        "FN Clarivate\nVR 1.0\nPT J\nTI Attention Is All You Need\nAR arXiv:1706.03762\nUT PPRN:1\nER\n\nEF",
        [ATTENTION],
    ),
    "mendeley's interface, and eprint in json": (
        json.dumps(
            [
                {"title": RANDALL[0], "identifiers": {"arxiv": RANDALL[1], "doi": RANDALL[2]}},
                {"title": ATTENTION[0], "eprint": ATTENTION[1], "eprinttype": "arxiv"},
                {"title": NUMPY[0], "DOI": NUMPY[2], "eprint": "1706.03762", "eprinttype": "hal"},
                {"title": "B", "arXiv": "2203.11171"},
            ]
        ),
        [RANDALL, ATTENTION, NUMPY, ("B", "2203.11171", None)],
    ),
    "headings of other tables": (
        "Source title,Paper_Title,Digital Object Identifier (DOI),External URL\n"
        "Nature,Array programming with NumPy,doi:10.1038/s41586-020-2649-2,\n"
        "J. Titles,Attention Is All You Need,,https://arxiv.org/abs/1706.03762v3\n",
        [NUMPY, ATTENTION],
    ),
    "a table of names": (
        "Name;Status;arXiv link\nAttention Is All You Need;read;https://arxiv.org/pdf/1706.03762.pdf\nNo number;read;\n",
        [ATTENTION, ("No number", None, None)],
    ),
    "a mail as it is saved": (
        "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n"
        "Content-Type: text/plain\n\n"
        + base64.encodebytes(b"Read https://arxiv.org/abs/1706.03762 today").decode()
        + "--b\nContent-Transfer-Encoding: quoted-printable\n\nand https://arxiv.org/abs/hep=\n-ph/99=30=35221 too\n--b--\n",
        [("", "1706.03762", None), ("", RANDALL[1], None)],
    ),
    "a list": (
        "# to read\nhttps://arxiv.org/abs/1706.03762v1\nhep-ph/9905221\n10.1038/s41586-020-2649-2\ndoi:10.1038/nature14539,\n",
        [
            ("", "1706.03762", None),
            ("", "hep-ph/9905221", None),
            ("", None, NUMPY[2]),
            ("", None, "10.1038/nature14539"),
        ],
    ),
    "a mail": (
        "Hi,\n> did you see (https://arxiv.org/pdf/1706.03762.pdf)?\nRoom 2401.12, ticket 26061234.5, phone +49 30 1234.56789-0.\n"
        'Then "Array programming", doi:10.1038/s41586-020-2649-2. It cost 1024.50 EUR.\n',
        [("", "1706.03762", None), ("", None, NUMPY[2])],
    ),
}


def read(data: str | bytes) -> Reading:
    return read_library(data.encode() if isinstance(data, str) else data, today=TODAY)


def key(title: str) -> str:
    return re.sub(r"[\W_]+", "", title.casefold())


def bare(doi: str | None) -> str | None:
    """arXiv's own DOI of a paper says no more than its id."""
    return None if doi is None or doi.casefold().startswith("10.48550/arxiv.") else doi.casefold()


@pytest.mark.parametrize("name", FILES)
def test_every_reference_is_read_with_its_names(name: str) -> None:
    text, wanted = FILES[name]
    found = read(text)
    assert [(key(entry.title), entry.arxiv_id, entry.doi) for entry in found.entries] == [
        (key(title), arxiv_id, doi) for title, arxiv_id, doi in wanted
    ]


ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "mac-roman"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_of_other_machines_are_read(encoding: str) -> None:
    found = read("@misc{a,\r\n title={Über Möbiusbänder},\r\n eprint={1706.03762}\r\n}".encode(encoding))
    assert [(entry.title, entry.arxiv_id) for entry in found.entries] == [("Über Möbiusbänder", "1706.03762")]


HANDLED: dict[str, Callable[[str], str]] = {
    "lines of windows": lambda text: text.replace("\n", "\r\n"),
    "lines of an old mac": lambda text: text.replace("\n", "\r"),
    "blank lines before": lambda text: "\n\n  \n" + text,
    "the end sign of dos": lambda text: text + "\n\x1a",
    "blanks at the ends of lines": lambda text: text.replace("\n", "  \n"),
    "blanks that do not break": lambda text: text.replace("\n", "\xa0\n"),
}


@pytest.mark.parametrize("change", HANDLED)
def test_what_other_programs_do_to_a_file_changes_nothing(change: str) -> None:
    for name, (text, _wanted) in FILES.items():
        as_it_was = [(entry.title, entry.arxiv_id, entry.doi) for entry in read(text).entries]
        handled = read(HANDLED[change](text)).entries
        assert [(entry.title, entry.arxiv_id, entry.doi) for entry in handled] == as_it_was, name


def test_a_file_cut_off_anywhere_loses_the_entry_that_was_cut() -> None:
    for name, (text, _wanted) in FILES.items():
        entries = read(text).entries
        for cut in range(0, len(text), 97):
            line_of_cut = text.count("\n", 0, cut) + 1
            whole = {e.identity for e, behind in itertools.pairwise(entries) if behind.line < line_of_cut}
            assert whole <= {entry.identity for entry in read(text[:cut]).entries}, (name, cut)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("{{Attention Is All You Need}}", "Attention Is All You Need"),
        ("{BERT:} {NumPy} {\\'E}tude {\\textbf{bold}}", "BERT: NumPy Étude bold"),
        ("A {$k$}-graph {\\&} b{\\_}c of \\{a, b\\}", "A k-graph & b_c of {a, b}"),
        ("{\\textbraceleft}x{\\textbraceright}", "{x}"),
    ],
)
def test_braces_that_only_keep_capitals_are_not_shown(title: str, shown: str) -> None:
    assert read(f"@misc{{a, title={{{title}}}}}").entries[0].title == shown


def test_each_line_may_have_its_own_encoding() -> None:
    found = read("@misc{a, title={Über}}\n".encode() + "@misc{b, title={Café}}\n".encode("latin-1"))
    assert [entry.title for entry in found.entries] == ["Über", "Café"]


def test_json_that_is_cut_off_keeps_what_is_whole() -> None:
    found = read(
        '{"items": [\n {"title": "A title", "author": [{"family": "B"}]},\n {"title": "Another"},\n {"title": "cut o'
    )
    assert [(entry.title, entry.line) for entry in found.entries] == [("A title", 2), ("Another", 3)]
    assert [refusal.line for refusal in found.refused] == [4]


def test_what_has_neither_title_nor_id_is_refused_with_its_line() -> None:
    found = read("TY  - JOUR\nTI  - A title\nER  - \nTY  - JOUR\nAU  - Nobody, N.\nER  - \n")
    assert (len(found.entries), [refusal.line for refusal in found.refused]) == (1, [4])
    found = read('[\n {"title": "A title"},\n {"author": []},\n null\n]')
    assert (len(found.entries), len(found.refused)) == (1, 2)


def test_a_line_of_a_list_without_an_id_is_refused() -> None:
    found = read(
        "1706.03762\n1412.6980\nnot an id\n9999.99999\n2105.00001\nhttps://arxiv.org/list/cs.LG/recent\n1512.03385\n1810.04805"
    )
    assert [refusal.line for refusal in found.refused] == [3, 4, 6]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n \n",
        b"%PDF-1.7\x00\x01",
        b"PK\x03\x04 zip",
        b"<?xml version='1.0'?><xml/>",
        b"<!DOCTYPE html>",
        b"[{",
        b"a\x00b",
        b"Hello.",
    ],
)
def test_what_is_no_library_is_refused_in_a_sentence(data: bytes) -> None:
    found = read(data)
    assert not found.entries
    assert len(found.refused) == 1
    assert re.fullmatch(r"[A-Z].*\.", found.refused[0].why)


HOSTILE = {
    "braces": "@article{a, title={" + "{" * 200_000 + "}" * 200_000 + "}}",
    "open braces": "@article{a,\n title={" + "{" * 200_000,
    "quotes": '@article{a, title="' + 'x"{ ' * 100_000 + '"}',
    "blocks never closed": "@article{k, title={abc\n" * 20_000,
    "macros that double": "".join(f"@string{{m{n} = m{n + 1} # m{n + 1}}}\n" for n in range(60))
    + '@string{m60="x"}\n@misc{a, title=m0}',
    "a macro that names itself": "@string{a = a # a}\n@misc{a, title=a # a}",
    "latex": "@misc{a, title={$" + r"\sqrt[" * 200 + "$}}",
    "one field of a megabyte": "@misc{a, title={A title}, abstract={" + "word " * 200_000 + "}, eprint={1706.03762}}",
    "deep json": "[" * 100_000,
    "json in json": '{"data":' * 900 + "[]" + "}" * 900,
    "listings": "\\\\\narXiv:1\nTitle: x\n  y\n" * 50_000,
    "deep json of objects": '{"a":' * 50_000,
    "digits": "1234." * 200_000,
    "slashes": "10.1000/" * 100_000,
    "ats": "@" * 300_000,
    "tags": "TY  - JOUR\n" * 50_000,
    "one line": "TI  - " + "arXiv " * 200_000,
    "twenty megabytes of entries": ("@misc{a, title={A title}, abstract={" + "word " * 150 + "}}\n") * 25_000,
    "json never closed": '[{"title":"a' * 300_000,
    "percent signs": ("%" * 1000 + "\n") * 19_000,
    "comments of html": "<!--" * 5_000_000,
    "lines of latin-1": "\u00e9\n" * 5_000_000,
    "entries in entries": "@a{" * 300_000,
    "bullets": "- \n" * 5_000_000,
    "dots and dashes": "arxiv.org/" + "a.b-/" * 100_000,
    "fields of mails": "Content-Transfer-Encoding: base64\n" * 140_000,
    "parts of mails": "Content-Transfer-Encoding: base64\n\n%%%%\n--x\n" * 100_000,
    "headings": ",".join(["title"] * 700) + "\n" + "a," * 500_000,
    "named links": "@misc{a, title={A}, url={" + "\\href{" * 300_000 + "}}",
    "commas": "title,doi\n" + "," * 500_000,
}


@pytest.mark.long
def test_hostile_files_end_within_five_seconds_each(tmp_path: Path) -> None:
    """In a process of its own with limits on processor time and memory: what does not end is killed, and the last name says which."""
    for number, text in enumerate(HOSTILE.values()):
        (tmp_path / f"{number:02}").write_text(text, "latin-1")
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [f"{number:02}" for number in range(len(HOSTILE))], done.stderr[-500:]


_LIMITED = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
from datetime import date
from pathlib import Path
from newsletter.interests.library import read_library
for file in sorted(Path(sys.argv[1]).iterdir()):
    signal.setitimer(signal.ITIMER_PROF, 5)  # seconds of this process; the signal ends it
    read_library(file.read_bytes(), today=date(2026, 11, 30))
    print(file.name, flush=True)
"""


@pytest.mark.parametrize(
    "part", ["TY  - JOUR\nTI  - A\n", '[{"title":"A"},', "1706.03762\n", "@misc{a, title={A}}\n", "%0 J\n%T A\n"]
)
def test_what_repeats_without_end_is_refused(part: str) -> None:
    found = read(part * (6_000_000 // len(part)))
    assert not found.entries
    assert "Split it and read the parts." in found.refused[0].why


def test_five_thousand_entries_are_read() -> None:
    text = "".join(
        f"@misc{{k{n},\n title={{Paper {n} of many}},\n eprint={{2401.{n + 10000}}}\n}}\n" for n in range(5000)
    )
    found = read(text)
    assert len({entry.arxiv_id for entry in found.entries}) == 5000


def test_the_command_prints_what_it_read(tmp_path: Path) -> None:
    file = tmp_path / "library.txt"  # the name says nothing
    file.write_text("@misc{a, title={Attention Is All You Need}, eprint={1706.03762}}\n@misc{b, year={2020}}")
    environment = os.environ | {"DEBUG": "1", "VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "read_library", str(file), "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["read"] == 1
    assert said["entries"] == [{"title": "Attention Is All You Need", "arxiv_id": "1706.03762", "doi": None}]
    assert [refusal["line"] for refusal in said["refused"]] == [2]
    assert done.stderr == ""


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name for path in SHARED.glob("*.*") if path.suffix not in {".md", ".json"} or path.name.startswith("csl")
    ),
)
def test_the_handed_files_are_read(name: str) -> None:
    wanted: dict[str, Any] = json.loads((SHARED / "expected.json").read_text())[name]
    found = read((SHARED / name).read_bytes())
    rest = list(found.entries)
    for entry in wanted.get("entries", []):
        same = [
            one
            for one in rest
            if (one.arxiv_id, bare(one.doi)) == (entry["arxiv_id"], bare(entry["doi"]))
            and (entry["title"] is None or key(one.title) == key(entry["title"]))
        ]
        assert same, entry
        rest.remove(same[0])
    assert len(rest) <= len(wanted.get("optional", [])) or "must" in wanted
    assert len(found.refused) >= wanted.get("refused_at_least", 0)
