"""Editions: see the ranking, put things in order, preview the mail as three readers, approve, send, pause, cancel.

In: a curator's clicks and words. Out: calls of the editions step. GET shows, POST acts; what is frozen is only shown.
"""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from newsletter.admin import edition_words, ranking, table_cells, try_edition
from newsletter.admin.add_papers import find_and_add
from newsletter.admin.approval import deadline_of
from newsletter.admin.confirmed_actions import Act, ask_or_act
from newsletter.admin.edition_actions import ACTS
from newsletter.admin.edition_words import SHOWS, SPOKEN, WordsForm, languages_of, name_of
from newsletter.admin.list_counts import counts_of, openings_of, readers_of
from newsletter.admin.ranking import ItemInline
from newsletter.admin.results import show_readers, show_results
from newsletter.admin.try_edition import try_it
from newsletter.catalogue.suspected_doubles import suspected
from newsletter.editions import curation, lifecycle, preflight, revisions
from newsletter.models import Delivery, Edition, EditionItem, Paper
from newsletter.planning.edition_reach import reach_of
from newsletter.planning.reader_picks import RULES
from subscriptions.models import Follow, Topic

State = Edition.State
STEPS = (State.DRAFT, State.APPROVED, State.FROZEN, State.SENDING, State.DONE)
STEP_HINTS = {
    State.DRAFT: _("ranking is refreshed until you approve it"),
    State.APPROVED: _("frozen at its cut-off"),
    State.FROZEN: _("each reader gets it at their hour"),
    State.SENDING: _("digests are being sent"),
    State.DONE: _("all digests are settled"),
}
UNSENT = (*Edition.EDITABLE, State.FROZEN)


