"""Addresses of readers' own pages, each in a state worth looking at: for browsers, and for the search for leftovers."""

from __future__ import annotations

from django.utils import timezone

from newsletter.catalogue import submissions
from newsletter.interests.library import read_library
from newsletter.interests.library_entries import add_entries
from newsletter.models import LibraryEntry, LibraryLink, Paper
from newsletter.ranking import votes
from subscriptions import token_links
from subscriptions.models import ConsentEvent, Notice, Subscriber
from subscriptions.preference_parts import TITLES
from subscriptions.transactional_mails import owe_notice
from tests.builders import NOON, make_reader

KINDS = [
    "subscribe",
    "sent",
    "confirm",
    "preferences",
    "paused",
    "votes",
    "voted",
    "library",
    "one interest",
    "interests",
    "interest",
    "profile of interests",
    "leave",
    "left",
    "move",
    "ask",
    "embed",
    "code",
    "old",
    *TITLES,
]


def path_of(kind: str) -> str:
    now = timezone.now()
    reader = make_reader("alice@example.net", follows=("vision",))
    if kind == "confirm":
        pending = make_reader(state="pending", confirmed_at=None, next_due_at=None)
        asked = pending.consent_events.create(kind=ConsentEvent.Kind.REQUESTED, at=now, method="banner")
        return f"/confirm/{token_links.confirm_token(asked.pk, now=now)}/"
    if kind == "move":
        notice = owe_notice(reader, kind=Notice.Kind.MOVE, now=now, context={"to": "new@example.org"})
        return f"/move/{token_links.move_token(notice.pk, now=now)}/"
    if kind in {"preferences", "paused"}:
        if kind == "paused":
            Subscriber.objects.filter(pk=reader.pk).update(state="paused", paused_until=now, next_due_at=None)
        return f"/preferences/{token_links.manage_token(reader, now=now)}/"
    if kind in TITLES:
        reader.follows.create(text="seeing", key="k", at=NOON)
        return f"/preferences/{token_links.manage_token(reader, now=now)}/{kind}/"
    if kind in {"votes", "voted"}:
        if kind == "voted":
            for paper in Paper.objects.all():
                votes.vote(reader, paper=paper, now=now)
        submissions.submit(reader, link="2403.01234", now=now)
        return f"/r/{token_links.manage_token(reader, now=now)}/papers/"
    if "interest" in kind:
        manage = token_links.manage_token(reader, now=timezone.now())
        page = f"/preferences/{manage}/interests/"
        if kind == "profile of interests":
            keep_apart(reader, kind)
            return f"/r/{manage}/profile/"
        return page if kind == "one interest" else page + keep_apart(reader, kind)
    if kind == "library":
        bring_library(reader)
        return f"/r/{token_links.manage_token(reader, now=now)}/library/"
    if kind in {"leave", "left"}:
        if kind == "left":
            Subscriber.objects.filter(pk=reader.pk).update(state="unsubscribed", left_at=NOON, next_due_at=None)
        return f"/u/{reader.unsubscribe_token}"
    return {
        "subscribe": "/subscribe/",
        "sent": "/subscribe/sent/",
        "ask": "/preferences/",
        "embed": "/embed/",
        "code": "/embed/code/",
        "old": "/confirm/junk/",
    }[kind]


def keep_apart(reader: Subscriber, kind: str) -> str:
    """Two interests with long names; the end of the address of the page."""
    reader.interests.create(name="Thesis", is_first=True, share=60)
    long = reader.interests.create(name="W" * 60, position=1, share=3, unit="papers")
    reader.follows.create(text="seeing", key="k", at=NOON, interest=long)
    return f"{long.pk}/" if kind == "interest" else ""


def bring_library(reader: Subscriber) -> None:
    text = "@misc{a, title={Seeing well}}\n@misc{b, title={A word that is " + "long" * 30 + "}, eprint={2401.00001}}"
    entries = read_library(text.encode(), today=NOON.date()).entries
    add_entries(reader, entries, source=LibraryEntry.Source.UPLOADED, now=NOON)
    reader.library.filter(arxiv_id="2401.00001").update(note="Ask May about it.")
    LibraryLink.objects.create(subscriber=reader, at=NOON)
