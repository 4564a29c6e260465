from datetime import UTC, date, datetime, timedelta

import pytest

from newsletter.catalogue.sources import arxiv_daily, arxiv_query
from newsletter.catalogue.sources.observed_paper import Request, SourceError
from tests.builders import NOON
from tests.contract_sources import SourceContract

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
)


def daily_entry(
    identifier: str, title: str, *, kind: str = "new", creator: str = "Ada Lovelace", abstract: str = "We count."
) -> str:
    return (
        f"<entry><id>oai:arXiv.org:{identifier}</id><title>{title}</title>"
        f"<updated>2026-03-18T04:00:00Z</updated><link href='https://arxiv.org/abs/{identifier}'/>"
        f"<summary>arXiv:{identifier} Announce Type: {kind} \nAbstract: {abstract}</summary>"
        "<category term='cs.LG'/><category term='cs.AI'/>"
        f"<published>2026-03-18T00:00:00-04:00</published><arxiv:announce_type>{kind}</arxiv:announce_type>"
        f"<dc:rights>http://example.org/</dc:rights><dc:creator>{creator}</dc:creator></entry>"
    )


def daily_feed(*entries: str, title: str = "cs.AI, cs.LG updates on arXiv.org") -> bytes:
    return f"{HEAD}<title>{title}</title>{''.join(entries)}</feed>".encode()


def query_entry(identifier: str, title: str, *, comment: str = "", summary: str = "We prove.") -> str:
    return (
        f"<entry><id>http://arxiv.org/abs/{identifier}</id><updated>2026-03-10T00:00:00Z</updated>"
        f"<published>2026-03-01T17:59:59Z</published><title>{title}</title><summary>  {summary}\n</summary>"
        "<author><name>José Ñandú</name><arxiv:affiliation>Somewhere</arxiv:affiliation></author>"
        "<author><name>Grace Hopper, Jr.</name></author>"
        + (f"<arxiv:comment>{comment}</arxiv:comment>" if comment else "")
        + "<link title='pdf' href='http://arxiv.org/pdf/x'/><category term='cs.LG'/><category term='stat.ML'/>"
        "<category term='I.2.7; H.3.3'/><category term='68T50'/><arxiv:primary_category term='stat.ML'/></entry>"
    )


def query_feed(*entries: str) -> bytes:
    return f"{HEAD}<title>ArXiv Query: search_query=</title>{''.join(entries)}</feed>".encode()


class TestDailyFeed(SourceContract):
    source = arxiv_daily
    answer = daily_feed(daily_entry("2603.00001v1", "One"), daily_entry("2603.00002v1", "Two\n  lines", kind="cross"))
    titles = ["One", "Two lines"]
    empty_answer = daily_feed()


class TestQuery(SourceContract):
    source = arxiv_query
    answer = query_feed(query_entry("2603.00001v12", "One"), query_entry("hep-th/9901001v1", "Old"))
    titles = ["One", "Old"]
    empty_answer = query_feed()


def test_the_summary_loses_its_head_and_keeps_every_sign() -> None:
    abstract = "For $a&lt;b$ and c&lt;d it holds when p&lt;0.05 &amp; n&gt;3. Also i&lt;j."
    one = arxiv_daily.parse(daily_feed(daily_entry("2603.00001v1", "T", abstract=abstract)), seen_at=NOON)[0]
    assert one.abstract == "For a<b and c<d it holds when p<0.05 & n>3. Also i<j."


def test_an_abstract_that_speaks_of_abstracts_keeps_its_words() -> None:
    one = arxiv_daily.parse(daily_feed(daily_entry("2603.00001v1", "T", abstract="Abstract: art.")), seen_at=NOON)[0]
    assert one.abstract == "Abstract: art."


@pytest.mark.parametrize(
    ("creator", "authors"),
    [
        ("Ada Lovelace, Alan Turing", ("Ada Lovelace", "Alan Turing")),
        (r"Paulo Andr\'e, Erwin Schr\&quot;odinger", ("Paulo André", "Erwin Schrödinger")),
        ("Ada Lovelace (Somewhere, Elsewhere), Martin King, Jr.", ("Ada Lovelace", "Martin King, Jr.")),
        ("", ()),
    ],
)
def test_the_one_string_of_authors_is_taken_apart(creator: str, authors: tuple[str, ...]) -> None:
    one = arxiv_daily.parse(daily_feed(daily_entry("2603.00001v1", "T", creator=creator)), seen_at=NOON)[0]
    assert one.authors == authors


