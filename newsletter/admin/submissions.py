"""Submitted papers: the curators' queue, each row with what it is, accepted or declined there or in bulk.

In: a curator's clicks and reasons. Out: calls of catalogue.submissions; who decided what is written to the log. A
reader is a number here: curators see no address, and no text that a reader typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
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
from subscriptions.models import Topic

AT_ONCE = 200
TONES = {"waiting": "warn", "accepted": "good", "declined": "bad", "duplicate": "calm"}
REASONS = (  # the word on the button of a row, and what the reader is told
    (_("Off topic"), _("It is not about the topics we cover.")),
    (_("Too old"), _("It is too old to be news.")),
    (_("Advertisement"), _("It reads like an advertisement.")),
)


def waiting() -> int:
    """Return how many submissions wait for a curator."""
    return Submission.objects.filter(state=Submission.State.WAITING)[: table_cells.COUNTED].count()


def _with_topic_names(rows: Iterable[Submission]) -> list[Submission]:
    """Give each row the names of the topics that its paper would be filed under, for its template."""
    names, found = dict(Topic.objects.values_list("slug", "name")), list(rows)
    for row in found:
        row.topic_names = [names[slug] for slug in (row.found or {}).get("topics", ()) if slug in names]  # type: ignore[attr-defined]
    return found


@admin.register(Submission)
class SubmissionAdmin(ReadOnly):
    list_display = ("described", "by", "decision")
    list_display_links = ("by",)
    list_filter = ("state",)
    list_per_page = 50
    ordering = ("-state", "at")  # waiting ones first, oldest first
    search_fields = ("arxiv_id", "found__title")
    search_help_text = _("Search by title or arXiv id.")
    actions = ("accept", "decline")
    fields = readonly_fields = (*("described", "by", "state_label", "said", "decided_by", "decided_at", "listed_as"),)
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

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Show the buttons that decide in place of the outcome, where this person may press them."""
        may_decide = self.has_decide_permission(request)
        return ["decide" if name == "decision" and may_decide else name for name in self.list_display]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        page = super().get_changelist_instance(request)
        page.result_list = _with_topic_names(page.result_list)
        return page

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Submission | None:
        row: Submission | None = super().get_object(request, object_id, from_field)
        return _with_topic_names([row])[0] if row else None

    @admin.display(description=_("Paper"), ordering="arxiv_id")
    def described(self, row: Submission) -> SafeString:
        return render_to_string("admin/newsletter/submission_paper.html", {"row": row})

    @admin.display(description=_("Decision"), ordering="state")
    def decision(self, row: Submission) -> SafeString:
        return render_to_string("admin/newsletter/submission_decision.html", self._facts(row))

    @admin.display(description=_("Decision"), ordering="state")
    def decide(self, row: Submission) -> SafeString:
        """Show the buttons of a row. They send the form of the list, which has the token, and need no script."""
        return render_to_string("admin/newsletter/submission_decision.html", self._facts(row) | {"may_decide": True})

    def _facts(self, row: Submission) -> dict[str, Any]:
        return {
            "row": row,
            "badge": self.state_label(row),
            "said": self.said(row),
            "listed_as": self.listed_as(row),
            "reasons": REASONS,
        }

    @admin.display(description=_("Submitted by"), ordering="at")
    def by(self, row: Submission) -> SafeString:
        return format_html("{}<br>{}", self._who(row), table_cells.moment(row.at))

    def _who(self, row: Submission) -> str:
        if row.subscriber_id is None:
            return {"arXiv:": gettext("a program"), row.arxiv_id[:6]: gettext("a visitor")}.get(row.link[:6], "—")
        return gettext("reader %(number)d: %(taken)d accepted, %(refused)d declined") % {
            "number": row.subscriber_id,
            "taken": row.taken,  # type: ignore[attr-defined]
            "refused": row.refused,  # type: ignore[attr-defined]
        }

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
        pks = self._logged(request, rows, gettext("accept"))
        number = submissions.accept(pks, by=cast(User, request.user), now=timezone.now())
        text = ngettext(
            "%d paper accepted. It is being fetched from arXiv.",
            "%d papers accepted. They are being fetched from arXiv.",
            number,
        )
        self._tell(request, text % number, pks)

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
            path("<int:pk>/reopen/", view(self.reopen_one), name="newsletter_submission_reopen"),
        ]
        return own + super().get_urls()  # type: ignore[no-any-return]

    def accept_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self.accept(request, Submission.objects.filter(pk=pk))
        return HttpResponseRedirect(reverse("admin:newsletter_submission_changelist"))

    def reopen_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take a decision back on POST, as long as the paper has not come in."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            if submissions.reopen(pk):
                self.log_change(request, Submission.objects.get(pk=pk), "reopen")
                messages.success(request, _("The paper waits for a decision again."))
            else:
                messages.error(request, _("This cannot be taken back: the paper came in, or was submitted once more."))
        return HttpResponseRedirect(reverse("admin:newsletter_submission_changelist"))

    def decline_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason, which the reader will see, then decline."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        asked = request.POST.get("rows") or request.GET.get("rows", "")
        pks = [int(one) for one in asked.split(",")[:AT_ONCE] if one.isascii() and one.isdigit() and len(one) < 19]
        rows = Submission.objects.filter(pk__in=pks, state=Submission.State.WAITING)
        back = reverse("admin:newsletter_submission_changelist")
        reason = (request.POST.get("own", "") or request.POST.get("reason", "")).strip()
        if request.method == "POST" and reason:
            pks = self._logged(request, rows, gettext("decline: %s") % reason[:200])
            number = submissions.decline(pks, reason=reason, by=cast(User, request.user), now=timezone.now())
            self._tell(request, ngettext("%d paper declined.", "%d papers declined.", number) % number, pks)
            return HttpResponseRedirect(back)
        context = self.admin_site.each_context(request) | {
            "title": _("Decline submitted papers"),
            "rows": rows.order_by(F("at")),
            "asked": ",".join(map(str, pks)),
            "reasons": [reason for _word, reason in REASONS],
            "is_missing": request.method == "POST",
            "back": back,
            "opts": self.opts,
        }
        return render(request, "admin/newsletter/decline.html", context)

    def _tell(self, request: HttpRequest, text: str, pks: list[int]) -> None:
        """Say what was done; of one paper with a button that takes it back."""
        if len(pks) == 1:
            undo = '{} <button class="desk-button is-small" form="changelist-form" formaction="{}">{}</button>'
            url = reverse("admin:newsletter_submission_reopen", args=pks)
            text = format_html(undo, text, url, gettext("Undo"))
        messages.success(request, text)

    def _logged(self, request: HttpRequest, rows: QuerySet[Submission], what: str) -> list[int]:
        meant = list(rows.filter(state=Submission.State.WAITING))
        for row in meant:
            self.log_change(request, row, what)
        return [row.pk for row in meant]
