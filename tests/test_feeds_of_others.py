"""Atom and RSS feeds that an operator names."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import feeds
from newsletter.catalogue.sources.observed_paper import SourceError
from newsletter.models import Paper
from tests.builders import NOON
from tests.contract_sources import REQUEST, SourceContract
from tests.replay import Replay, Reply, replaying
from tests.test_polling import Moved, gather

RSS = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/"><channel><title>Journal of Small Greens</title>
<link>https://greens.example.org/</link><description>Latest</description>
<item><title>&lt;i&gt;Sphagnum&lt;/i&gt; takes up H&lt;sub&gt;2&lt;/sub&gt;O &amp;amp; waits</title>
<link>https://greens.example.org/articles/1?utm_source=rss&amp;a=1</link><guid isPermaLink="false">greens:1</guid>
<description>&lt;p&gt;It waits when p&amp;lt;0.05.&lt;/p&gt;&lt;p&gt;Then it grows.&lt;/p&gt;</description>
<dc:creator>Ada Fern</dc:creator><dc:creator>\xc3\x87a\xc4\x9fla Moss</dc:creator>
<prism:doi>10.5555/Greens.1</prism:doi><pubDate>Mon, 16 Mar 2026 23:30:00 GMT</pubDate></item>
<item><title><![CDATA[Bogs and $\\alpha$-diversity]]></title><link>https://greens.example.org/articles/2</link>
<description><![CDATA[<p>Two bogs.</p>]]></description><dc:creator>Bo Lichen, Cy Rock and Di Sand</dc:creator></item>
</channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Lab notes</title><id>urn:lab</id>
<updated>2026-03-17T08:00:00Z</updated>
<entry><title>We release Lichen-7B</title><id>https://lab.example.org/lichen</id>
<link rel="alternate" href="https://lab.example.org/lichen"/><published>2026-03-17T08:00:00Z</published>
<updated>2026-03-17T08:00:00Z</updated><author><name>The Lab</name></author>
<summary type="html">&lt;b&gt;Code&lt;/b&gt;: https://github.com/lab/lichen</summary></entry></feed>"""
RDF = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://old.example.org/"><title>Old</title></channel>
<item rdf:about="https://old.example.org/1"><title>An old format</title><link>https://old.example.org/1</link>
<dc:date>2026-03-15</dc:date><dc:identifier>doi:10.5555/old.1</dc:identifier></item></rdf:RDF>"""


def item(inside: str) -> Any:
    body = (
        f"<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><item>{inside}</item></channel></rss>"
    )
    return feeds.parse(body.encode(), seen_at=NOON)


class TestFeed(SourceContract):
    source = feeds
    answer = RSS
    titles = ["Sphagnum takes up H₂O & waits", "Bogs and α-diversity"]
    empty_answer = b'<feed xmlns="http://www.w3.org/2005/Atom"><title>Quiet</title></feed>'
    request = replace(REQUEST, options=("https://greens.example.org/rss", "https://lab.example.org/atom.xml"))

    @pytest.mark.parametrize("answer", [b"", b"\x00\xff\xfe", b"<html><p>Bad gateway</p></html>", b"null", b"{}"])
    def test_what_is_not_an_answer_of_the_source_is_refused(self, answer: bytes) -> None:
        with pytest.raises(SourceError, match="not an Atom or RSS feed"):
            feeds.parse(answer, seen_at=NOON)

    def test_it_asks_its_own_hosts_only_and_by_https(self) -> None:
        assert feeds.addresses(self.request) == list(self.request.options)
        assert frozenset() == feeds.HOSTS


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def test_an_entry_of_a_journal_is_read_with_its_doi_people_and_day() -> None:
    seen, other = feeds.parse(RSS, seen_at=NOON)
    assert seen.abstract == "It waits when p<0.05. Then it grows."
    assert (seen.identifiers, seen.key) == (("doi:10.5555/greens.1",), "greens:1")
    assert (seen.authors, seen.published_on) == (("Ada Fern", "Çağla Moss"), date(2026, 3, 16))
    assert other.authors == ("Bo Lichen", "Cy Rock", "Di Sand")


def test_atom_and_the_oldest_rss_are_read_too() -> None:
    [note] = feeds.parse(ATOM, seen_at=NOON)
    assert (note.title, note.code_url) == ("We release Lichen-7B", "https://github.com/lab/lichen")
    assert (note.url, note.published_on) == ("https://lab.example.org/lichen", date(2026, 3, 17))
    [old] = feeds.parse(RDF, seen_at=NOON)
    assert (old.identifiers, old.published_on) == (("doi:10.5555/old.1",), date(2026, 3, 15))


@pytest.mark.parametrize(
    ("link", "arxiv", "identifiers"),
    [
        ("https://arxiv.org/abs/2603.00001v2", "2603.00001", ()),
        ("https://openreview.net/forum?id=aBcD12", None, ("openreview:aBcD12",)),
        ("https://www.science.org/doi/abs/10.1126/science.abc1?af=R", None, ("doi:10.1126/science.abc1",)),
        ("https://www.biorxiv.org/content/10.1101/2026.03.15.7v2?rss=1", None, ("doi:10.1101/2026.03.15.7",)),
        ("https://example.org/post", None, ()),
    ],
)
def test_a_link_tells_whose_page_it_is(link: str, arxiv: str | None, identifiers: tuple[str, ...]) -> None:
    [seen] = item(f"<title>A post</title><link>{link.replace('&', '&amp;')}</link>")
    assert (seen.arxiv_id, seen.identifiers) == (arxiv, identifiers)


@pytest.mark.parametrize("name", ["Fern, Ada", "The Lichen Consortium", "Ada Fern"])
def test_one_author_stays_one(name: str) -> None:
    [seen] = item(f"<title>A post</title><dc:creator>{name}</dc:creator>")
    assert len(seen.authors) == 1


@pytest.mark.parametrize(
    "inside",
    [
        "<link>https://example.org/no-title</link>",
        "<title>&lt;img src=x onerror=alert(1)&gt;</title>",
    ],
)
def test_an_entry_without_a_readable_title_is_left_out(inside: str) -> None:
    assert item(inside) == []


def test_a_hostile_entry_is_clean() -> None:
    [seen] = item(
        "<title>Ok</title><link>javascript:alert(1)</link><guid>" + "x" * 5000 + "</guid>"
        "<pubDate>Mon, 99 Foo 0000</pubDate><description>&lt;script&gt;x&lt;/script&gt; text</description>"
    )
    assert (seen.url, len(seen.key), seen.published_on) == ("", 64, None)


def test_a_feed_that_declares_entities_does_not_grow() -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    body = f'<!DOCTYPE rss [<!ENTITY e0 "ha">{bomb}]><rss version="2.0"><channel><item><title>&e8;</title></item>'
    try:
        found = feeds.parse(f"{body}</channel></rss>".encode(), seen_at=NOON)
    except SourceError:
        found = []
    assert all(len(one.title) <= 500 for one in found)


def test_a_feed_with_one_bare_ampersand_is_read_all_the_same() -> None:
    body = RSS.replace(b"<![CDATA[Bogs and $\\alpha$-diversity]]>", b"Bogs & lichens")
    assert [one.title for one in feeds.parse(body, seen_at=NOON)] == [TestFeed.titles[0], "Bogs & lichens"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "broken", [Reply(status=404), Reply(status=503), Reply(b"<html></html>", kind="text/html"), Reply(RSS[:900])]
)
def test_a_feed_that_fails_says_so_and_stops_no_other(web: Replay, broken: Reply) -> None:
    with replaying() as other:
        urls = [other.on("/feed", broken), web.on("/rss", Reply(RSS, kind="application/rss+xml; charset=utf-8"))]
        runs = gather(Moved(feeds, urls, HOSTS=frozenset()))
    assert [run.state for run in runs] == ["failed", "ok"]
    assert len(runs[0].detail) > 10
    assert Paper.objects.count() == 2


def test_a_feed_too_long_to_read_says_so() -> None:
    with pytest.raises(SourceError, match="longer than 4,000,000 bytes"):
        feeds.parse(RSS + b" " * 4_000_000, seen_at=NOON)


def test_an_article_and_its_preprint_are_one_paper(db: None) -> None:
    ingest(feeds.parse(RSS, seen_at=NOON), now=NOON)
    again = RSS.replace(b"greens:1", b"greens:new").replace(b"takes up", b"drinks").replace(b"waits", b"stays")
    ingest(feeds.parse(again, seen_at=NOON), now=NOON)
    assert Paper.objects.count() == 2
