"""Sources: the runs of each, and when its host may be polled again. Read-only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from newsletter.admin import table_cells
from newsletter.admin.deliveries import ReadOnly
from newsletter.models import SourceHost, SourceRun


@admin.register(SourceRun)
class SourceRunAdmin(ReadOnly):
    list_display = ("source", "started", "state_label", "read", "new", "merged", "status", "detail")
    list_filter = ("source", "state")
    date_hierarchy = "started_at"
    paginator = table_cells.BoundedPaginator
    show_full_result_count = False
    list_per_page = 50

    @admin.display(description=_("Started (UTC)"), ordering="started_at")
    def started(self, run: SourceRun) -> SafeString | str:
        return table_cells.moment(run.started_at)

    @admin.display(description=_("State"), ordering="state")
    def state_label(self, run: SourceRun) -> SafeString:
        return table_cells.state_badge(run)


@admin.register(SourceHost)
class SourceHostAdmin(ReadOnly):
    list_display = ("host", "free", "strikes")

    @admin.display(description=_("Free from (UTC)"), ordering="free_at")
    def free(self, host: SourceHost) -> SafeString | str:
        return table_cells.moment(host.free_at)
