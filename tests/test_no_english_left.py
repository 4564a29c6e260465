"""Readers' pages and mails hold no English sentence for who reads another language, wherever it comes from.

Each is rendered in English and in every other language: a sentence that is the same in both was never given to gettext,
or too early. What papers and readers say stands in dir=auto, in a field, or behind a colon, and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

import html5lib
import pytest
from django.conf import settings
from django.utils import timezone, translation

from newsletter.models import Edition
from subscriptions.models import Notice, Subscriber
from subscriptions.transactional_mails import build_notice, owe_notice
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.reader_pages import KINDS, path_of

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

PAGES = ["/", "/date/2026-03-14/", "/week/2026-W12/", "/month/2026-03/", "/trending/", "/topics/", "/topic/vision/"]
PAGES += ["/editions/", "/edition/daily/2026-03-18/", "/saved/", "/search/", "/search/?q=colour%3Ared", "/nowhere/"]
PAGES += ["/privacy/", "/search/?q=nothing+of+this+kind", "/paper/7/"]
SAID = ("aria-label", "placeholder", "title", "alt", "content", "data-said")
SENTENCE = re.compile(r"[A-Za-z]+(?:[ ,’']+[A-Za-z]+){2,}")
OF_THE_SITE = {
    settings.POSTAL_ADDRESS,
    "making robots fold laundry",
}  # an example of a search, and papers are in English


@pytest.fixture(autouse=True)
def _language_as_before() -> Iterator[None]:
    with translation.override("en"):
        yield


def sentences(html: str) -> set[str]:
    """What a page says itself in three words or more: in its text, labels and descriptions."""
    return {
        said
        for text in _texts(html5lib.parse(html, namespaceHTMLElements=False))
        if (said := " ".join(text.split())) and not said.startswith(":") and SENTENCE.search(said)
    }


def _texts(element: Element) -> Iterator[str]:
    if element.get("dir") == "auto" or element.tag in {"script", "style", "option", "code", "pre", "textarea"}:
        return
    yield from (element.get(name, "") for name in SAID)
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            yield from _texts(child)
        yield child.tail or ""


def left_in_english(client: Client, path: str) -> dict[str, set[str]]:
    """The sentences of the English page that pages in another language have too, by language."""
    pages = {
        language: sentences(client.get(path, headers={"accept-language": language}).content.decode())
        for language, _name in settings.LANGUAGES
    }
    assert pages["en"], "else the search finds nothing anywhere"
    return {
        language: both
        for language, said in pages.items()
        if language != "en" and (both := said & pages["en"] - OF_THE_SITE)
    }


@pytest.mark.parametrize("path", PAGES)
def test_public_pages_say_nothing_in_english(client: Client, path: str) -> None:
    paper = assign(make_paper(pk=7, title="Whales", abstract="Whales sing.", score_daily=3.0, upvotes=12), "vision")
    make_edition(papers=[paper], state=Edition.State.DONE)
    assert left_in_english(client, path) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_readers_pages_say_nothing_in_english(client: Client, settings: Settings, kind: str) -> None:
    settings.SOURCES = ["arxiv_query"]  # so that papers can be handed in
    paper = assign(make_paper(title="Whales", abstract="Whales sing.", first_seen_at=timezone.now()), "vision")
    make_edition(papers=[paper], state=Edition.State.SENDING)
    assert left_in_english(client, path_of(kind)) == {}


@pytest.mark.parametrize("kind", Notice.Kind.values)
def test_notices_say_nothing_in_english(kind: str) -> None:
    mails = {}
    for language, _name in settings.LANGUAGES:
        reader = make_reader(language=language)
        asked = reader.consent_events.create(kind="requested", at=NOON, method="page").pk
        why = {"why": "skip", "papers": 2, "cadence": "weekly", "edition": "2026-03-18"}
        context = {"request": asked, "to": "new@example.org"} | why
        mail = build_notice(owe_notice(reader, kind=Notice.Kind(kind), now=NOON, context=context), now=NOON)
        plain = {line for line in str(mail.body).splitlines() if SENTENCE.search(line)}
        mails[language] = sentences(str(mail.alternatives[0][0])) | plain | {str(mail.subject)}
    english = mails.pop("en") - OF_THE_SITE
    assert len(english) > 3
    assert {language: both for language, said in mails.items() if (both := said & english)} == {}
    assert Subscriber.objects.count() == len(settings.LANGUAGES)
