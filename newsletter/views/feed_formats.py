"""One feed as Atom (RFC 4287) or JSON Feed 1.1, with its WebSub hub. In: its title and entries. Out: the response."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.utils.feedgenerator import Atom1Feed
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_ENTRY_YET = datetime(2000, 1, 1, tzinfo=UTC)
PDF, PAGE = "application/pdf", "text/html"  # media types of related addresses
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, kw_only=True)
class Entry:
    title: str
    link: str
    content: str  # a SafeString is HTML, any other is plain text
    summary: str = ""  # plain text: what it brings in a sentence, where that is known
    published_at: datetime | None
    updated_at: datetime | None  # a feed reader shows an entry anew only when this moves (RFC 4287, 4.2.15)
    authors: Sequence[dict[str, str]]
    tags: Sequence[str]
    more: dict[str, Any]  # members of JSON Feed alone
    related: Sequence[tuple[str, str]] = ()  # addresses and media types: the paper elsewhere, its PDF, its code


@dataclass(frozen=True, kw_only=True)
class Feed:
    title: str
    description: str
    page: str
    address: str
    entries: Sequence[Entry]
    hub: str = ""  # of WebSub; none for a feed whose address is one reader's secret


def write_feed(feed: Feed, *, kind: str) -> HttpResponse:
    found = {"atom": _atom, "json": _json}[kind](feed)
    if feed.hub:  # both, by https://www.w3.org/TR/websub/#discovery
        found["Link"] = f'<{feed.hub}>; rel="hub", <{feed.address}>; rel="self"'
    return found


def xml_text(text: str) -> str:
    """Return the text without characters that XML 1.0 cannot hold: one of them would break the whole feed."""
    cleaned = _NOT_XML.sub("", text)
    return SafeString(cleaned) if isinstance(text, SafeString) else cleaned


class _Atom(Atom1Feed):
    """Django's writer, but text stays text, each author is an element, and an empty feed has a fixed date."""

    def add_root_elements(self, handler: Any) -> None:
        super().add_root_elements(handler)
        if self.feed["hub"]:
            handler.addQuickElement("link", "", {"rel": "hub", "href": self.feed["hub"]})

    def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item | {"description": None})  # Django would mark it type="html"
        for author in item["authors"]:
            handler.startElement("author", {})
            for element in ("name", "uri"):
                if author.get(element):
                    handler.addQuickElement(element, author[element])
            handler.endElement("author")
        content: str = item["content"]
        if item["summary"]:
            handler.addQuickElement("summary", item["summary"])
        handler.addQuickElement("content", content, {"type": "html" if isinstance(content, SafeString) else "text"})
        for address, kind in item["related"]:
            handler.addQuickElement("link", "", {"rel": "related", "href": address, "type": kind})

    def latest_post_date(self) -> datetime:
        return super().latest_post_date() if self.items else _NO_ENTRY_YET


def _atom(feed: Feed) -> HttpResponse:
    found = _Atom(
        title=xml_text(feed.title),
        author_name=xml_text(settings.SITE_NAME),
        link=feed.page,
        description=xml_text(feed.description),
        subtitle=xml_text(feed.description),
        feed_url=feed.address,
        feed_guid=feed.address,
        hub=feed.hub,
    )
    for entry in feed.entries:
        found.add_item(
            title=xml_text(entry.title),
            link=entry.link,
            description=xml_text(entry.content),
            summary=xml_text(entry.summary),
            content=xml_text(entry.content),  # the generator makes a plain str of its description
            unique_id=entry.link,
            authors=[{"name": xml_text(author["name"]), "uri": author.get("url", "")} for author in entry.authors],
            related=entry.related,
            pubdate=entry.published_at,
            updateddate=entry.updated_at,
            categories=[xml_text(tag) for tag in entry.tags],
        )
    return HttpResponse(found.writeString("utf-8"), content_type="application/atom+xml; charset=utf-8")


def _json(feed: Feed) -> HttpResponse:
    """Return the feed by https://www.jsonfeed.org/version/1.1/."""
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.description,
        "home_page_url": feed.page,
        "feed_url": feed.address,
        **({"hubs": [{"type": "WebSub", "url": feed.hub}]} if feed.hub else {}),
        "items": [_json_item(entry) for entry in feed.entries],
    }
    found = JsonResponse(body, content_type="application/feed+json", json_dumps_params={"ensure_ascii": False})
    found["Access-Control-Allow-Origin"] = "*"  # pages elsewhere may show a public feed
    return found


def _json_item(entry: Entry) -> dict[str, Any]:
    is_html = isinstance(entry.content, SafeString)
    return {
        "id": entry.link,
        "url": entry.link,
        "title": entry.title,
        "content_html" if is_html else "content_text": entry.content or entry.title,
        "date_published": entry.published_at.isoformat() if entry.published_at else None,
        "date_modified": entry.updated_at.isoformat() if entry.updated_at else None,
        "authors": [*entry.authors],
        **({"summary": entry.summary} if entry.summary else {}),
        "tags": [*entry.tags],
        "attachments": [{"url": address, "mime_type": kind} for address, kind in entry.related if kind == PDF],
        **entry.more,
    }


def site_as_author() -> dict[str, str]:
    return {"name": settings.SITE_NAME, "url": f"{settings.SITE_URL}/"}
