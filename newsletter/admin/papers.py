"""Papers: search, topics by hand, hide, and put one into the open edition as an editor's pick."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from newsletter import editions
from newsletter.models import Edition, Paper, PaperTopic, Sighting


class TopicInline(TabularInline):  # type: ignore[misc]
    model = PaperTopic
    fields = ("topic", "score", "is_assigned", "is_primary", "origin")
    readonly_fields = ("origin",)
    extra = 0


class SightingInline(TabularInline):  # type: ignore[misc]
    model = Sighting
    fields = readonly_fields = ("source", "key", "rank", "seen_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Paper)
class PaperAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("title", "listed_on", "upvotes", "github_stars", "trend", "is_hidden")
    list_filter = ("is_hidden", "topics", "listed_on")
    search_fields = ("title", "arxiv_id")
    inlines = (TopicInline, SightingInline)
    actions = ("pick_for_daily", "hide", "unhide")
    readonly_fields = ("first_seen_at", "upvotes", "github_stars", "score_daily", "scored_at", "merged_into")
    fields = (
        "title",
        "abstract",
        "authors",
        ("arxiv_id", "organization"),
        ("published_on", "listed_on"),
        "url",
        "code_url",
        "project_url",
        "categories",
        "is_hidden",
        *readonly_fields,
    )
    show_full_result_count = False

    @admin.display(description=_("Trend"), ordering="score_daily")
    def trend(self, paper: Paper) -> str:
        return f"{paper.score_daily:.2f}"

    def has_delete_permission(self, request: HttpRequest, obj: Paper | None = None) -> bool:
        return False  # hide it instead: readers may have had it, and never-twice needs the row

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """A topic set by hand is the curator's: the classifier leaves it alone."""
        if formset.model is PaperTopic:
            for topic_form in formset.forms:
                if topic_form.has_changed():
                    topic_form.instance.origin = PaperTopic.Origin.CURATOR
        super().save_formset(request, form, formset, change)

    @admin.action(description=_("Editor's pick for the open daily edition"), permissions=["change"])
    def pick_for_daily(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        edition = Edition.objects.filter(cadence=Edition.Cadence.DAILY, state=Edition.State.DRAFT).first()
        if edition is None:
            messages.error(
                request, _("No daily edition is open. The next one is drafted six hours before its cut-off.")
            )
            return
        for paper in papers.published():  # type: ignore[attr-defined]
            editions.add_pick(edition, paper=paper)
        messages.success(request, _("Added to %s.") % edition)

    @admin.action(description=_("Hide from listings and editions"), permissions=["change"])
    def hide(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        messages.success(request, _("%d papers hidden.") % papers.update(is_hidden=True))

    @admin.action(description=_("Show again"), permissions=["change"])
    def unhide(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        messages.success(request, _("%d papers shown again.") % papers.update(is_hidden=False))
