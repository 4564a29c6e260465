"""Papers that somebody brings while signing up: read at once, kept with the request, in the library once confirmed.

In: a pasted list or a file. Out: plain values in the consent record, or, for an address that is subscribed already, on
the mail that says so; later rows elsewhere. What papers are is known to the functions that READ_LIBRARY and
KEEP_LIBRARY name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from subscriptions.follows import told_already
from subscriptions.lifecycle import ACTIVE
from subscriptions.models import ConsentEvent, Notice, Subscriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from subscriptions.addresses import Address

SHOWN = 5
OFFERED = 500  # papers on one mail


class BroughtPapersForm(forms.Form):
    """The fields that take papers. ``library``: what was read of them, as READ_LIBRARY gives it."""

    references = forms.CharField(label=_("Papers you like"), required=False)
    file = forms.FileField(label=_("Papers you like"), required=False, allow_empty_file=True)

    def clean(self) -> None:
        """Read what was brought. A part that cannot be read costs nothing; when nothing can, that is an error."""
        file = self.cleaned_data.get("file")
        brought: bytes = file.read() if file else self.cleaned_data.get("references", "").encode("utf-8", "replace")
        self.library: dict[str, Any] = import_string(settings.READ_LIBRARY)(brought) if brought.strip() else {}
        if self.library and not self.library["entries"]:
            line, why = self.library["refused"][0]
            where = _("Line %(line)s: %(why)s") % {"line": line, "why": gettext(why)}
            self.add_error("references", forms.ValidationError(where, code="library"))


def attach(library: Mapping[str, Any], *, address: Address, now: datetime) -> None:
    """Keep what was brought with the request of this very moment; for a reader, with the mail they were sent."""
    reader = Subscriber.objects.filter(address_key=address.key).first() if library else None
    if reader is None:
        return
    if reader.state in ACTIVE:
        _offer(reader, library, now=now)
    elif newest := reader.consent_events.filter(kind=ConsentEvent.Kind.REQUESTED, at=now).order_by("pk").last():
        newest.detail["library"] = library
        newest.save(update_fields=["detail"])


def _offer(reader: Subscriber, library: Mapping[str, Any], *, now: datetime) -> None:
    """Add papers to the mail that told the reader that they are subscribed: its link leads to the offer."""
    newest = told_already(reader, now=now).first()
    if newest is not None:
        known = newest.context.get("library", {}).get("entries", [])
        entries = [*known, *(entry for entry in library["entries"] if entry not in known)]
        kept = {"entries": entries[:OFFERED], "refused": library["refused"]}
        Notice.objects.filter(pk=newest.pk).update(context=newest.context | {"library": kept})


def offered(reader: Subscriber, *, now: datetime) -> dict[str, Any]:
    """Papers that somebody brought with this reader's address, the newest; empty for none.

    A stranger may have typed the address: they wait on the mail that was sent, until the reader takes them.
    """
    contexts = told_already(reader, now=now).filter(context__has_key="library").values_list("context", flat=True)
    return next((dict(context["library"]) for context in contexts[:1]), {})


def drop_offer(reader: Subscriber) -> None:
    """Forget the papers that wait on mails to this reader."""
    for notice in reader.notices.filter(kind=Notice.Kind.ALREADY, context__has_key="library"):
        del notice.context["library"]
        notice.save(update_fields=["context"])


def asked_for(asked: ConsentEvent) -> dict[str, Any]:
    """What was brought with the newest request for the same reader: the one whose preferences count."""
    requests = ConsentEvent.objects.filter(subscriber=asked.subscriber_id, kind=ConsentEvent.Kind.REQUESTED)
    return dict(requests.filter(pk__gte=asked.pk).latest("at", "pk").detail.get("library", {}))


def told(library: Mapping[str, Any]) -> dict[str, Any]:
    """What was brought, for the page that confirms: the number, the first by name, and what could not be read."""
    named = [
        title or (f"arXiv:{arxiv_id}" if arxiv_id else f"doi:{doi}")
        for title, arxiv_id, doi, _text in library.get("entries", [])
    ]
    refused = [(line, gettext(why)) for line, why in library.get("refused", [])]
    return {"brought": len(named), "brought_first": named[:SHOWN], "brought_refused": refused}


def keep(reader: Subscriber, library: Mapping[str, Any], *, now: datetime) -> None:
    """Put these papers into the reader's library, and take all that were brought out of the reader's requests."""
    if library:
        import_string(settings.KEEP_LIBRARY)(reader, library, now=now)
    for asked in ConsentEvent.objects.filter(subscriber=reader, kind=ConsentEvent.Kind.REQUESTED):
        if asked.detail.pop("library", None):
            asked.save(update_fields=["detail"])
