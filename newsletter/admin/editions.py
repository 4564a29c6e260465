"""Editions: see the ranking, put things in order, preview the mail as three readers, approve, send, pause, cancel.

GET shows, POST acts: each button leads to a page that says what will happen and to how many readers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from newsletter import delivery, editions, planning, previews
from newsletter.fragments import FragmentError
from newsletter.models import Delivery, Edition, EditionItem
from subscriptions.models import Subscriber

State = Edition.State


@dataclass(frozen=True)
class Verb:
    """One thing a curator can do to an edition."""

    label: Any
    warning: Any
    permission: str
    states: frozenset[str]
    act: Callable[[Edition, HttpRequest], str]


def _approve(edition: Edition, request: HttpRequest) -> str:
    editions.approve(edition, by=request.user, now=timezone.now())  # type: ignore[arg-type]
    return gettext("Approved. It will be frozen at its cut-off and sent at each reader's hour.")


def _freeze(edition: Edition, request: HttpRequest) -> str:
    if edition.state == State.DRAFT:
        _approve(edition, request)
    editions.freeze(edition, now=timezone.now())
    return gettext("Frozen: every part of the mail is rendered. Readers get it at their hour.")


def _send_now(edition: Edition, request: HttpRequest) -> str:
    done = planning.plan_now(edition, now=timezone.now())
    return gettext("%(queued)d digests are on their way; %(skipped)d readers have nothing new in it.") % {
        "queued": done.queued,
        "skipped": done.skipped,
    }


def _pause(edition: Edition, request: HttpRequest) -> str:
    editions.pause(edition, reason=f"by {request.user}", now=timezone.now())
    return gettext("Paused. What is on the wire finishes; nothing further is sent.")


def _resume(edition: Edition, request: HttpRequest) -> str:
    editions.resume(edition)
    return gettext("Resumed.")


def _cancel(edition: Edition, request: HttpRequest) -> str:
    return gettext("Cancelled; %d digests will not be sent.") % editions.cancel(edition, now=timezone.now())


def _retry_failed(edition: Edition, request: HttpRequest) -> str:
    return gettext("%d failed digests are queued again.") % delivery.retry_failed(edition, now=timezone.now())


VERBS = {
    "approve": Verb(
        _("Approve"),
        _("The edition is frozen at its cut-off and then sent to each reader at their hour."),
        "newsletter.approve_edition",
        frozenset({State.DRAFT}),
        _approve,
    ),
    "freeze": Verb(
        _("Freeze now"),
        _("The papers are fixed and every part of the mail is rendered. It cannot be edited afterwards."),
        "newsletter.approve_edition",
        frozenset({State.DRAFT, State.APPROVED}),
        _freeze,
    ),
    "send-now": Verb(
        _("Send now"),
        _("Every confirmed reader of this cadence who has not got it yet is mailed now, whatever their hour."),
        "newsletter.send_edition",
        frozenset({State.FROZEN, State.SENDING}),
        _send_now,
    ),
    "pause": Verb(
        _("Pause"),
        _("Nothing further is sent until you resume."),
        "newsletter.send_edition",
        frozenset({State.DRAFT, State.APPROVED, State.FROZEN, State.SENDING}),
        _pause,
    ),
    "resume": Verb(
        _("Resume"),
        _("Sending goes on where it stopped."),
        "newsletter.send_edition",
        frozenset({State.DRAFT, State.APPROVED, State.FROZEN, State.SENDING}),
        _resume,
    ),
    "retry-failed": Verb(
        _("Retry the failed"),
        _("Digests in the state “failed” are queued once more. Suppressed readers are left out."),
        "newsletter.send_edition",
        frozenset({State.SENDING, State.DONE}),
        _retry_failed,
    ),
    "cancel": Verb(
        _("Cancel"),
        _("What is not on the wire yet is never sent. This cannot be undone."),
        "newsletter.send_edition",
        frozenset({State.DRAFT, State.APPROVED, State.FROZEN, State.SENDING}),
        _cancel,
    ),
}


class ItemInline(TabularInline):  # type: ignore[misc]
    """The ranking, in the curator's hands: position, pin, exclude, lane, a line of their own."""

    model = EditionItem
    fields = ("position", "paper_line", "lane", "standing", "note")
    readonly_fields = ("paper_line",)
    ordering = ("position",)
    extra = 0
    can_delete = False
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[EditionItem]:
        rows: QuerySet[EditionItem] = super().get_queryset(request)
        return rows.select_related("paper").prefetch_related("paper__paper_topics__topic")

    def has_add_permission(self, request: HttpRequest, obj: Edition | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Edition | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_editable)

    @admin.display(description=_("Paper"))
    def paper_line(self, item: EditionItem) -> str:
        topics = ", ".join(
            paper_topic.topic.name for paper_topic in item.paper.paper_topics.all() if paper_topic.is_assigned
        )
        gain = item.parts.get("upvotes_gain")
        return format_html(
            '<a href="{}"><strong>{}</strong></a><br><span class="text-font-subtle-light dark:text-font-subtle-dark">'
            "{}{} · {:.2f}</span>",
            reverse("admin:newsletter_paper_change", args=[item.paper_id]),
            item.paper.title,
            topics or "—",
            f" · +{gain} upvotes" if gain else "",
            item.score,
        )


