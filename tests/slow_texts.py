"""Reads every hostile text with every function that reads strangers' text; run in a process of its own.

`python -m tests.slow_texts` prints a line a reading before it begins ("reader text"), and the seconds of CPU it took
afterwards, the least of three where it seems slow. A reading that does not end is thereby named by the last line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

SIZE = 5000  # characters
READING_LIMIT = 0.4  # seconds of CPU; the slowest takes half of it
# What is repeated: openings nobody closes, marks that join, ends of sentences, beginnings of addresses, of phrases.
UNITS = {
    "optional argument": r"\sqrt[",
    "fraction": r"\frac{",
    "environment": r"\begin{array}[",
    "macro with braces": r"\alpha{a",
    "three kinds": r"\sqrt[{\frac{$",
    "braces": "{",
    "closed braces": "{}",
    "dollars": "$a",
    "double dollars": "$$a ",
    "short formulas": "$x^2$ ",
    "environments": r"\begin{cases}a&",
    "addresses of TeX": r"\url{a",
    "citations": r"\cite{a",
    "formulas of LaTeX": r"\(a",
    "roots without groups": r"\sqrt",
    "unknown commands": r"\abc{",
    "fractions of TeX": r"{a\over",
    "single quotes": "`a",
    "entities": "&amp;",
    "accents of TeX": r"\"{",
    "quotes of TeX": "``a",
    "scripts": "_{a",
    "backslashes": "\\",
    "comments": "%\n",
    "joined emoji": "\U0001f600\u200d",
    "accents": "e\u0301\u0327",
    "marks alone": "\u0301\u0327",
    "ligatures": "\ufdfa",
    "sentences": "A. ",
    "abbreviations": "e.g. ",
    "full stops without a space": "abc.Aa",
    "capital and small letters": "Aaaaaaaa",
    "full-width stops": "。",
    "clauses": "which, and (",
    "we present": "we newly ",
    "addresses": "http://",
    "repeated addresses": "https://a{",
    "repositories": "github.com/",
    "pages": "https://a.github.io",
    "proxies": "proxy",
    "proxy labels": "-proxy.",
    "closing brackets": ")",
    "hyphens": "a-",
    "apostrophes": "a'",
    "quotes": '"a ',
    "fields": "topic:",
    "commas": "a,",
    "at signs": "a@",
    "dots": ".",
    "colons": "::",
    "digits": "9",
    "open tags": "<b ",
    "closed comments": "</rss><!--",
    "pages of works": "a.b/doi/10.1000/",
    "blanks": " ",
    "line breaks": "\n",
    "control characters": "\x00",
    "wide script": "大",
    "right to left": "\u202e\u0639",
}
OPENED_BY = {"": "", "formula": "$", "address": "https://a.b/", "sentence": "abc.A"}
# These read a text by functions that read all of them; drawing takes a third of a second, whatever the text.
PLAIN_TEXTS_ONLY = {"list of readers", "Hugging Face", "arXiv", "listing page", "share card"}


def texts() -> Iterator[tuple[str, str]]:
    for name, unit in UNITS.items():
        for opening, sign in OPENED_BY.items():
            text = sign + unit * (SIZE // len(unit))
            yield f"{name}, {opening}".strip(", "), text
            if opening == "formula":
                yield f"{name}, closed formula", (sign + unit * (560 // len(unit)) + "$ ") * (SIZE // 600)


def readers() -> dict[str, Callable[[str], object]]:
    import numpy as np

    from newsletter.catalogue.http_client import FetchError, FetchPolicy, _checked
    from newsletter.catalogue.key_sentence import key_sentence
    from newsletter.catalogue.same_work import is_author, other_people
    from newsletter.catalogue.sources import (
        arxiv_query,
        feeds,
        hf_daily,
        hf_saved_listing,
        paper_identifiers,
        paper_links,
        public_urls,
    )
    from newsletter.catalogue.sources import clean_text as text
    from newsletter.catalogue.sources.formulas import Formula, mathml, parts_of
    from newsletter.catalogue.sources.observed_paper import SourceError
    from newsletter.editions import share_cards
    from newsletter.search import query, tokens
    from newsletter.search.spelling import Speller
    from subscriptions import addresses
    from subscriptions import plain_text as mail_text
    from subscriptions.list_import.reading_plan import Answers, make_plan
    from subscriptions.list_import.table import UnreadableFile

    now = datetime(2026, 3, 18, tzinfo=UTC)
    speller = Speller([f"transform{n}" for n in range(2000)], np.ones(2000, dtype=np.int64))

    def refusing(read: Callable[[str], object], *refusals: type[Exception]) -> Callable[[str], object]:
        def attempt(raw: str) -> object:
            try:
                return read(raw)
            except refusals:
                return None

        return attempt

    # Sources get the text in one field: what cleans the other fields reads it by itself.
    def listed(raw: str) -> object:
        item = {"paper": {"id": "2603.00001", "title": raw, "summary": "A.", "authors": [{"name": "A"}]}}
        return hf_daily.parse(json.dumps([item]).encode(errors="surrogatepass"), seen_at=now)

    def fed(raw: str) -> object:
        from xml.sax.saxutils import escape

        shown = escape("".join(sign for sign in raw if sign >= " " or sign == "\n"))
        entry = f"<id>http://arxiv.org/abs/2603.00001v1</id><title>{shown}</title><summary>A.</summary>"
        feed = f'<feed xmlns="http://www.w3.org/2005/Atom"><entry>{entry}<author><name>A</name></author></entry>'
        return arxiv_query.parse(f"{feed}</feed>".encode(), seen_at=now)

    def list_of_readers(raw: str) -> object:
        lines = f"email,added,status,tags,{raw[:100]}\na@x.org,{raw},{raw},{raw},b\nc@x.org,1,2,3,4\n".splitlines(True)
        return make_plan(lambda: lines, file_name=raw, known_topics={"vision": "vision"}, hints={}, answers=Answers())

    return {
        "list of readers": refusing(list_of_readers, UnreadableFile),
        "invisible": text.strip_invisible,
        "line and its formulas": lambda raw: parts_of(raw, text.clean_line(raw)),  # all fields are such lines, cut
        "set formula": lambda raw: [mathml(Formula(raw[:length], "x")) for length in (60, 100, 200, 400)],
        "proxies": public_urls.without_proxies,
        "links": lambda text: paper_links.links_in(text, place="comment"),
        "page": lambda text: (paper_links.links_on_page(text), paper_links.links_on_page(text.replace("<", "<a "))),
        "link": public_urls.safe_url,
        "identifier": paper_identifiers.arxiv_id,
        "meant identifier": lambda text: paper_identifiers.meant_arxiv_id(text, on=date(2026, 3, 1)),
        "name of a work": paper_identifiers.work_name,
        "markup": text.without_markup,
        "people": lambda raw: (is_author(raw, [raw, raw]), other_people([raw, raw], [raw])),
        "feed": refusing(lambda raw: feeds.parse(f"<rss version='2.0'>{raw}</rss>".encode(), seen_at=now), SourceError),
        "title key": paper_identifiers.title_key,
        "Hugging Face": refusing(listed, SourceError),
        "arXiv": fed,
        "listing page": refusing(lambda raw: hf_saved_listing.parse(f"Mar 14\n\n{raw}\n\nA.\n".encode()), SourceError),
        "one line": mail_text.one_line,
        "paragraphs": mail_text.paragraphs,
        "shorten": lambda raw: mail_text.shorten(raw, width=60),
        "wrap": mail_text.wrap,
        "key sentence": lambda text: key_sentence(text, text),
        "query": refusing(query.parse, query.QueryError),
        "short query": refusing(lambda raw: query.parse(raw[: query.LONGEST]), query.QueryError),
        "words": tokens.words_of,
        "stems": tokens.stems_of,
        "spelling": lambda raw: [speller.nearest(word) for word in tokens.words_of(raw[: query.LONGEST])],
        "share card": lambda raw: share_cards.draw(raw, raw, raw),
        "mail address": refusing(addresses.parse_address, ValueError),
        "client": lambda raw: addresses.client_address(raw, raw, trusted_proxies=2),
        "fetched address": refusing(lambda raw: _checked(raw, hosts=frozenset(), rules=FetchPolicy()), FetchError),
        "split address": refusing(urlsplit, ValueError),
    }


def seconds_of(read: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    read(text)
    return time.process_time() - began


def main() -> None:
    import django

    django.setup()
    functions = readers()
    for read in functions.values():
        read("Words that load what is loaded once: $x^2$")
    for name, text in texts():
        for reader, read in functions.items():
            if (reader in PLAIN_TEXTS_ONLY and "," in name) or (reader == "share card" and len(set(text)) > 3):
                continue
            sys.stdout.write(f"{reader} <- {name}\t")
            sys.stdout.flush()
            seconds = seconds_of(read, text)
            if seconds > READING_LIMIT:
                seconds = min(seconds, seconds_of(read, text), seconds_of(read, text))
            sys.stdout.write(f"{seconds:.3f}\n")


if __name__ == "__main__":
    main()
