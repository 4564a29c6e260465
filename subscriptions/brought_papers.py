"""Papers that somebody brings while signing up: read at once, kept with the request, in the library once confirmed.

In: a pasted list or a file. Out: plain values in the consent record, later rows elsewhere. What papers are is known to
the functions that READ_LIBRARY and KEEP_LIBRARY name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from subscriptions.models import ConsentEvent, Subscriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from subscriptions.addresses import Address

SHOWN = 5


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
    """Keep what was brought with the request of this very moment, if one was recorded."""
    asked = ConsentEvent.objects.filter(subscriber__address_key=address.key, kind=ConsentEvent.Kind.REQUESTED, at=now)
    if library and (newest := asked.order_by("pk").last()):
        newest.detail["library"] = library
        newest.save(update_fields=["detail"])


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
