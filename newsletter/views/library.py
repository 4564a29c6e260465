"""A reader's library: what they brought or saved, and the form that takes a file or a list. Behind the manage link.

In: a manage link at most a day old; on request, what Zotero or ORCID answer. Out: pages that change nothing on GET;
LibraryEntry rows on POST; the library as a file, for a manage link or at an address that programs may keep until the
reader revokes it.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from newsletter.interests.fetch_library import Fetched, fetch_orcid, fetch_zotero
from newsletter.interests.library import Reading, Refusal, read_library
from newsletter.interests.library.entries import NOTE_LENGTH, storable
from newsletter.interests.library.write_formats import write_bibtex, write_csl_json, write_ris
from newsletter.interests.library_entries import Added, add_entries, written_library
from newsletter.interests.profile import JUDGED_MIN
from newsletter.interests.send_to_zotero import Sent, send_to_zotero
from newsletter.models import LibraryEntry, LibraryLink
from subscriptions import token_links
from subscriptions.models import Interest, Subscriber
from subscriptions.preferences_link import drop_kept_fields
from subscriptions.views.guards import (
    by_old_link,
    kept_for,
    link_expired,
    page_of,
    posted,
    reader_of,
    secret_page,
    see_other,
)

SCOPE = "library"
FORMATS = {
    "bib": (write_bibtex, "application/x-bibtex"),
    "ris": (write_ris, "application/x-research-info-systems"),
    "json": (write_csl_json, "application/vnd.citationstyles.csl+json"),
}
SHOWN = 50
MOST_KEPT = 1_000_000  # characters, until a new link comes
REFUSED_SHOWN = 30


class TypedForm(forms.Form):
    """What can be typed on the page, to be given back behind an expired link. Keys are not kept."""

    references = forms.CharField(
        label=_("Or paste references, arXiv ids or DOIs"), max_length=MOST_KEPT, widget=forms.Textarea
    )
    library = forms.CharField(label=_("Number or address of a Zotero library"))
    orcid = forms.CharField(label=_("ORCID iD, for its public works"))
    note = forms.CharField(label=_("Your note"), max_length=NOTE_LENGTH, widget=forms.Textarea)


@secret_page
def library(request: HttpRequest, token: str) -> HttpResponse:
    """Show the library, newest first; POST adds to it, or removes from it."""
    reader = reader_of(token)
    if reader is None:
        return _by_old_link(request, token)
    if request.method != "POST":
        return _page(request, reader, token)
    data = posted(request)
    drop_kept_fields(reader, action=data.get("action", ""), page=page_of(request, token))
    match data.get("action"):
        case "remove":
            reader.library.filter(pk=_number(data.get("entry", ""))).delete()
        case "remove-all" if data.get("sure") == "yes":
            reader.library.all().delete()
        case "remove-all":
            return _page(request, reader, token, error=gettext("Tick “I am sure” to empty your library."))
        case "note":
            note = storable(data.get("note", "")).strip()[:NOTE_LENGTH]
            reader.library.filter(pk=_number(data.get("entry", ""))).update(note=note)
        case "move":
            row = _interest(reader, data.get("interest", ""))
            reader.library.filter(pk=_number(data.get("entry", ""))).update(interest=row)
        case "address":
            LibraryLink.objects.get_or_create(subscriber=reader, defaults={"at": timezone.now()})
        case "revoke":
            LibraryLink.objects.filter(subscriber=reader).delete()
        case "zotero":
            fetched = fetch_zotero(data.get("library", ""), data.get("key", ""), start=_number(data.get("start", "")))
            return _fetched_page(request, reader, token, fetched, source=LibraryEntry.Source.ZOTERO)
        case "send":
            sent = send_to_zotero(written_library(reader), data.get("key", ""))
            return _page(request, reader, token, sent=sent, error=sent.sentence(gettext))
        case "orcid":
            fetched = fetch_orcid(data.get("orcid", ""))
            return _fetched_page(request, reader, token, fetched, source=LibraryEntry.Source.ORCID)
        case _:
            return _bring(request, reader, token)
    return see_other(request.get_full_path())


def _by_old_link(request: HttpRequest, token: str) -> HttpResponse:
    """Keep what was typed, or what a file holds where it is text, until the reader has a new link."""
    data, form = posted(request), TypedForm()
    brought = brought_file(request).decode("utf-8", "replace") if request.method == "POST" else ""
    if len(brought) > MOST_KEPT:
        return link_expired(request, may_leave=True, typed=[(form["references"].label, brought)])
    if isinstance(data, QueryDict) and brought.strip():
        data = request.POST = data.copy()  # type: ignore[assignment]
        data["references"] = brought
    return by_old_link(request, token, form, page=page_of(request, token))


@secret_page
def library_file(request: HttpRequest, token: str, suffix: str) -> HttpResponse:
    """Serve the whole library as BibTeX, RIS or CSL-JSON."""
    link = (
        LibraryLink.objects.select_related("subscriber").filter(pk=token_links.row_of_token(SCOPE, token) or 0).first()
    )
    reader = link.subscriber if link else reader_of(token)
    if reader is None or suffix not in FORMATS:
        return link_expired(request)
    write, kind = FORMATS[suffix]
    response = HttpResponse(write(written_library(reader)), content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="library.{suffix}"'
    return response


def _number(text: str) -> int:
    """Return the key of an entry; 0, which none has, for what is not a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _interest(reader: Subscriber, chosen: str) -> Interest | None:
    """Return the interest that a form chose, where the reader keeps several apart; None for the first."""
    return reader.interests.filter(pk=_number(chosen), is_first=False).first()


