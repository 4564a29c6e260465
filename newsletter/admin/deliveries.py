"""Deliveries: what happened to each digest, and the few things an operator may do about it.

In: an operator. Out: rows as the engine left them. Addresses are shown only to those who may see readers.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from newsletter import delivery
from newsletter.admin import table_cells
from newsletter.models import Delivery, DeliveryEvent, EditionItem
from newsletter.monitoring import reader_history as reader_histories
from subscriptions.addresses import parse_address
from subscriptions.admin import ReadOnly as NotWrittenHere
from subscriptions.models import Subscriber

LANES = {
    "follow": _("followed"),
    "trending": _("trending"),
    "pick": _("editor's pick"),
    "lead": _("lead story"),
    "for_you": _("for you"),
    "outside": _("outside"),
}


class ReadOnly(NotWrittenHere, ModelAdmin):  # type: ignore[misc]
    """Read-only admin for rows that only the application writes."""


class EventInline(TabularInline):  # type: ignore[misc]
    model = DeliveryEvent
    fields = readonly_fields = ("at", "kind", "source", "tied_by", "phase", "code", "text")
    extra = 0
    can_delete = False
    hide_title = True
    verbose_name_plural = _("Events")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OutcomeFilter(admin.SimpleListFilter):
    """The five outcomes that the edition's page counts."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, str(label)) for name, label in table_cells.OUTCOMES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        states = table_cells.GROUPS.get(self.value() or "")
        return queryset.filter(state__in=states) if states else queryset


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_filter = (OutcomeFilter, "state", "skip_reason", "edition__cadence")
    list_select_related = ("edition", "subscriber")
    list_per_page = 50
    ordering = ("-pk",)
    search_fields = ("domain",)
    search_help_text = _("Search by full email address or by domain.")
    inlines = (EventInline,)
    actions = ("retry", "settle_sent", "settle_failed")
    paginator = table_cells.BoundedPaginator
    show_full_result_count = False

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        reader = "reader" if _sees_readers(request) else "reader_number"
        return (reader, "edition_name", "state_label", "why", "due", "sent", "attempts")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        reader = "reader" if _sees_readers(request) else "reader_number"
        return (
            *(reader, "edition", "state_label", "why", "local_on", "due_at", "not_before", "expires_at", "sent_at"),
            *("is_welcome", "attempts", "size", "reply", "digest"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.get_fields(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Match a full address or a full domain only, so that addresses cannot be found by guessing parts."""
        wanted = search_term.strip().casefold()
        if not wanted:
            return queryset, False
        if "@" not in wanted:
            return queryset.filter(domain=wanted), False
        if not _sees_readers(request):
            return queryset.none(), False
        try:
            return queryset.filter(subscriber__address_key=parse_address(wanted).key), False
        except ValueError:
            return queryset.none(), False

    @admin.display(description=_("Reader"))
    def reader(self, row: Delivery) -> SafeString:
        url = reverse("admin:newsletter_reader_history", args=[row.subscriber_id])
        return format_html('<a class="desk-link" href="{}">{}</a>', url, row.subscriber)

    @admin.display(description=_("Reader"))
    def reader_number(self, row: Delivery) -> str:
        return f"#{row.subscriber_id}"

    @admin.display(description=_("Edition"), ordering="edition")
    def edition_name(self, row: Delivery) -> SafeString:
        url = reverse("admin:newsletter_edition_change", args=[row.edition_id])
        name = f"{row.edition.get_cadence_display()} {date_format(row.edition.period_on, gettext('d M'))}"
        return format_html('<a class="desk-nowrap" href="{}">{}</a>', url, name)

    @admin.display(description=_("State"))
    def state_label(self, row: Delivery) -> SafeString:
        return table_cells.state_badge(row)

    @admin.display(description=_("Why"))
    def why(self, row: Delivery) -> str:
        return row.get_skip_reason_display() if row.skip_reason else row.reply or "—"

    @admin.display(description=_("Due (UTC)"))
    def due(self, row: Delivery) -> SafeString | str:
        return table_cells.moment(row.due_at)

    @admin.display(description=_("Sent (UTC)"))
    def sent(self, row: Delivery) -> SafeString | str:
        return table_cells.moment(row.sent_at)

    @admin.display(description=_("Digest"))
    def digest(self, row: Delivery) -> SafeString | str:
        """List the papers as chosen for this reader, in order, each with its lane."""
        items = EditionItem.objects.select_related("paper").in_bulk([item for item, *_rest in row.picks])
        lines = ((items[item].paper.title, LANES.get(lane, lane)) for item, lane, *_rest in row.picks if item in items)
        found = format_html_join("", "<li>{}<small>{}</small></li>", lines)
        return format_html('<ol class="desk-digest">{}</ol>', found) if found else "—"

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "reader/<int:pk>/", self.admin_site.admin_view(self.reader_history), name="newsletter_reader_history"
        )
        return [own, *super().get_urls()]

    def reader_history(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show everything we did for one reader: the answer to "why did I not get it?"."""
        if not _sees_readers(request):
            raise PermissionDenied
        reader = get_object_or_404(Subscriber, pk=pk)
        context = self.admin_site.each_context(request) | {
            "title": _("History of %s") % reader,
            "reader": reader,
            "standing": reader_histories.standing_of(reader),
            "lines": reader_histories.history_of(reader)[::-1],
            "opts": self.opts,
        }
        return render(request, "admin/newsletter/reader_history.html", context)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("newsletter.send_edition")

    @admin.action(description=_("Send failed deliveries again"), permissions=["operate"])
    def retry(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self._logged(request, rows, gettext("send again"), state=Delivery.State.FAILED)
        queued = delivery.retry_rows(rows, now=timezone.now())
        messages.success(
            request, ngettext("%d digest was queued again.", "%d digests were queued again.", queued) % queued
        )

    @admin.action(description=_("Mark unknown deliveries as delivered"), permissions=["operate"])
    def settle_sent(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self._settle(request, rows, state=Delivery.State.SENT)

    @admin.action(description=_("Mark unknown deliveries as failed"), permissions=["operate"])
    def settle_failed(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self._settle(request, rows, state=Delivery.State.FAILED)

    def _settle(self, request: HttpRequest, rows: QuerySet[Delivery], *, state: str) -> None:
        pks = self._logged(
            request, rows, gettext("settle as %s") % Delivery.State(state).label, state=Delivery.State.UNKNOWN
        )
        now = timezone.now()
        count = delivery.settle_unknown(pks, state=state, source="operator", text=f"by {request.user}", now=now)
        messages.success(request, ngettext("%d digest settled.", "%d digests settled.", count) % count)

    def _logged(self, request: HttpRequest, rows: QuerySet[Delivery], what: str, *, state: str) -> list[int]:
        """Log who decided what about which rows; return those in the state that the decision is about."""
        meant = list(rows.filter(state=state).select_related("edition"))
        for row in meant:
            self.log_change(request, row, what)
        return [row.pk for row in meant]


def _sees_readers(request: HttpRequest) -> bool:
    return request.user.has_perm("subscriptions.view_subscriber")
