"""What every source must keep: a test class inherits `SourceContract` and gives one good answer and its papers."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from newsletter import settings
from newsletter.catalogue.sources import registry
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title
from newsletter.catalogue.sources.observed_paper import Observation, Request, Source, SourceError
from newsletter.catalogue.sources.paper_identifiers import arxiv_id
from newsletter.catalogue.sources.public_urls import safe_url
from tests.builders import NOON
from tests.processes import ROOT

REQUEST = Request(
    now=NOON, categories=("cs.AI", "cs.LG"), wanted_ids=("2603.00001", "hep-th/9901001"), linkless_ids=("2603.00001",)
)
HTML_ERROR = b"<!doctype html><html><head><title>502</title></head><body><p>Bad gateway</body></html>"


class SourceContract:
    source: Source
    answer: bytes
    titles: list[str]
    empty_answer: bytes
    request = REQUEST

    def parsed(self) -> list[Observation]:
        return self.source.parse(self.answer, seen_at=NOON)

    def test_the_papers_come_in_the_order_of_the_answer(self) -> None:
        assert [one.title for one in self.parsed()] == self.titles

    def test_the_same_bytes_give_the_same_observations(self) -> None:
        assert self.parsed() == self.parsed()

    def test_what_is_observed_is_clean(self) -> None:
        for one in self.parsed():
            assert one.source == self.source.SOURCE
            assert one.seen_at == NOON
            assert (clean_title(one.title), clean_abstract(one.abstract)) == (one.title, one.abstract)
            assert one.arxiv_id is None or arxiv_id(one.arxiv_id) == (one.arxiv_id, None)
            for url in (one.url, one.code_url, one.project_url, one.thumbnail_url):
                assert safe_url(url) == url
            assert all(value >= 0 for value in one.metrics.values())
            assert all(name.strip() for name in one.authors)

    def test_observations_cannot_be_changed(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            self.parsed()[0].title = "other"  # type: ignore[misc]

    def test_an_answer_without_papers_is_no_error_and_has_a_reason(self) -> None:
        assert self.source.parse(self.empty_answer, seen_at=NOON) == []
        assert len(self.source.why_empty(NOON)) > 10

    @pytest.mark.parametrize("answer", [b"", b"\x00\xff\xfe", HTML_ERROR, b"null", b'{"error": "gone"}', b"<rss/>"])
    def test_what_is_not_an_answer_of_the_source_is_refused(self, answer: bytes) -> None:
        with pytest.raises(SourceError):
            self.source.parse(answer, seen_at=NOON)

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
    def test_an_answer_cut_short_is_refused_as_a_whole(self, share: float) -> None:
        with pytest.raises(SourceError):
            self.source.parse(self.answer[: int(len(self.answer) * share)], seen_at=NOON)

    def test_it_asks_its_own_hosts_only_and_by_https(self) -> None:
        addresses = self.source.addresses(self.request)
        assert addresses
        for address in addresses:
            assert urlsplit(address).scheme == "https"
            assert urlsplit(address).hostname in self.source.HOSTS

    def test_its_file_says_all_there_is_to_say(self) -> None:
        """Found by its file's name alone, by the registry and by the settings; no other module names it."""
        assert self.source.__name__.rpartition(".")[2] == self.source.SOURCE  # type: ignore[attr-defined]
        assert registry.polled()[self.source.SOURCE] is self.source
        assert self.source.SOURCE in settings.papers._SOURCES
        assert self.source.LABEL.strip()
        assert min(self.source.TEXT_AUTHORITY, self.source.LINK_AUTHORITY) >= 0
        assert all(votes >= 0 for votes in self.source.OWN_VOTES.values())
        others = [path for path in (ROOT / "newsletter").rglob("*.py") if path.stem != self.source.SOURCE]
        named = [path for path in others if f'"{self.source.SOURCE}"' in path.read_text()]
        assert named == []

    def test_it_is_polled_with_measure(self) -> None:
        assert timedelta(seconds=1) <= self.source.SPACING
        assert timedelta(minutes=10) <= self.source.POLL_EVERY
        assert self.source.CONTENT_TYPES
        assert self.source.QUIET_AFTER is None or timedelta(days=4) < self.source.QUIET_AFTER  # Easter
