"""Papers: search, topics by hand, hide, choose for the open edition, merge two rows that are one paper.

In: a curator's clicks and words. Out: rows, and calls of the steps. Nothing is ever deleted here.
"""

from __future__ import annotations

import re
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, URLField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from newsletter.admin import table_cells
from newsletter.admin.confirmed_actions import Act, ActError, ask_or_act
from newsletter.admin.doubles import decide_doubles
from newsletter.admin.paper_links import LinkInline
from newsletter.catalogue import merging, provenance
from newsletter.catalogue.store_links import KIND_OF, renew_first_links, replace_link
from newsletter.catalogue.topics import assignment
from newsletter.editions import lifecycle
from newsletter.models import Edition, EditionItem, Paper, PaperQuerySet, PaperTopic, SearchEntry, Sighting
from newsletter.ranking.explain_trend import why_trending
from subscriptions.admin import LinesField
from subscriptions.models import ApiKey, Topic


class TopicForm(forms.ModelForm):  # type: ignore[type-arg]
    """One topic of a paper. TopicFormSet checks that at most one is primary."""

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "paper"}  # type: ignore[misc]


class TopicFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        kept = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        kept = [row for row in kept if not row.get("DELETE")]
        if sum(1 for row in kept if row.get("is_primary")) > 1:
            raise forms.ValidationError(_("Only one topic can be primary. Untick the others."))
        topics = [row["topic"] for row in kept if row.get("topic")]
        if len(topics) != len(set(topics)):
            raise forms.ValidationError(_("A topic is listed twice. Remove one of them."))

    def delete_existing(self, obj: PaperTopic, commit: bool = True) -> None:
        """Keep a removed topic as a curator's no; removing that row lets the classifier decide again."""
        if PaperTopic.objects.filter(pk=obj.pk, origin=PaperTopic.Origin.CURATOR, is_assigned=False).exists():
            super().delete_existing(obj, commit)
        else:
            assignment.take_topic_away(obj, at=timezone.now())


class TopicInline(TabularInline):  # type: ignore[misc]
    model = PaperTopic
    form = TopicForm
    formset = TopicFormSet
    fields = ("topic", "score", "is_assigned", "is_primary", "origin")
    readonly_fields = ("origin",)
    extra = 0
    hide_title = True


class SightingInline(TabularInline):  # type: ignore[misc]
    model = Sighting
    fields = readonly_fields = ("source", "key", "api_key", "rank", "seen_at")
    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TopicFilter(admin.SimpleListFilter):
    title = _("topic")
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Topic.objects.filter(is_active=True).values_list("slug", "name"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Paper]) -> QuerySet[Paper]:
        topic = Topic.objects.filter(slug=self.value() or "").first()
        return cast(PaperQuerySet, queryset).about(topic) if topic else queryset


class KeyFilter(admin.SimpleListFilter):
    """Filter papers by the API key that submitted them."""

    title = _("handed in by")
    parameter_name = "api_key"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        keys = ApiKey.objects.filter(pk__in=Sighting.objects.exclude(api_key=None).values("api_key"))
        return [(str(pk), name) for pk, name in keys.order_by("name").values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Paper]) -> QuerySet[Paper]:
        value = self.value() or ""
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            return queryset
        return queryset.filter(pk__in=Sighting.objects.filter(api_key=int(value)).values("paper"))


class PaperForm(forms.ModelForm):  # type: ignore[type-arg]
    authors = LinesField(label=_("Authors"), help_text=_("One per line."))
    categories = LinesField(label=_("arXiv categories"), help_text=_("One per line, the primary one first."))

    class Meta:
        model = Paper
        fields = ("authors", "categories")  # the others are as the model says


def _merge(paper: Paper, request: HttpRequest) -> str:
    into = find_paper(request.POST.get("into", ""))
    if into is None:
        raise ActError(gettext("No such paper. Enter its arXiv id or its number on this site."))
    merging.merge(paper, into=into, by=cast(User, request.user), now=timezone.now())
    return gettext("Merged into “%s”.") % into.title