@admin.register(Edition)
class EditionAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("title", "cadence", "state_label", "paper_count", "sent_count", "owed_count", "trouble_count")
    list_filter = ("cadence", "state")
    date_hierarchy = "period_on"
    inlines = (ItemInline,)
    fields = ("editor_note", "cutoff_at")
    change_form_before_template = "admin/newsletter/edition_stage.html"
    warn_unsaved_form = True

    def get_readonly_fields(self, request: HttpRequest, obj: Edition | None = None) -> tuple[str, ...]:
        return () if obj is None or obj.is_editable else ("editor_note", "cutoff_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Edition | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Edition]:
        rows: QuerySet[Edition] = super().get_queryset(request)
        return rows.annotate(papers=Count("items"))

    @admin.display(description=_("Edition"), ordering="period_on")
    def title(self, edition: Edition) -> str:
        return f"{edition.period_on:%a %d %b %Y}"

    @admin.display(description=_("State"), ordering="state")
    def state_label(self, edition: Edition) -> str:
        return f"{edition.get_state_display()}{' · paused' if edition.paused_at else ''}"

    @admin.display(description=_("Papers"))
    def paper_count(self, edition: Edition) -> int:
        return edition.papers  # type: ignore[attr-defined,no-any-return]

    @admin.display(description=_("Sent"))
    def sent_count(self, edition: Edition) -> int:
        return self._counts(edition).get(Delivery.State.SENT, 0)

    @admin.display(description=_("Owed"))
    def owed_count(self, edition: Edition) -> int:
        return sum(self._counts(edition).get(state, 0) for state in ("queued", "claimed", "sending", "retry"))

    @admin.display(description=_("Failed or unknown"))
    def trouble_count(self, edition: Edition) -> int:
        return sum(self._counts(edition).get(state, 0) for state in ("failed", "unknown"))

    def _counts(self, edition: Edition) -> dict[str, int]:
        if not hasattr(edition, "counts"):
            edition.counts = delivery.counts(edition)  # type: ignore[attr-defined]
        return edition.counts  # type: ignore[attr-defined,no-any-return]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """A position the curator typed stays when the ranking is refreshed."""
        for item_form in formset.forms:
            if "position" in item_form.changed_data:
                item_form.instance.is_moved = True
        super().save_formset(request, form, formset, change)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/act/<slug:verb>/", self.admin_site.admin_view(self.act), name="newsletter_edition_act"),
            path("<int:pk>/preview/", self.admin_site.admin_view(self.preview), name="newsletter_edition_preview"),
            path(
                "<int:pk>/preview/<int:number>/",
                self.admin_site.admin_view(self.preview_mail),
                name="newsletter_edition_preview_mail",
            ),
        ]
        return own + super().get_urls()  # type: ignore[no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        edition = get_object_or_404(Edition, pk=object_id)
        stage = {
            "verbs": self._verbs(request, edition),
            "counts": delivery.counts(edition),
            "readers": Subscriber.objects.mailable().filter(cadence=edition.cadence).count(),
            "steps": [State.DRAFT, State.APPROVED, State.FROZEN, State.SENDING, State.DONE],
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | {"stage": stage})  # type: ignore[no-any-return]

    def _verbs(self, request: HttpRequest, edition: Edition) -> dict[str, Verb]:
        hidden = "resume" if edition.paused_at is None else "pause"
        return {
            name: verb
            for name, verb in VERBS.items()
            if edition.state in verb.states and name != hidden and request.user.has_perm(verb.permission)
        }

    def act(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """GET asks, POST acts. Twice the same POST changes nothing the second time and says so."""
        edition = get_object_or_404(Edition, pk=pk)
        if verb not in VERBS:
            raise Http404
        if not request.user.has_perm(VERBS[verb].permission):
            raise PermissionDenied
        back = reverse("admin:newsletter_edition_change", args=[pk])
        if request.method == "POST":
            try:
                said = VERBS[verb].act(edition, request)
            except (editions.EditionStateError, FragmentError) as error:
                messages.error(request, str(error))
            else:
                self.log_change(request, edition, f"{VERBS[verb].label}: {said}")
                messages.success(request, said)
            return HttpResponseRedirect(back)
        context = self.admin_site.each_context(request) | {
            "title": f"{VERBS[verb].label}: {edition}",
            "edition": edition,
            "verb": VERBS[verb],
            "readers": Subscriber.objects.mailable().filter(cadence=edition.cadence).count(),
            "counts": delivery.counts(edition),
            "back": back,
            "opts": self.opts,
        }
        return render(request, "admin/newsletter/edition_act.html", context)

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        edition = self._viewable(request, pk)
        context = self.admin_site.each_context(request) | {
            "title": _("Preview: %s") % edition,
            "edition": edition,
            "personas": list(enumerate(previews.sample_personas(edition))),
            "opts": self.opts,
        }
        return render(request, "admin/newsletter/edition_preview.html", context)

    def preview_mail(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """One sample reader's mail, as HTML in a sandbox or as text with ``?part=text``."""
        edition = self._viewable(request, pk)
        personas = previews.sample_personas(edition)
        if number >= len(personas):
            raise Http404
        try:
            message = previews.preview(edition, persona=personas[number], now=timezone.now())
        except FragmentError as error:
            return HttpResponse(str(error), content_type="text/plain; charset=utf-8", status=422)
        kind = "plain" if request.GET.get("part") == "text" else "html"
        part = message.get_body((kind,))
        body = part.get_content() if part else ""
        if request.GET.get("part") == "text":
            body = f"Subject: {message['Subject']}\n\n{body}"
        response = HttpResponse(body, content_type=f"text/{kind}; charset=utf-8")
        response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        return response

    def _viewable(self, request: HttpRequest, pk: int) -> Edition:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Edition, pk=pk)
