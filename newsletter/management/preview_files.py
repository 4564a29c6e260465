"""Digests of made-up readers as files to look at: HTML, text and .eml, with a page that lists them.

In: preferences in words ("topics=speech-audio,vision papers=5"), a cadence, a folder. Out: files. The database is left
as it was: where there is no edition yet, one is drafted in a transaction that is rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from html import escape
from pathlib import Path

from django.conf import settings
from django.db import transaction

from newsletter.editions import lifecycle
from newsletter.models import Edition
from newsletter.monitoring import digest_previews
from newsletter.monitoring.digest_previews import Persona
from subscriptions.models import Topic

PERSONA_FIELDS = "topics=SLUG,… mutes=SLUG,… papers=N format=html|pictures|text new=yes language=CODE"


class PersonaError(Exception):
    """The text does not describe a reader; the message says how to describe one."""


@dataclass(frozen=True)
class Preview:
    """One mail as files."""

    title: str
    subject: str
    stem: Path  # beside it: .eml, .txt and, unless the reader wants text, .html
    has_html: bool


def persona_of(wishes: str) -> Persona:
    """The made-up reader that the words describe; an empty string follows nothing in particular."""
    given = dict(part.partition("=")[::2] for part in wishes.split())
    if unknown := set(given) - {"topics", "mutes", "papers", "format", "new", "language"}:
        raise PersonaError(f"I do not know {', '.join(sorted(unknown))}: say {PERSONA_FIELDS}.")
    known = set(Topic.objects.filter(is_active=True).values_list("slug", flat=True))
    follows, mutes = (tuple(filter(None, given.get(key, "").split(","))) for key in ("topics", "mutes"))
    if missing := {*follows, *mutes} - known:
        raise PersonaError(f"There is no topic {', '.join(sorted(missing))}. There are: {', '.join(sorted(known))}.")
    papers = given.get("papers", "10")
    if not papers.isdecimal() or not 1 <= int(papers) <= 50:
        raise PersonaError(f"papers={papers}: a digest has 1 to 50 papers.")
    if (language := given.get("language", settings.LANGUAGE_CODE)) not in dict(settings.LANGUAGES):
        raise PersonaError(f"There is no language {language}. There are: {', '.join(dict(settings.LANGUAGES))}.")
    return Persona(
        wishes or "follows nothing in particular",
        follows=follows,
        mutes=mutes,
        max_papers=int(papers),
        wants_html=given.get("format", "html") != "text",
        shows_pictures=given.get("format") == "pictures",
        is_new=given.get("new", "no") == "yes",
        language=language,
    )


@contextmanager
def edition_to_show(cadence: str, *, now: datetime) -> Iterator[Edition]:
    """The newest edition of the cadence, or what it would be now. Nothing done inside is kept."""
    with transaction.atomic():
        past = Edition.objects.filter(cadence=cadence, items__isnull=False)
        edition = (
            past.exclude(state__in=[Edition.State.SKIPPED, Edition.State.CANCELLED]).order_by("-period_on").first()
        )
        period_on = lifecycle.latest_period(cadence, now)
        yield edition or lifecycle.draft(cadence=cadence, period_on=period_on, now=now)
        transaction.set_rollback(True)


def write_preview(edition: Edition, *, persona: Persona, folder: Path, now: datetime) -> Preview:
    """Compose the mail and write its files. ValueError when no paper of the edition fits the reader."""
    data = digest_previews.preview_bytes(edition, persona=persona, now=now)
    message = message_from_bytes(data, policy=policy.default)
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{edition.get_cadence_display()}, {persona.name}"
    stem = folder / re.sub(r"[^a-z0-9]+", "-", f"{edition.cadence} {persona.name}".lower()).strip("-")[:80]
    stem.with_suffix(".eml").write_bytes(data)
    found = {}
    for kind, suffix in (("plain", ".txt"), ("html", ".html")):
        if part := message.get_body((kind,)):
            found[kind] = part.get_content().replace("\r\n", "\n")
            stem.with_suffix(suffix).write_text(found[kind], encoding="utf-8")
    return Preview(title, str(message["Subject"]), stem, "html" in found)


def write_index(shown: list[Preview], *, folder: Path) -> Path:
    """Write a page that links every preview of the folder."""
    rows = "".join(
        f"<li><h2>{escape(each.title)}</h2><p>{escape(each.subject)}</p><p>{_links(each)}</p></li>" for each in shown
    )
    page = folder / "index.html"
    page.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Digest previews</title>'
        "<style>body{font:16px/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
        f"h2{{font-size:1rem;margin:1.5rem 0 0}}p{{margin:0}}</style><h1>Digest previews</h1><ol>{rows}</ol></html>",
        encoding="utf-8",
    )
    return page


def _links(shown: Preview) -> str:
    suffixes = [".html"] * shown.has_html + [".txt", ".eml"]
    return " ".join(f'<a href="{shown.stem.with_suffix(suffix).name}">{suffix[1:]}</a>' for suffix in suffixes)
