"""What readers follow, as queries with the number of their readers: the most followed first. Read-only."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from newsletter.admin import table_cells
from newsletter.admin.deliveries import ReadOnly
from newsletter.models import QueryHit, StandingQuery
from subscriptions.models import Follow

WEEK = timedelta(days=7)


@admin.register(StandingQuery)
class StandingQueryAdmin(ReadOnly):
    list_display = ("text", "reader_count", "found_lately", "since")
    search_fields = ("text",)
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[StandingQuery]:
        rows: QuerySet[StandingQuery] = super().get_queryset(request)
        readers = Follow.objects.filter(key=OuterRef("key"), stance=Follow.Stance.FOLLOW)
        lately = QueryHit.objects.filter(query=OuterRef("pk"), at__gt=timezone.now() - WEEK)
        counted = rows.annotate(readers=_count_of(readers, "key"), lately=_count_of(lately, "query"))
        return counted.order_by("-readers", "pk")

    @admin.display(description=_("Readers"), ordering="readers")
    def reader_count(self, row: StandingQuery) -> int:
        return row.readers  # type: ignore[attr-defined,no-any-return]

    @admin.display(description=_("Papers found in seven days"), ordering="lately")
    def found_lately(self, row: StandingQuery) -> int:
        return row.lately  # type: ignore[attr-defined,no-any-return]

    @admin.display(description=_("Since (UTC)"), ordering="created_at")
    def since(self, row: StandingQuery) -> SafeString | str:
        return table_cells.moment(row.created_at)


def _count_of(rows: QuerySet[Follow] | QuerySet[QueryHit], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
