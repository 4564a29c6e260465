"""A library as BibTeX, RIS or CSL-JSON. Pure.

In: references in plain Unicode. Out: one text. The BibTeX is ASCII and compiles with pdflatex, by bibtex or biber: what
LaTeX reads as a command is escaped, and a letter that it has no command for becomes "?".
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import quote

_STRAIGHT = re.compile(r"[\U0001d400-\U0001d7ff\u2100-\u214f]")  # letters of mathematics, whose fonts need packages
_WORD = re.compile(r"[a-z0-9]+")
_SMALL_WORDS = frozenset({"a", "an", "the", "on", "of", "in", "for", "to", "and", "with", "from", "by", "is", "are"})
_PARTICLE = re.compile(
    r"(?:^|\s)((?:(?:van|von|der|den|de|del|della|di|da|dos|du|la|le|ter|ten|zu|bin|ibn|al)\s+)*\S+)$"
)


@dataclass(frozen=True, slots=True)
class Written:
    """One reference as it is written. ``number``: tells apart two that would have the same citation key."""

    number: int
    title: str
    authors: Sequence[str] = ()
    on: date | None = None
    arxiv_id: str = ""
    doi: str = ""
    url: str = ""
    note: str = ""
    category: str = ""  # of arXiv, such as cs.LG


def write_bibtex(references: Iterable[Written]) -> str:
    """Entries in the order given; the citation key of a reference stays the same while others come and go."""
    return "\n".join(_bibtex_entry(reference) for reference in references)


def _bibtex_entry(reference: Written) -> str:
    fields = {
        "title": f"{{{_latex(reference.title)}}}",
        "author": " and ".join(map(_bibtex_name, reference.authors)),
        "year": str(reference.on.year) if reference.on else "",
        "eprint": reference.arxiv_id,
        "archiveprefix": "arXiv" if reference.arxiv_id else "",
        "primaryclass": _ascii_address(reference.category),
        "doi": _ascii_address(reference.doi),
        "url": _ascii_address(reference.url),
        "note": _latex(reference.note),
    }
    lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items() if value]
    return f"@misc{{{_key(reference)},\n{''.join(lines)}}}\n"


def _key(reference: Written) -> str:
    """Citation key such as ``vaswani2017attention-12``."""
    name = "".join(_words(_family(reference.authors[0])[1])) if reference.authors else ""
    year = str(reference.on.year) if reference.on else ""
    word = next((word for word in _words(reference.title) if word not in _SMALL_WORDS), "")
    return f"{name[:30]}{year}{word[:30]}-{reference.number}".lstrip("-")


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold())


def _bibtex_name(name: str) -> str:
    """A name that commas, a lower-case "and" or "others" would cut is kept whole by braces."""
    is_cut = "," in name or re.search(r"(?:^|\s)(?:and|others)(?:\s|$)", name, re.IGNORECASE)
    return f"{{{_latex(name)}}}" if is_cut else _latex(name)


def _latex(text: str) -> str:
    text = _STRAIGHT.sub(lambda match: unicodedata.normalize("NFKC", match.group()), unicodedata.normalize("NFC", text))
    written: str = _encoder().unicode_to_latex(_one_line(text))
    return re.sub(r"\?{2,}", "?", written)


@lru_cache(maxsize=1)
def _encoder() -> Any:
    from pylatexenc import latexencode  # a fifth of a second to load; only a download needs it

    # `\{` would count as a brace to BibTeX, which leaves the entry open.
    braces = {ord("{"): r"\textbraceleft", ord("}"): r"\textbraceright"}
    return latexencode.UnicodeToLatexEncoder(
        conversion_rules=[
            latexencode.UnicodeToLatexConversionRule(latexencode.RULE_DICT, braces),
            "defaults",
        ],
        unknown_char_policy=_unknown,
        unknown_char_warning=False,
        replacement_latex_protection="braces-all",
    )


def _unknown(sign: str) -> str:
    """Replacement for a character that LaTeX lacks: "?" for a letter, nothing for an emoji or a mark."""
    return "?" if unicodedata.category(sign)[0] in "LN" else ""


def _ascii_address(address: str) -> str:
    """The address for a verbatim field: no brace, backslash or space, ASCII only."""
    return quote(address, safe="!#$%&'()*+,-./:;<=>?@[]_~|")


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def write_ris(references: Iterable[Written]) -> str:
    return "".join(_ris_entry(reference) for reference in references)


def _ris_entry(reference: Written) -> str:
    fields = [
        ("TY", "UNPB" if reference.arxiv_id else "GEN"),
        ("ID", _key(reference)),
        ("TI", reference.title),
        *(("AU", ", ".join(filter(None, reversed(_family(name))))) for name in reference.authors),
        ("PY", str(reference.on.year) if reference.on else ""),
        ("DA", f"{reference.on:%Y/%m/%d}" if reference.on else ""),
        ("DO", reference.doi),
        ("UR", f"https://arxiv.org/abs/{reference.arxiv_id}" if reference.arxiv_id else reference.url),
        ("N1", reference.note),
    ]
    lines = [f"{tag}  - {_one_line(value)}\r\n" for tag, value in fields if value]
    return "".join(lines) + "ER  - \r\n\r\n"


def write_csl_json(references: Iterable[Written]) -> str:
    return json.dumps([_csl_item(reference) for reference in references], ensure_ascii=False, indent=1)


def _csl_item(reference: Written) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": _key(reference),
        "type": "article",  # CSL's word for a preprint
        "title": _one_line(reference.title),
        "author": [_csl_name(name) for name in reference.authors],
        "issued": {"date-parts": [[reference.on.year, reference.on.month, reference.on.day]]} if reference.on else None,
        "publisher": "arXiv" if reference.arxiv_id else "",
        "number": f"arXiv:{reference.arxiv_id}" if reference.arxiv_id else "",
        "DOI": reference.doi,
        "URL": reference.url,
        "note": reference.note,
    }
    return {name: value for name, value in fields.items() if value}


def _csl_name(name: str) -> dict[str, str]:
    given, family = _family(name)
    return {"family": family, "given": given} if given else {"literal": family}


def _family(name: str) -> tuple[str, str]:
    """Given and family name; the latter with its particles. A name of one part has no given one."""
    name = _one_line(name)
    if "," in name:
        family, _, given = name.partition(",")
        return given.strip(), family.strip()
    match = _PARTICLE.search(name)
    return (name[: match.start()].strip(), match[1]) if match else ("", name)
