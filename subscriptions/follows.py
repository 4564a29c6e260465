"""Queries that readers follow: the field they are typed into, and what was asked for with a reader's address.

In: the words of the search box. Out: a query that can be followed, or a sentence that says what is wrong; offers that
wait on a mail until the reader takes them. What queries mean is known elsewhere: see READ_FOLLOW and FOLLOW_PREVIEW.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from subscriptions import token_links
from subscriptions.models import Follow, Notice, Subscriber
from subscriptions.preferences import follow_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.db.models import QuerySet

MOST_FOLLOWS = 100  # of one reader
OFFERED = 10  # on one mail


class QueryField(forms.CharField):
    """Form field whose clean value is a query that can be followed, without needless blanks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=_("What to follow"), max_length=Follow.LONGEST, **kwargs)

    def clean(self, value: Any) -> str:
        text = " ".join(str(super().clean(value)).split())
        try:
            if text:
                follow_key(text)
        except ValueError as error:
            raise forms.ValidationError(str(error), code="query") from None
        return text


class FollowForm(forms.Form):
    """One query to follow, or to see nothing of. ``known``: what the reader follows already."""

    q = QueryField()

    def __init__(self, *args: Any, known: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known = known

    def clean_q(self) -> str:
        text: str = self.cleaned_data["q"]
        if text not in self._known and len(self._known) >= MOST_FOLLOWS:
            raise forms.ValidationError(
                _("You follow %(most)d queries, and more are not possible. Remove one first.") % {"most": MOST_FOLLOWS},
                code="most",
            )
        return text


def as_cell(follows: Mapping[str, str]) -> str:
    """The follows of one reader in a cell of a CSV file; empty for none."""
    return json.dumps(follows, ensure_ascii=False) if follows else ""


def from_cell(cell: str) -> dict[str, str]:
    """What `as_cell` wrote. ValueError with what is wrong: no JSON object, a stance or a query nobody can read."""
    try:
        found = json.loads(cell) if cell else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError('not a JSON object such as {"author:bengio": "follow", "watermarking": "not"}')
    for query, stance in found.items():
        if stance not in Follow.Stance.values:
            raise ValueError(f"not one of {', '.join(Follow.Stance.values)}: {stance!r}")
        if len(query) > Follow.LONGEST or not query.isprintable():
            raise ValueError(f"longer than {Follow.LONGEST} characters, or with some that nobody can type")
        follow_key(query)
    return found


def preview(query: str) -> Any:
    """What following the query would have brought; nothing without one, a warning when it cannot be followed."""
    try:
        return import_string(settings.FOLLOW_PREVIEW)(query) if query.strip() else None
    except ValueError as error:
        return {"warning": str(error)}


def offer(reader: Subscriber, follows: Mapping[str, str], *, now: datetime) -> None:
    """Add queries to the mail that told the reader that they are subscribed: its link leads to the offer."""
    newest = told_already(reader, now=now).first()
    if newest is not None and follows:
        kept = list((newest.context.get("follows", {}) | dict(follows)).items())[-OFFERED:]
        Notice.objects.filter(pk=newest.pk).update(context=newest.context | {"follows": dict(kept)})


def offered(reader: Subscriber, *, now: datetime) -> list[str]:
    """Queries that somebody asked to follow with this reader's address, and that the reader does not follow yet.

    A stranger may have typed the address: they wait on the mail that was sent, until the reader takes them.
    """
    asked = told_already(reader, now=now).values_list("context", flat=True)
    known = set(reader.follows.values_list("text", flat=True))
    every = dict.fromkeys(query for context in asked for query in context.get("follows", {}))
    return [query for query in every if query not in known]


def told_already(reader: Subscriber, *, now: datetime) -> QuerySet[Notice]:
    """The mails by which a reader can still learn that somebody signed up with their address, newest first."""
    since = now - timedelta(hours=token_links.MANAGE_HOURS)
    return reader.notices.filter(kind=Notice.Kind.ALREADY, created_at__gt=since).order_by("-created_at", "-pk")
