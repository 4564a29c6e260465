"""Sources: what each was asked, what came of it, and when its host may be asked again. Read only."""

from __future__ import annotations

from django.contrib import admin

from newsletter.admin.deliveries import ReadOnly
from newsletter.models import SourceHost, SourceRun


@admin.register(SourceRun)
class SourceRunAdmin(ReadOnly):
    list_display = ("source", "started_at", "state", "read", "new", "merged", "status", "detail")
    list_filter = ("source", "state")
    date_hierarchy = "started_at"
    show_full_result_count = False


@admin.register(SourceHost)
class SourceHostAdmin(ReadOnly):
    list_display = ("host", "free_at", "strikes")
