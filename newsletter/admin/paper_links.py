"""The links of a paper on its page in the desk, for a curator to take one away."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from newsletter.admin import table_cells
from newsletter.models import PaperLink


class LinkInline(TabularInline):  # type: ignore[misc]
    """Links of a paper. One that is wrong is taken away, not deleted: its source would bring it back."""

    model = PaperLink
    readonly_fields = ("kind", "url", "source", "place", "answer", "licence", "stars")
    fields = (*readonly_fields, "is_removed")
    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("Answered"))
    def answer(self, link: PaperLink) -> SafeString | str:
        return table_cells.badge(_("gone"), "bad") if link.is_gone else table_cells.day(link.checked_at)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("newsletter.change_paper")  # they are part of it

    has_view_permission = has_change_permission