def _bring(request: HttpRequest, reader: Subscriber, token: str) -> HttpResponse:
    brought = brought_file(request)
    if not brought.strip():
        return _page(request, reader, token, error=gettext("Choose a file of at most 8 MB, or paste references."))
    now = timezone.now()
    reading = read_library(brought, today=now.date())
    row = _interest(reader, posted(request).get("interest", ""))
    added = add_entries(reader, reading.entries, source=LibraryEntry.Source.UPLOADED, now=now, interest=row)
    return _page(request, reader, token, reading=reading, added=added)


def _fetched_page(
    request: HttpRequest, reader: Subscriber, token: str, fetched: Fetched, *, source: LibraryEntry.Source
) -> HttpResponse:
    row = _interest(reader, posted(request).get("interest", ""))
    added = add_entries(reader, fetched.entries, source=source, now=timezone.now(), interest=row)
    why = gettext(fetched.why).format(site=fetched.site)
    is_anything = bool(fetched.entries) or not fetched.why
    return _page(request, reader, token, added=added if is_anything else None, fetched=fetched, error=why)


def brought_file(request: HttpRequest) -> bytes:
    """Return what was uploaded, else what was pasted; nothing when neither can be read."""
    pasted = posted(request).get("references", "")
    file = request.FILES.get("file")
    if isinstance(file, UploadedFile) and file.size:
        return bytes(file.read())
    return pasted.encode("utf-8", "replace")


def _page(
    request: HttpRequest,
    reader: Subscriber,
    token: str,
    *,
    reading: Reading | None = None,
    added: Added | None = None,
    fetched: Fetched | None = None,
    sent: Sent | None = None,
    error: str = "",
) -> HttpResponse:
    entries = Paginator(reader.library.select_related("paper").order_by("-at", "-pk"), SHOWN)
    kept = kept_for(request, reader, token)
    context: dict[str, Any] = {
        "reader": reader,
        "kept": kept,
        "typed": {name: kept.get("fields", {}).get(name, [""])[0] for name in TypedForm.base_fields},
        "token": token,
        "interests": reader.interests.all(),
        "page": entries.get_page(request.GET.get("page")),
        "added": added,
        "fetched": fetched,
        "sent": sent,
        "refused": _told(reading.refused) if reading else [],
        "refused_beyond": max(0, len(reading.refused) - REFUSED_SHOWN) if reading else 0,
        "error": error,
        "needed": JUDGED_MIN,
        "note_length": NOTE_LENGTH,
        "address": _address(reader),
    }
    return render(request, "newsletter/library.html", context)


def _address(reader: Subscriber) -> str:
    link = LibraryLink.objects.filter(subscriber=reader).first()
    token = token_links.row_token(SCOPE, link.pk) if link else ""
    return settings.SITE_URL + reverse("newsletter:library_file", args=[token, "bib"]) if link else ""


def _told(refused: list[Refusal]) -> list[tuple[int, str]]:
    return [(refusal.line, gettext(refusal.why)) for refusal in refused[:REFUSED_SHOWN]]
