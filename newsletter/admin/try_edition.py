"""Trying an edition before it is sent: its mail as anybody would get it, a test mail to oneself, its links checked.

In: wishes typed, or the number of a real reader, whose address is never shown. Out: the mail in frames, planned and
composed as it would be sent; a test mail to the person who is signed in; links asked for anew. Changes no edition.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from newsletter.admin import table_cells
from newsletter.catalogue import check_links
from newsletter.delivery import trial_mail
from newsletter.delivery.transports import OutcomeKind
from newsletter.editions import preflight
from newsletter.mail import editors_words
from newsletter.mail.compile_edition import CompileError
from newsletter.models import Edition
from newsletter.monitoring import digest_previews
from newsletter.monitoring.digest_previews import Persona, Who
from subscriptions import rate_limits
from subscriptions.addresses import parse_address
from subscriptions.follows import QueryField
from subscriptions.models import Subscriber, Topic
from subscriptions.rate_limits import HOUR, Limit

DARK = "(prefers-color-scheme: dark)"
TEST_MAILS = Limit("test-mail", 10, HOUR / 10)  # of one person
MOST_LINKS = 10  # of an editor's words, asked while the page waits
SHOWS = {"light": gettext_lazy("Light"), "dark": gettext_lazy("Dark"), "text": gettext_lazy("Text part")}
FORMATS = [choice for choice in Subscriber.MailFormat.choices if choice[0] != Subscriber.MailFormat.FEED]
FAILURES = (CompileError, ValueError)


class WishesForm(forms.Form):
    """What the reader wants whose mail is shown; every field may stay empty. A number wins over all other wishes."""

    topics = forms.MultipleChoiceField(label=gettext_lazy("Follows topics"), required=False)
    mutes = forms.MultipleChoiceField(label=gettext_lazy("Mutes topics"), required=False)
    follows = QueryField(required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=settings.LANGUAGES, required=False)
    papers = forms.IntegerField(label=gettext_lazy("Papers"), min_value=1, max_value=50, required=False)
    new = forms.BooleanField(label=gettext_lazy("First digest"), required=False)
    format = forms.ChoiceField(label=gettext_lazy("Format"), choices=FORMATS, required=False)
    number = forms.IntegerField(label=gettext_lazy("Or real reader no."), min_value=1, required=False)

    def __init__(self, data: Any, *, edition: Edition) -> None:
        super().__init__(data)
        topics = [(topic.slug, topic.name) for topic in Topic.objects.filter(is_active=True)]
        for name in ("topics", "mutes"):
            cast(forms.MultipleChoiceField, self.fields[name]).choices = topics
            self.fields[name].widget.attrs["size"] = 5
        self.fields["follows"].label = _("Follows an author or query")
        readers = digest_previews.real_readers(edition).count()
        self.fields["number"].widget.attrs |= {"placeholder": f"1–{readers}"} if readers else {}

    def who(self) -> Who:
        """Return the reader; raises ValueError with a sentence when the form is not right."""
        if not self.is_valid():
            name, errors = next(iter(self.errors.items()))
            raise ValueError(f"{self.fields[name].label}: {errors[0]}")
        told = self.cleaned_data
        if told["number"]:
            return int(told["number"])
        return Persona(
            "",
            follows=tuple(told["topics"]),
            mutes=tuple(told["mutes"]),
            max_papers=told["papers"] or 10,
            wants_html=told["format"] != Subscriber.MailFormat.TEXT,
            shows_pictures=told["format"] == Subscriber.MailFormat.PICTURES,
            is_new=told["new"],
            language=told["language"] or settings.LANGUAGE_CODE,
            queries=(told["follows"],) if told["follows"] else (),
        )


def may_try(user: Any) -> bool:
    """Whether somebody may send themselves test mails and have links asked for: who edits or approves editions."""
    return bool(user.has_perm("newsletter.change_edition") or user.has_perm("newsletter.approve_edition"))


def try_it(site: admin.AdminSite, request: HttpRequest, edition: Edition, *, may_approve: bool) -> HttpResponse:
    """Show the mail of the reader asked for; on POST send it to the person who asks, or have its links checked."""
    form, now = WishesForm(request.GET, edition=edition), timezone.now()
    if request.method == "POST":
        if not may_try(request.user):
            raise PermissionDenied
        (_check_links if "links" in request.POST else _send)(request, edition, form, now=now)
        return HttpResponseRedirect(request.get_full_path())
    context: dict[str, Any] = {"findings": findings_with_size(edition, now=now), "refused": ""}
    try:
        context["mail"] = digest_previews.preview(edition, persona=form.who(), now=now)
    except FAILURES as error:
        context["refused"] = str(error)
    others = Edition.objects.exclude(cadence=edition.cadence).filter(state__in=Edition.UNFINISHED)
    names = dict(Edition.Cadence.choices)
    context |= {
        "title": _("Try it: %s") % edition,
        "edition": edition,
        "badge": table_cells.edition_badge(edition),
        "form": form,
        "query": request.GET.urlencode(),
        "shows": {name: SHOWS[name] for name in (["text"] if request.GET.get("format") == "text" else SHOWS)},
        "samples": [(one.name, _as_query(one)) for one in digest_previews.sample_personas(edition)],
        "others": [(names[one.cadence], one) for one in others.order_by("cadence", "period_on")],
        "me": cast(User, request.user).email,
        "may_try": may_try(request.user),
        "approve": may_approve,
        "opts": Edition._meta,
    }
    return render(request, "admin/newsletter/edition_preview.html", site.each_context(request) | context)


def findings_with_size(edition: Edition, *, now: datetime) -> list[preflight.Finding]:
    """Return what is to be looked at before approval, the size of the mails too, for which the edition is compiled."""
    if not edition.is_editable:
        return []
    try:
        size = preflight.of_size(digest_previews.size_in_full(edition, now=now))
    except FAILURES as error:
        size = preflight.Finding(str(error), "bad")
    return [*preflight.findings(edition), *([size] if size else [])]


def mail(request: HttpRequest, edition: Edition) -> tuple[str, str, int]:
    """Return the mail for a frame (``?show=light``, ``dark`` or ``text``), whether "html" or "plain", and a status."""
    show = request.GET.get("show", "light")
    try:
        who = WishesForm(request.GET, edition=edition).who()
        message = digest_previews.preview(edition, persona=who, now=timezone.now())
    except FAILURES as error:
        return str(error), "plain", 422
    part = message.get_body(("plain",) if show == "text" else ("html", "plain"))
    body: str = part.get_content() if part else ""
    if show == "text" or (part and part.get_content_subtype() == "plain"):
        return body, "plain", 200
    # The frame cannot be told its colour scheme in every browser, so the mail's own rule is switched instead.
    return body.replace(f"@media {DARK}", "@media all" if show == "dark" else "@media not all"), "html", 200


def _as_query(persona: Persona) -> str:
    return "&".join([f"papers={persona.max_papers}", *(f"topics={slug}" for slug in persona.follows)])


def _send(request: HttpRequest, edition: Edition, form: WishesForm, *, now: datetime) -> None:
    try:
        address = parse_address(cast(User, request.user).email)
    except ValueError:
        messages.error(request, _("Your account has no mail address. Ask who looks after the accounts to add it."))
        return
    if refusal := trial_mail.why_not(address):
        messages.error(request, refusal)
    elif not rate_limits.take(TEST_MAILS, whom=str(request.user.pk), now=now):
        messages.error(request, _("You have sent yourself ten test mails within an hour. Try again in some minutes."))
    else:
        try:
            result = digest_previews.send_test(edition, persona=form.who(), address=address, now=now)
        except FAILURES as error:
            messages.error(request, str(error))
            return
        said = " ".join(filter(None, (str(result.code or ""), result.text))) or _("no answer")
        if result.kind is OutcomeKind.SENT:
            messages.success(request, _("Sent to %(email)s (%(said)s).") % {"email": address.email, "said": said})
        else:
            messages.error(request, _("The relay did not take it: %s. Nothing else was changed.") % said)


def _check_links(request: HttpRequest, edition: Edition, form: WishesForm, *, now: datetime) -> None:
    asked = check_links.ask_again(list(edition.items.listed().values_list("paper_id", flat=True)), now=now)
    own = [url for url in editors_words.links_of(edition) if url.startswith("https://")][:MOST_LINKS]
    troubles = {url: check_links.trouble_with(url, now=now) for url in own} if settings.CHECK_LINKS else {}
    for url, trouble in troubles.items():
        if trouble:
            messages.error(
                request, _("A link of yours does not answer: %(url)s (%(why)s).") % {"url": url, "why": trouble}
            )
    well = sum(not trouble for trouble in troubles.values())
    text = ngettext(
        "%(asked)d link or picture is asked for in the next minutes; this page will say what is dead.",
        "%(asked)d links and pictures are asked for in the next minutes; this page will say what is dead.",
        asked,
    )
    text = text % {"asked": asked} + (" " + _("Of your own links %d answer.") % well if own else "")
    messages.success(request, text if settings.CHECK_LINKS else _("Checking links is switched off (CHECK_LINKS)."))
