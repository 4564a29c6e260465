"""Submitted papers: the curators' queue, accepted or declined one by one or in bulk.

In: a curator's clicks and reasons. Out: calls of catalogue.submissions; who decided what is written to the log. A
reader is a number here: curators see no address, and no text that a reader typed.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from newsletter.admin import table_cells
from newsletter.admin.deliveries import ReadOnly
from newsletter.catalogue import submissions
from newsletter.models import Submission

AT_ONCE = 200
TONES = {"waiting": "warn", "accepted": "good", "declined": "bad", "duplicate": "calm"}
REASONS = (
    _("It is not about the topics we cover."),
    _("It is too old to be news."),
    _("It reads like an advertisement."),
)


def waiting() -> int:
    """Return how many submissions wait for a curator."""
    return Submission.objects.filter(state=Submission.State.WAITING)[: table_cells.COUNTED].count()


@admin.register(Submission)
class SubmissionAdmin(ReadOnly):
    list_display = ("name", "by", "handed_in", "state_label", "said", "listed_as")
    list_display_links = ("by",)
    list_filter = ("state",)
    list_per_page = 50
    ordering = ("-state", "at")  # waiting ones first, oldest first
    search_fields = ("arxiv_id",)
    search_help_text = _("Search by arXiv id.")
    actions = ("accept", "decline")
    fields = readonly_fields = (
        *("name", "by", "handed_in", "state_label", "said", "decided_by", "decided_at", "listed_as"),
    )
    list_select_related = ("paper",)
    paginator = table_cells.BoundedPaginator
    show_full_result_count = False
    change_form_before_template = "admin/newsletter/submission_panel.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Submission]:
        """Add how many earlier submissions of the same reader were accepted and declined."""
        rows: QuerySet[Submission] = super().get_queryset(request)
        theirs = Submission.objects.filter(subscriber=OuterRef("subscriber")).order_by()

        def number(state: str) -> Any:
            counted = theirs.filter(state=state).values("subscriber").annotate(number=Count("pk")).values("number")
            return Coalesce(Subquery(counted, output_field=IntegerField()), 0)

        return rows.annotate(taken=number(Submission.State.ACCEPTED), refused=number(Submission.State.DECLINED))

    @admin.display(description=_("Paper"), ordering="arxiv_id")
    def name(self, row: Submission) -> SafeString:
        return format_html(
            '<a class="desk-link" href="https://arxiv.org/abs/{}" rel="noopener noreferrer">arXiv:{}</a>',
            row.arxiv_id,
            row.arxiv_id,
        )

    @admin.display(description=_("Submitted by"))
    def by(self, row: Submission) -> str:
        if row.subscriber_id is None:
            return {"arXiv:": gettext("a program"), row.arxiv_id[:6]: gettext("a visitor")}.get(row.link[:6], "—")
        return gettext("reader %(number)d: %(taken)d accepted, %(refused)d declined") % {
            "number": row.subscriber_id,
            "taken": row.taken,  # type: ignore[attr-defined]
            "refused": row.refused,  # type: ignore[attr-defined]
        }

    @admin.display(description=_("Submitted (UTC)"), ordering="at")
    def handed_in(self, row: Submission) -> SafeString | str:
        return table_cells.moment(row.at)

    @admin.display(description=_("State"), ordering="state")
    def state_label(self, row: Submission) -> SafeString:
        return table_cells.badge(row.get_state_display(), TONES[row.state])

    @admin.display(description=_("Message to the reader"))
    def said(self, row: Submission) -> str:
        if row.state == Submission.State.DECLINED and not row.note:
            return gettext("not found on arXiv")
        return row.note or "—"

    @admin.display(description=_("Listed as"))
    def listed_as(self, row: Submission) -> SafeString | str:
        if row.paper is None:
            return "—"
        url = reverse("admin:newsletter_paper_change", args=[row.paper.pk])
        return format_html('<a class="desk-link" href="{}">{}</a>', url, row.paper)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("newsletter.change_submission")

    @admin.action(description=_("Accept"), permissions=["decide"])
    def accept(self, request: HttpRequest, rows: QuerySet[Submission]) -> None:
        if not submissions.accepts_submissions():
            messages.error(request, _("Accepted papers cannot be fetched: add arxiv_query to SOURCES."))
            return
        pks = self._logged(request, rows, "accept")
        number = submissions.accept(pks, by=cast(User, request.user), now=timezone.now())
        text = ngettext(
            "%d paper accepted. It is being fetched from arXiv.",
            "%d papers accepted. They are being fetched from arXiv.",
            number,
        )
        messages.success(request, text % number)

    @admin.action(description=_("Decline, with a reason"), permissions=["decide"])
    def decline(self, request: HttpRequest, rows: QuerySet[Submission]) -> HttpResponse:
        chosen = rows.filter(state=Submission.State.WAITING).values_list("pk", flat=True)[:AT_ONCE]
        return HttpResponseRedirect(
            reverse("admin:newsletter_submission_decline") + f"?rows={','.join(map(str, chosen))}"
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("decline/", view(self.decline_page), name="newsletter_submission_decline"),
            path("<int:pk>/accept/", view(self.accept_one), name="newsletter_submission_accept"),
        ]
        return own + super().get_urls()  # type: ignore[no-any-return]

    def accept_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self.accept(request, Submission.objects.filter(pk=pk))
        return HttpResponseRedirect(reverse("admin:newsletter_submission_changelist"))

    def decline_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason, which the reader will see, then decline."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        asked = (request.POST if request.method == "POST" else request.GET).get("rows", "")
        pks = [int(one) for one in asked.split(",")[:AT_ONCE] if one.isascii() and one.isdigit() and len(one) < 19]
        rows = Submission.objects.filter(pk__in=pks, state=Submission.State.WAITING)
        back = reverse("admin:newsletter_submission_changelist")
        reason = (request.POST.get("own", "") or request.POST.get("reason", "")).strip()
        if request.method == "POST" and reason:
            pks = self._logged(request, rows, f"decline: {reason[:200]}")
            number = submissions.decline(pks, reason=reason, by=cast(User, request.user), now=timezone.now())
            messages.success(request, ngettext("%d paper declined.", "%d papers declined.", number) % number)
            return HttpResponseRedirect(back)
        context = self.admin_site.each_context(request) | {
            "title": _("Decline submitted papers"),
            "rows": rows.order_by(F("at")),
            "asked": ",".join(map(str, pks)),
            "reasons": REASONS,
            "is_missing": request.method == "POST",
            "back": back,
            "opts": self.opts,
        }
        return render(request, "admin/newsletter/decline.html", context)

    def _logged(self, request: HttpRequest, rows: QuerySet[Submission], what: str) -> list[int]:
        meant = list(rows.filter(state=Submission.State.WAITING))
        for row in meant:
            self.log_change(request, row, what)
        return [row.pk for row in meant]