@pytest.mark.parametrize(
    ("kind", "news"), [("new", True), ("cross", True), ("replace", False), ("replace-cross", False)]
)
def test_only_first_versions_are_news(kind: str, news: bool) -> None:
    one = arxiv_daily.parse(daily_feed(daily_entry("2603.00001v2", "T", kind=kind)), seen_at=NOON)[0]
    assert one.only_if_known is not news
    assert (one.published_on, one.listed_on) == (None, None)


def test_the_query_gives_the_date_of_the_first_version_and_the_primary_category_first() -> None:
    one = arxiv_query.parse(query_feed(query_entry("2603.00001v12", "One")), seen_at=NOON)[0]
    assert (one.arxiv_id, one.published_on) == ("2603.00001", date(2026, 3, 1))
    assert one.categories == ("stat.ML", "cs.LG")
    assert one.authors == ("José Ñandú", "Grace Hopper, Jr.")


@pytest.mark.parametrize(
    ("comment", "summary"),
    [
        ("This paper has been withdrawn by the authors due to an error", "We prove."),
        ("Withdrawn", "We prove."),
        ("", "This submission has been withdrawn by arXiv administrators."),
        ("[withdrawn] see v1", "We prove."),
    ],
)
def test_withdrawn_papers_are_known_and_the_notice_is_no_abstract(comment: str, summary: str) -> None:
    one = arxiv_query.parse(
        query_feed(query_entry("2603.00001v2", "T", comment=comment, summary=summary)), seen_at=NOON
    )[0]
    assert one.withdrawn
    assert one.abstract == ("We prove." if comment else "")


@pytest.mark.parametrize("comment", ["", "12 pages; not withdrawn", "Replaces the withdrawn 2601.00001"])
def test_other_papers_are_not_withdrawn(comment: str) -> None:
    assert not arxiv_query.parse(query_feed(query_entry("2603.00001v2", "T", comment=comment)), seen_at=NOON)[
        0
    ].withdrawn


def test_an_error_that_arxiv_dresses_as_a_paper_is_an_error() -> None:
    error = query_entry("x", "Error", summary="incorrect id format for 1234").replace(
        "http://arxiv.org/abs/x", "http://arxiv.org/api/errors#incorrect_id_format_for_1234"
    )
    with pytest.raises(SourceError, match="incorrect id format"):
        arxiv_query.parse(query_feed(error), seen_at=NOON)


def test_the_feed_for_a_bad_category_is_an_error() -> None:
    with pytest.raises(SourceError, match="Feed error for query"):
        arxiv_daily.parse(daily_feed(title="Feed error for query"), seen_at=NOON)


def test_entities_are_never_expanded() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "x">]><feed xmlns="http://www.w3.org/2005/Atom">&a;</feed>'
    with pytest.raises(SourceError, match="entities"):
        arxiv_daily.parse(bomb, seen_at=NOON)


def test_an_encoding_nobody_knows_is_refused() -> None:
    with pytest.raises(SourceError, match="encoding"):
        arxiv_daily.parse(b'<?xml version="1.0" encoding="junk"?><feed/>', seen_at=NOON)


def test_ids_are_asked_a_hundred_at_once() -> None:
    ids = tuple(f"2603.{number:05d}" for number in range(150))
    addresses = arxiv_query.addresses(Request(now=NOON, wanted_ids=ids))
    assert [address.count("2603.") for address in addresses] == [100, 50]
    assert arxiv_query.addresses(Request(now=NOON)) == []


def test_without_categories_the_feed_is_not_asked() -> None:
    assert arxiv_daily.addresses(Request(now=NOON)) == []
    assert arxiv_daily.addresses(Request(now=NOON, categories=("cs.AI", "eess.AS"))) == [
        "https://rss.arxiv.org/atom/cs.AI+eess.AS"
    ]


def test_an_empty_feed_says_whether_that_is_the_weekend() -> None:
    saturday = datetime(2026, 3, 21, 12, tzinfo=UTC)
    assert "weekend" in arxiv_daily.why_empty(saturday)
    assert "weekend" in arxiv_daily.why_empty(saturday + timedelta(days=1, hours=16))  # still Sunday in New York
    assert "late" in arxiv_daily.why_empty(saturday + timedelta(days=2))


def test_the_same_newest_paper_for_more_than_a_day_is_stale_but_not_on_weekends() -> None:
    tuesday = datetime(2026, 3, 17, 6, tzinfo=UTC)
    assert not arxiv_daily.is_stale(first_seen_at=tuesday, now=tuesday + timedelta(hours=24))
    assert arxiv_daily.is_stale(first_seen_at=tuesday, now=tuesday + timedelta(hours=26))
    friday = tuesday + timedelta(days=3)
    assert not arxiv_daily.is_stale(first_seen_at=friday, now=friday + timedelta(days=2))
    assert arxiv_daily.is_stale(first_seen_at=friday, now=friday + timedelta(days=3))