@admin.register(Edition)
class EditionAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("title", "rhythm", "state_label", "paper_count", "progress", "trouble", "cutoff")
    list_filter = ("cadence", "state")
    list_per_page = 20
    ordering = ("-period_on", "cadence")
    date_hierarchy = "period_on"
    inlines = (ItemInline,)
    form = WordsForm
    change_form_outer_before_template = "admin/newsletter/edition_stage.html"  # it holds a form of its own

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Edition | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_editable)

    def has_delete_permission(self, request: HttpRequest, obj: Edition | None = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Edition | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs | {"fields": WordsForm.Meta.fields})

    def get_fieldsets(self, request: HttpRequest, obj: Edition | None = None) -> Any:
        """One for the words, one for each other language that readers use, closed until somebody wants it."""
        found: list[Any] = [(None, {"fields": WordsForm.Meta.fields})]
        if self.has_change_permission(request, obj):
            for code, language in languages_of(obj).items():
                fields = [name_of(name, code) for name in SPOKEN]
                found.append((language, {"fields": fields, "classes": ["collapse"]}))
        return found

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "editor_note" and found:
            found.widget.attrs["rows"] = 8
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Edition]:
        rows: QuerySet[Edition] = super().get_queryset(request)
        return rows.annotate(papers=Count("items"))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count the deliveries of all rows of the page in one query."""
        page = super().get_changelist_instance(request)
        page.result_list = list(page.result_list)
        counts = counts_of(page.result_list)
        for edition in page.result_list:
            edition.counts = counts.get(edition.pk, {})
        return page

    @admin.display(description=_("Edition"), ordering="period_on")
    def title(self, edition: Edition) -> str:
        return date_format(edition.period_on, gettext("D d M Y"))

    @admin.display(description=_("Cadence"), ordering="cadence")
    def rhythm(self, edition: Edition) -> str:
        return edition.get_cadence_display()

    @admin.display(description=_("State"), ordering="state")
    def state_label(self, edition: Edition) -> SafeString:
        return table_cells.edition_badge(edition)

    @admin.display(description=_("Papers"))
    def paper_count(self, edition: Edition) -> int:
        return edition.papers  # type: ignore[attr-defined,no-any-return]

    @admin.display(description=_("Deliveries"))
    def progress(self, edition: Edition) -> SafeString:
        return table_cells.bar(edition.counts)  # type: ignore[attr-defined]

    @admin.display(description=_("Failed · unknown"))
    def trouble(self, edition: Edition) -> SafeString | str:
        groups = table_cells.groups_of(edition.counts)  # type: ignore[attr-defined]
        if not groups["failed"] and not groups["unknown"]:
            return "—"
        return format_html(
            "{} {}",
            table_cells.badge(intcomma(groups["failed"]), "bad" if groups["failed"] else ""),
            table_cells.badge(intcomma(groups["unknown"]), "warn" if groups["unknown"] else ""),
        )

    @admin.display(description=_("Cut-off (UTC)"), ordering="cutoff_at")
    def cutoff(self, edition: Edition) -> SafeString | str:
        return table_cells.moment(edition.cutoff_at)

    def _changeform_view(self, request: HttpRequest, object_id: str, form_url: str, extra_context: Any) -> HttpResponse:
        """Let two editors save one after the other: inside Django's transaction, before it reads the edition."""
        if request.method == "POST":
            locked = get_object_or_404(Edition.objects.select_for_update(), pk=object_id)
            request.edition_before = revisions.snapshot(locked)  # type: ignore[attr-defined]
        return super()._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[no-any-return]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Store what was typed; places one after the other, the first of the list first."""
        places = {}
        for item_form in formset.forms:
            if "position" in item_form.changed_data:
                places[item_form.instance.pk] = item_form.cleaned_data["position"]
                item_form.instance.position = item_form.initial["position"]
        super().save_formset(request, form, formset, change)
        for item, place in sorted(places.items(), key=lambda pair: pair[1]):
            curation.move(form.instance, [item], to=place)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        before = request.edition_before  # type: ignore[attr-defined]
        if revisions.snapshot(form.instance) != before:
            changed = [str(form.fields[name].label) for name in form.changed_data]
            rows = [row.instance.paper.title for formset in formsets for row in formset.forms if row.changed_data]
            said = ", ".join([*changed, *(f"“{title}”" for title in rows)])
            revisions.record_typing(
                form.instance, before=before, by=cast(User, request.user), said=gettext("edited: %s") % said
            )

    def response_change(self, request: HttpRequest, obj: Edition) -> HttpResponse:
        """Do what the button of a row says, after what was typed is stored, and show the page again."""
        if "act" not in request.POST:
            return super().response_change(request, obj)  # type: ignore[no-any-return]
        try:
            if done := ranking.do(request, obj):
                self.log_change(request, obj, done)
        except lifecycle.EditionStateError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:newsletter_edition_change", args=[obj.pk]) + "#ranking")

    def log_change(self, request: HttpRequest, obj: Edition, message: Any) -> Any:
        """Log an edit, and record its author as the last editor, who may not be the one to approve."""
        if message and lifecycle.note_edit(obj, by=cast(User, request.user)):
            messages.warning(request, gettext("The approval was taken back: somebody else has to see the change."))
        return super().log_change(request, obj, message)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("results/", view(self.readers_and_results), name="newsletter_results"),
            path("<int:pk>/results/", view(self.results), name="newsletter_edition_results"),
            path("<int:pk>/act/<slug:verb>/", view(self.act), name="newsletter_edition_act"),
            path("<int:pk>/add/", view(self.add_paper), name="newsletter_edition_add_paper"),
            path("<int:pk>/words/", view(self.preview_words), name="newsletter_edition_words"),
            path("<int:pk>/preview/", view(self.preview), name="newsletter_edition_preview"),
            path("<int:pk>/preview/mail/", view(self.preview_mail), name="newsletter_edition_preview_mail"),
        ]
        return own + super().get_urls()  # type: ignore[no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        edition = self.get_object(request, object_id)
        stage = self._stage(request, edition) if edition and self.has_view_permission(request, edition) else None
        request.edition_reach = stage and stage["reach"]  # type: ignore[attr-defined]  # for the rows of the ranking
        return super().change_view(request, object_id, form_url, (extra_context or {}) | {"stage": stage})  # type: ignore[no-any-return]

    def get_inline_formsets(
        self, request: HttpRequest, formsets: list[Any], inline_instances: list[Any], obj: Edition | None = None
    ) -> list[Any]:
        if obj:
            items = [item for formset in formsets for item in formset.get_queryset()]
            ranking.fill(items, reach=getattr(request, "edition_reach", None), openings=openings_of(obj))
        return super().get_inline_formsets(request, formsets, inline_instances, obj)  # type: ignore[no-any-return]

    def _stage(self, request: HttpRequest, edition: Edition) -> dict[str, Any]:
        counts = counts_of([edition]).get(edition.pk, {})
        groups = table_cells.groups_of(counts)
        reached = STEPS.index(State(edition.state)) if edition.state in STEPS else -1
        return {
            "acts": self._acts(request, edition),
            "changes": ranking.changes_of(edition),
            "topics": list(Topic.objects.filter(is_active=True).values_list("name", flat=True)),
            "shows": SHOWS,
            "languages": {settings.LANGUAGE_CODE: dict(settings.LANGUAGES)[settings.LANGUAGE_CODE]}
            | languages_of(edition),
            "may_add": (may_change := self.has_change_permission(request, edition)),
            "doubles": len(suspected(Paper.objects.filter(edition_items__edition=edition))) if may_change else 0,
            "is_open": edition.state in Edition.UNFINISHED,
            "steps": [(step, STEP_HINTS[step], place - reached) for place, step in enumerate(STEPS)],
            "badge": table_cells.edition_badge(edition),
            "groups": [(name, table_cells.OUTCOMES[name], number) for name, number in groups.items()],
            "total": sum(groups.values()),
            "bar": table_cells.bar(counts),
            "readers": readers_of(edition.cadence) if edition.state in Edition.UNFINISHED else None,
            "items": edition.items.listed().count(),
            "deadline": deadline_of(edition, user=cast(User, request.user), now=timezone.now())
            if edition.is_editable
            else None,
            "findings": preflight.findings(edition) if edition.is_editable else [],
            "sees_deliveries": request.user.has_perm("newsletter.view_delivery"),
        } | (_forecast(edition) if edition.state in UNSENT else {"reach": None})

    def _acts(self, request: HttpRequest, edition: Edition) -> dict[str, Act]:
        return {
            name: act
            for name, act in ACTS.items()
            if not act.refusal(edition) and request.user.has_perm(act.permission)
        }

    def act(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        if verb not in ACTS:
            raise Http404
        edition = self._viewable(request, pk)
        counts = counts_of([edition]).get(pk, {})
        facts: dict[str, Any] = {
            "facts": [(_("State"), table_cells.edition_badge(edition)), (_("Deliveries"), table_cells.bar(counts))]
            + (
                [(_("Readers of this cadence"), readers_of(edition.cadence))]
                if edition.state in Edition.UNFINISHED
                else []
            )
        }
        if verb == "approve":
            facts["findings"] = try_edition.findings_with_size(edition, now=timezone.now())
        back = reverse("admin:newsletter_edition_change", args=[pk])
        template = "admin/newsletter/edition_correct.html" if verb == "correct" else ""
        return ask_or_act(self.admin_site, request, edition, ACTS[verb], back=back, facts=facts, template=template)

    def results(self, request: HttpRequest, pk: int) -> HttpResponse:
        return show_results(request, self._viewable(request, pk))

    def readers_and_results(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return show_readers(request)

    def add_paper(self, request: HttpRequest, pk: int) -> HttpResponse:
        edition = self._viewable(request, pk)
        if not self.has_change_permission(request, edition):
            raise PermissionDenied
        return find_and_add(self.admin_site, request, edition, log_change=self.log_change)

    def preview_words(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Serve what the words in the form would look like; nothing is stored."""
        edition = self._viewable(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return _framed(edition_words.preview(request, edition), kind="html", styles=request.build_absolute_uri("/"))

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        edition = self._viewable(request, pk)
        return try_it(self.admin_site, request, edition, may_approve="approve" in self._acts(request, edition))

    def preview_mail(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Serve one reader's mail in a sandbox."""
        body, kind, status = try_edition.mail(request, self._viewable(request, pk))
        return _framed(body, kind=kind, status=status)

    def _viewable(self, request: HttpRequest, pk: int) -> Edition:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Edition, pk=pk)


def _forecast(edition: Edition) -> dict[str, Any]:
    """What would happen if the edition were planned as it stands, for the head of its page."""
    reach = reach_of(edition)
    firsts = ranking.Firsts(edition)
    firsts.keep(reach.firsts)
    picks = edition.items.listed().filter(lane=EditionItem.Lane.PICK).count()
    return {
        "reach": reach,
        "moved": firsts.moved(reach.firsts),
        "nothing": [(Delivery.Skip(why).label, number) for why, number in reach.nothing.most_common()],
        "finds_more": edition.is_editable and Follow.objects.exists(),
        "crowded": RULES.max_picks if picks > RULES.max_picks else 0,
    }


def _framed(body: str, *, kind: str, status: int = 200, styles: str = "") -> HttpResponse:
    """Serve HTML or text for a sandboxed frame that runs no script, loads style sheets alone and follows no link."""
    response = HttpResponse(body, content_type=f"text/{kind}; charset=utf-8", status=status)
    response["Content-Security-Policy"] = (
        f"sandbox; default-src 'none'; style-src 'unsafe-inline' {styles}; img-src data: {settings.SITE_URL}"
    )
    response["X-Content-Type-Options"] = "nosniff"
    return response
