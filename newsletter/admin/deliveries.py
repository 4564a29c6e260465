"""Deliveries: what happened to each digest, and the few things an operator may do about it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from newsletter import delivery, history
from newsletter.models import Delivery, DeliveryEvent, Heartbeat, Stream
from subscriptions.models import Subscriber


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """Rows that only the machine writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EventInline(TabularInline):  # type: ignore[misc]
    model = DeliveryEvent
    fields = readonly_fields = ("at", "kind", "source", "phase", "code", "text")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("reader", "edition", "state", "skip_reason", "due_at", "sent_at", "attempts", "reply")
    list_filter = ("state", "skip_reason", "edition__cadence")
    list_select_related = ("edition", "subscriber")
    search_fields = ("subscriber__address_key__exact", "domain__exact")
    search_help_text = _("A reader's whole address, or a domain: why did they not get it?")
    inlines = (EventInline,)
    actions = ("retry", "settle_sent", "settle_failed")
    show_full_result_count = False

    @admin.display(description=_("Reader"))
    def reader(self, row: Delivery) -> str:
        """Addresses are shown only to those who may see readers; a curator sees the number."""
        if not self._request.user.has_perm("subscriptions.view_subscriber"):
            return f"#{row.subscriber_id}"
        url = reverse("admin:newsletter_reader_history", args=[row.subscriber_id])
        return format_html('<a href="{}">{}</a>', url, row.subscriber)

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "reader/<int:pk>/", self.admin_site.admin_view(self.reader_history), name="newsletter_reader_history"
        )
        return [own, *super().get_urls()]

    def reader_history(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Why did this reader not get it?"""
        if not request.user.has_perm("subscriptions.view_subscriber"):
            raise PermissionDenied
        reader = get_object_or_404(Subscriber, pk=pk)
        context = self.admin_site.each_context(request) | {
            "title": _("What happened to %s") % reader,
            "standing": history.standing_of(reader),
            "lines": history.history_of(reader)[::-1],
            "opts": self.opts,
        }
        return render(request, "admin/newsletter/reader_history.html", context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        self._request = request
        return super().get_queryset(request)  # type: ignore[no-any-return]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("newsletter.send_edition")

    @admin.action(description=_("Send the failed ones again"), permissions=["operate"])
    def retry(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        count = delivery.retry_rows(rows, now=timezone.now())
        messages.success(request, _("%d digests are queued again.") % count)

    @admin.action(description=_("Unknown ones did arrive"), permissions=["operate"])
    def settle_sent(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self._settle(request, rows, state=Delivery.State.SENT)

    @admin.action(description=_("Unknown ones did not arrive"), permissions=["operate"])
    def settle_failed(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self._settle(request, rows, state=Delivery.State.FAILED)

    def _settle(self, request: HttpRequest, rows: QuerySet[Delivery], *, state: str) -> None:
        now = timezone.now()
        pks = list(rows.values_list("pk", flat=True))
        count = delivery.settle_unknown(pks, state=state, source="operator", text=f"by {request.user}", now=now)
        messages.success(request, _("%d digests settled.") % count)


@admin.register(Stream)
class StreamAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "paused_at", "pause_reason", "failures", "probe_at")
    fields = ("name", "paused_at", "pause_reason", "failures", "probe_at")
    readonly_fields = ("failures",)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnly):
    list_display = ("name", "at", "detail")