def _split(paper: Paper, request: HttpRequest) -> str:
    merging.split(paper)
    return gettext("The merge was undone.")


MERGE = Act(
    label=_("Merge into another paper"),
    warning=_(
        "Its sightings, votes and places in open editions move to the other paper, and its links redirect there. "
        "You can undo this."
    ),
    permission="newsletter.change_paper",
    do=_merge,
    refusal=lambda paper: gettext("This paper is already merged.") if paper.merged_into_id else "",
    errors=(merging.MergeError,),
)
SPLIT = Act(
    label=_("Undo the merge"),
    warning=_("Splits them again. Each paper gets back its own data."),
    permission="newsletter.change_paper",
    do=_split,
    refusal=lambda paper: "" if paper.merged_into_id else gettext("This paper is not merged."),
    errors=(merging.MergeError,),
)


def find_paper(wanted: str) -> Paper | None:
    """Return the paper with this arXiv id or number; None when there is none."""
    wanted = wanted.strip().removeprefix("#")
    if not wanted or not wanted.isprintable():
        return None
    return Paper.objects.filter(arxiv_id=wanted).first() or (
        Paper.objects.filter(pk=int(wanted)).first() if re.fullmatch(r"[0-9]{1,18}", wanted) else None
    )


@admin.register(Paper)
class PaperAdmin(ModelAdmin):  # type: ignore[misc]
    form = PaperForm
    list_display = ("name", "topic_chips", "listed", "upvotes", "github_stars", "trend", "standing")
    list_filter = (TopicFilter, KeyFilter, "is_hidden", ("merged_into", admin.EmptyFieldListFilter), "listed_on")
    list_per_page = 50
    ordering = ("-pk",)
    search_fields = ("title", "arxiv_id")
    search_help_text = _("Search by title or arXiv id.")
    inlines = (TopicInline, LinkInline, SightingInline)
    actions = ("pick_for_daily", "pick_for_weekly", "pick_for_monthly", "hide", "unhide", "take_back")
    readonly_fields = ("first_seen_at", "provenance", "upvotes", "github_stars", "trends", "scored_at")
    fieldsets = (
        (None, {"fields": ("title", "abstract", "authors", ("arxiv_id", "organization"), "is_hidden")}),
        (_("When"), {"fields": (("published_on", "listed_on"), "first_seen_at")}),
        (_("Where"), {"fields": ("url", "code_url", "project_url", "categories", "provenance")}),
        (_("Trend"), {"fields": (("upvotes", "github_stars"), "trends", "scored_at")}),
    )
    change_form_before_template = "admin/newsletter/paper_panel.html"
    warn_unsaved_form = True
    paginator = table_cells.BoundedPaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Paper]:
        papers: QuerySet[Paper] = super().get_queryset(request)
        return cast(PaperQuerySet, papers).with_topics()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=_("Listed on"), ordering="listed_on")
    def listed(self, paper: Paper) -> SafeString | str:
        return table_cells.day(paper.listed_on)

    @admin.display(description=_("Paper"), ordering="title")
    def name(self, paper: Paper) -> SafeString:
        return format_html(
            '<span class="desk-name">{}</span><br><span class="desk-none">{}</span>', paper.title, paper.arxiv_id or "—"
        )

    @admin.display(description=_("Topics"))
    def topic_chips(self, paper: Paper) -> SafeString | str:
        chips = format_html_join(
            "",
            '<span class="desk-chip {}">{}</span>',
            (("is-primary" if each.is_primary else "", each.topic.name) for each in paper.shown_topics),
        )
        return format_html('<span class="desk-chips">{}</span>', chips) if chips else "—"

    @admin.display(description=_("Trend"), ordering="score_daily")
    def trend(self, paper: Paper) -> str:
        return f"{paper.score_daily:.2f}" if paper.score_daily else "—"

    @admin.display(description=_("State"))
    def standing(self, paper: Paper) -> SafeString | str:
        badges = [
            table_cells.badge(text, tone)
            for text, tone, holds in (
                (_("merged"), "", paper.merged_into_id),
                (_("hidden"), "warn", paper.is_hidden),
                (_("withdrawn"), "bad", paper.withdrawn_at),
            )
            if holds
        ]
        return format_html_join(" ", "{}", ((one,) for one in badges)) if badges else "—"

    @admin.display(description=_("Trend scores"))
    def trends(self, paper: Paper) -> SafeString:
        """Show each cadence's score and, in words, its components."""
        lines = (
            (cadence.label, f"{getattr(paper, f'score_{cadence}'):.2f}", why_trending(parts, None) or "—")
            for cadence in Edition.Cadence
            for parts in [paper.score_parts.get(cadence) or {}]
        )
        return format_html_join("", "<div>{} <b>{}</b> <small>{}</small></div>", lines)

    @admin.display(description=_("Said by"))
    def provenance(self, paper: Paper) -> SafeString | str:
        """Show which source each field is from; a program by the name of its key."""
        keys = [int(sayer.partition(":")[2]) for sayer in paper.said_by.values() if provenance.is_programs(sayer)]
        names = dict(ApiKey.objects.filter(pk__in=keys).values_list("pk", "name"))
        lines = [
            (name, f"API: {names.get(int(sayer.partition(':')[2]), '?')}" if provenance.is_programs(sayer) else sayer)
            for name, sayer in sorted(paper.said_by.items())
        ]
        named = ((gettext(name.replace("_", " ")), sayer) for name, sayer in lines)
        return format_html_join("", "<div>{}: {}</div>", named) if lines else "—"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # papers come in through sources, which know their identifiers

    def has_delete_permission(self, request: HttpRequest, obj: Paper | None = None) -> bool:
        return False  # hide it instead: the row keeps a paper from being sent twice

    def save_model(self, request: HttpRequest, obj: Paper, form: Any, change: bool) -> None:
        obj.said_by = obj.said_by | dict.fromkeys(set(form.changed_data) - {"is_hidden"}, "curator")
        for name in {"title", "abstract"}.intersection(form.changed_data):
            setattr(obj, f"{name}_source", "")  # it is no longer what the source wrote
        super().save_model(request, obj, form, change)
        for name in KIND_OF.keys() & set(form.changed_data):
            replace_link(obj, name, instead_of=form.initial.get(name) or "", now=timezone.now())
        if {"title", "abstract", "authors"}.intersection(form.changed_data):
            SearchEntry.objects.filter(paper=obj).update(is_stale=True)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Mark a topic set by hand as the curator's, not the classifier's, and have followed queries asked anew."""
        if formset.model is PaperTopic:
            for topic_form in formset.forms:
                if topic_form.has_changed() and topic_form not in formset.deleted_forms:
                    topic_form.instance.origin = PaperTopic.Origin.CURATOR
                    topic_form.instance.curated_at = timezone.now()
            if any("is_primary" in topic_form.changed_data for topic_form in formset.forms):
                # First, because a constraint allows one primary topic.
                PaperTopic.objects.filter(paper=form.instance).update(is_primary=False)
            if formset.has_changed():
                assignment.ask_queries_again([form.instance.pk])
        super().save_formset(request, form, formset, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        renew_first_links(Paper.objects.get(pk=form.instance.pk))
        if {"title", "abstract", "categories"}.intersection(form.changed_data):
            assignment.reclassify([form.instance])

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("doubles/", view(self.doubles), name="newsletter_paper_doubles"),
            path("<int:pk>/merge/", view(self.merge), name="newsletter_paper_merge"),
            path("<int:pk>/split/", view(self.split), name="newsletter_paper_split"),
        ]
        return own + super().get_urls()  # type: ignore[no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        pk = int(object_id) if object_id.isdecimal() else 0
        places = EditionItem.objects.filter(paper=pk).select_related("edition")
        panel = {
            "places": [
                (item, table_cells.edition_badge(item.edition)) for item in places.order_by("-edition__period_on")[:10]
            ],
            "merged": Paper.objects.filter(merged_into=pk)[:20],
            "may_change": self.has_change_permission(request),
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | {"panel": panel})  # type: ignore[no-any-return]

    def doubles(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return decide_doubles(self.admin_site, request, log_change=self.log_change)

    def merge(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Look up the other paper and show its title on GET; merge on POST."""
        paper = get_object_or_404(Paper, pk=pk)
        wanted = request.GET.get("into", "")
        into = find_paper(wanted)
        facts = {"wanted": wanted, "into": into, "facts": [(_("Will be merged into"), into.title)] if into else []}
        return self._ask(request, paper, MERGE, facts=facts, template="admin/newsletter/merge.html")

    def split(self, request: HttpRequest, pk: int) -> HttpResponse:
        paper = get_object_or_404(Paper.objects.select_related("merged_into"), pk=pk)
        return self._ask(request, paper, SPLIT, facts={"facts": [(_("Merged into"), paper.merged_into or "—")]})

    def _ask(self, request: HttpRequest, paper: Paper, act: Act, *, facts: Any, template: str = "") -> HttpResponse:
        back = reverse("admin:newsletter_paper_change", args=[paper.pk])
        return ask_or_act(self.admin_site, request, paper, act, back=back, facts=facts, template=template)

    @admin.action(description=_("Editor's pick for the open daily edition"), permissions=["change"])
    def pick_for_daily(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        self._pick(request, papers, cadence=Edition.Cadence.DAILY)

    @admin.action(description=_("Editor's pick for the open weekly edition"), permissions=["change"])
    def pick_for_weekly(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        self._pick(request, papers, cadence=Edition.Cadence.WEEKLY)

    @admin.action(description=_("Editor's pick for the open monthly edition"), permissions=["change"])
    def pick_for_monthly(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        self._pick(request, papers, cadence=Edition.Cadence.MONTHLY)

    def _pick(self, request: HttpRequest, papers: QuerySet[Paper], *, cadence: str) -> None:
        edition = Edition.objects.editable().filter(cadence=cadence).order_by("-period_on").first()
        if edition is None:
            text = gettext("No %s edition can be edited now. The next draft is made six hours before its cut-off.")
            messages.error(request, text % Edition.Cadence(cadence).label)
            return
        chosen = list(cast(PaperQuerySet, papers).published().filter(withdrawn_at__isnull=True))
        for paper in chosen:
            lifecycle.add_pick(edition, paper=paper)
            self.log_change(request, paper, gettext("pick: %s") % edition)
        if chosen:
            lifecycle.note_edit(edition, by=cast(User, request.user))
        url = reverse("admin:newsletter_edition_change", args=[edition.pk])
        text = ngettext(
            '{} paper added to <a href="{}">{}</a>.', '{} papers added to <a href="{}">{}</a>.', len(chosen)
        )
        messages.success(request, format_html(text, len(chosen), url, edition))

    @admin.action(description=_("Hide from listings and editions"), permissions=["change"])
    def hide(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        count = self._set_hidden(request, papers, hidden=True)
        messages.success(request, ngettext("%d paper hidden.", "%d papers hidden.", count) % count)

    @admin.action(description=_("Show again"), permissions=["change"])
    def unhide(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        count = self._set_hidden(request, papers, hidden=False)
        messages.success(request, ngettext("%d paper shown again.", "%d papers shown again.", count) % count)

    @admin.action(description=_("Remove what programs submitted"), permissions=["change"])
    def take_back(self, request: HttpRequest, papers: QuerySet[Paper]) -> None:
        chosen = Paper.objects.filter(pk__in=papers.values("pk"))
        for paper in chosen:
            self.log_change(request, paper, gettext("Remove what programs submitted"))
        done = provenance.take_back(chosen)
        text = gettext("Emptied %(fields)d fields that programs had filled. Hid %(hidden)d papers that only they had.")
        messages.success(request, text % {"fields": done.fields, "hidden": done.hidden})

    def _set_hidden(self, request: HttpRequest, papers: QuerySet[Paper], *, hidden: bool) -> int:
        changed = list(papers.filter(is_hidden=not hidden))
        Paper.objects.filter(pk__in=[paper.pk for paper in changed]).update(is_hidden=hidden)
        for paper in changed:
            self.log_change(request, paper, gettext("hide") if hidden else gettext("unhide"))
        return len(changed)
