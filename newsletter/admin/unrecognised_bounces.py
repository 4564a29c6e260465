"""Letters set aside and domains on hold: what came back and needs a person's decision.

In: an operator's clicks. Out: calls of `delivery.bounces`; the row and the log say who decided. A
letter holds addresses, so only those who may see readers may read one. Its text is a stranger's: it is shown escaped.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from newsletter.admin import table_cells
from newsletter.admin.confirmed_actions import Act, ActError, ask_or_act
from newsletter.admin.deliveries import ReadOnly
from newsletter.delivery.bounces import bounce_storms, unrecognised
from newsletter.models import DomainHold, Letter

Word = Letter.Judgement


def waiting() -> int:
    """Return how many letters and domains wait for an operator."""
    return unrecognised.waiting_letters().number


def held() -> int:
    return DomainHold.objects.in_force().count()


def _act(word: Letter.Judgement, label: Any, warning: Any, *, tone: str = "") -> Act:
    def judge(letter: Letter, request: HttpRequest) -> str:
        address = request.POST.get("address", "")[:320]
        return unrecognised.judge(letter, judgement=word, address=address, by=request.user, now=timezone.now())  # type: ignore[arg-type]

    return Act(
        label=label,
        warning=warning,
        permission="newsletter.change_letter",
        do=judge,
        refusal=lambda letter: gettext("This letter was already decided.") if letter.judged_at else "",
        tone=tone,
        errors=(unrecognised.JudgementError,),
    )


ACTS = {
    "hard": _act(
        Word.HARD,
        _("A bounce: the address does not exist"),
        _("The address gets no mail any more. Its owner can come back by signing up and confirming."),
        tone="danger",
    ),
    "soft": _act(
        Word.SOFT,
        _("A bounce for now"),
        _("It counts as one failure of this address; several of them suppress it."),
    ),
    "complaint": _act(
        Word.COMPLAINT,
        _("A complaint"),
        _("The address gets no mail any more, not even a confirmation, until an operator lifts the suppression."),
        tone="danger",
    ),
    "leave": _act(
        Word.LEAVE, _("A wish to leave"), _("The reader is unsubscribed, and may come back at any time."), tone="danger"
    ),
    "nothing": _act(Word.NOTHING, _("Nothing to us"), _("The letter leaves the list; nothing else changes.")),
}


@admin.register(Letter)
class LetterAdmin(ReadOnly):
    list_display = ("subject_line", "received", "why_label", "taken_for", "said")
    list_filter = (("judged_at", admin.EmptyFieldListFilter), "why", "judgement")
    list_per_page = 50
    ordering = ("-judged_at", "received_at")
    fields = readonly_fields = (
        *("received", "sender", "subject", "why_label", "taken_for", "about", "said", "buttons", "headers", "text"),
    )
    paginator = table_cells.BoundedPaginator
    show_full_result_count = False

    def has_view_permission(self, request: HttpRequest, obj: Letter | None = None) -> bool:
        sees_readers = request.user.has_perm("subscriptions.view_subscriber")
        return sees_readers and bool(super().has_view_permission(request, obj))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("data").select_related("judged_by", "delivery")

    @admin.display(description=_("Subject"))
    def subject_line(self, letter: Letter) -> str:
        return letter.subject or gettext("(no subject)")

    @admin.display(description=_("Received (UTC)"), ordering="received_at")
    def received(self, letter: Letter) -> SafeString | str:
        return table_cells.moment(letter.received_at)

    @admin.display(description=_("Set aside because"), ordering="why")
    def why_label(self, letter: Letter) -> str:
        return letter.get_why_display()

    @admin.display(description=_("A person said"))
    def said(self, letter: Letter) -> SafeString | str:
        if letter.judged_at is None:
            return table_cells.badge(_("waits"), "warn")
        by = letter.judged_by or gettext("somebody who is gone")
        return format_html("{} ({}, {})", letter.get_judgement_display(), by, table_cells.moment(letter.judged_at))

    @admin.display(description=_("About"))
    def about(self, letter: Letter) -> SafeString | str:
        if letter.delivery is None:
            return "—"
        url = reverse("admin:newsletter_delivery_change", args=[letter.delivery.pk])
        return format_html('<a class="desk-link" href="{}">{}</a>', url, letter.delivery)

    @admin.display(description=_("What is it?"))
    def buttons(self, letter: Letter) -> SafeString | str:
        if letter.judged_at is not None:
            return "—"
        links = (
            (reverse("admin:newsletter_letter_act", args=[letter.pk, verb]), act.label) for verb, act in ACTS.items()
        )
        return format_html_join(" ", '<a class="desk-button is-small" href="{}">{}</a>', links)

    @admin.display(description=_("Headers"))
    def headers(self, letter: Letter) -> SafeString:
        return format_html('<pre class="desk-letter">{}</pre>', unrecognised.readable(letter)[0])

    @admin.display(description=_("Text"))
    def text(self, letter: Letter) -> SafeString:
        return format_html('<pre class="desk-letter">{}</pre>', unrecognised.readable(letter)[1])

    def get_urls(self) -> list[URLPattern]:
        own = path("<int:pk>/act/<slug:verb>/", self.admin_site.admin_view(self.act), name="newsletter_letter_act")
        return [own, *super().get_urls()]

    def act(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        letter = get_object_or_404(self.get_queryset(request), pk=pk)
        if verb not in ACTS or not self.has_view_permission(request, letter):
            raise Http404
        facts = {
            "facts": [(_("From"), letter.sender), (_("Subject"), letter.subject), (_("About"), self.about(letter))],
            "asks_address": verb != "nothing",
            "is_tied": letter.delivery is not None,
            "named": unrecognised.readers_named(letter),
        }
        back = reverse("admin:newsletter_letter_change", args=[pk])
        return ask_or_act(
            self.admin_site,
            request,
            letter,
            ACTS[verb],
            back=back,
            facts=facts,
            template="admin/newsletter/letter_act.html",
        )


def _resume(row: DomainHold, request: HttpRequest) -> str:
    if not bounce_storms.resume(row.domain, now=timezone.now()):
        raise ActError(gettext("It is not on hold."))
    return gettext("Resumed. Its digests go out within a quarter of an hour.")


def _believe(row: DomainHold, request: HttpRequest) -> str:
    number = bounce_storms.believe(row.domain, now=timezone.now(), source=f"domain, by {request.user}")
    said = ngettext(
        "%d reader is suppressed; the others get mail.", "%d readers are suppressed; the others get mail.", number
    )
    return said % number


def _not_held(row: DomainHold) -> str:
    return "" if row.resumed_at is None else gettext("It is not on hold.")


HOLD_ACTS = {
    "resume": Act(
        label=_("Resume"),
        warning=_("Mail to this domain goes on. Failures there so far are not counted against any reader."),
        permission="newsletter.change_domainhold",
        do=_resume,
        refusal=_not_held,
    ),
    "believe": Act(
        label=_("These addresses are dead"),
        warning=_("The addresses that bounced are suppressed, and mail to the others at this domain goes on."),
        permission="newsletter.change_domainhold",
        do=_believe,
        refusal=_not_held,
        tone="danger",
    ),
}


@admin.register(DomainHold)
class DomainHoldAdmin(ReadOnly):
    list_display = ("domain", "standing", "on_hold_since", "reason", "buttons")
    list_filter = (("resumed_at", admin.EmptyFieldListFilter),)
    fields = readonly_fields = ("domain", "standing", "on_hold_since", "reason", "edition", "resumed_at", "buttons")
    ordering = ("-since",)

    @admin.display(description=_("State"))
    def standing(self, row: DomainHold) -> SafeString:
        return table_cells.badge(_("running"), "good") if row.resumed_at else table_cells.badge(_("on hold"), "warn")

    @admin.display(description=_("Since (UTC)"), ordering="since")
    def on_hold_since(self, row: DomainHold) -> SafeString | str:
        return table_cells.moment(row.since)

    @admin.display(description="")
    def buttons(self, row: DomainHold) -> SafeString | str:
        if row.resumed_at is not None:
            return "—"
        links = (
            (reverse("admin:newsletter_domainhold_act", args=[row.pk, verb]), act.label)
            for verb, act in HOLD_ACTS.items()
        )
        return format_html_join(" ", '<a class="desk-button is-small" href="{}">{}</a>', links)

    def get_urls(self) -> list[URLPattern]:
        own = path("<int:pk>/act/<slug:verb>/", self.admin_site.admin_view(self.act), name="newsletter_domainhold_act")
        return [own, *super().get_urls()]

    def act(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        row = get_object_or_404(DomainHold, pk=pk)
        if verb not in HOLD_ACTS:
            raise Http404
        facts = {"facts": [(_("State"), self.standing(row)), (_("Why"), row.reason)]}
        back = reverse("admin:newsletter_domainhold_changelist")
        return ask_or_act(self.admin_site, request, row, HOLD_ACTS[verb], back=back, facts=facts)
