"""Admin users and groups, and the record of sign-in attempts."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from newsletter.admin import table_cells
from newsletter.admin.approval import my_desk
from newsletter.admin.deliveries import ReadOnly
from newsletter.models import SignIn

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(PlainUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "is_staff", "is_superuser", "is_active", "last_login")
    filter_horizontal = ()

    def get_urls(self) -> list[URLPattern]:
        return [path("mine/", self.admin_site.admin_view(my_desk), name="my_desk"), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never: switch an account off instead, so that the log keeps what its owner did."""
        return False


@admin.register(Group)
class GroupAdmin(PlainGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """The roles come with the migrations: Curators, Editors, Approvers, Operators, Observers."""

    filter_horizontal = ()


@admin.register(SignIn)
class SignInAdmin(ReadOnly):
    """Sign-in attempts by hour. Many failures for one account mean that somebody guesses its password."""

    list_display = ("hour_label", "name", "network", "failed", "succeeded")
    search_fields = ("name", "network")
    date_hierarchy = "hour"
    list_per_page = 50

    @admin.display(description=_("Hour (UTC)"), ordering="hour")
    def hour_label(self, row: SignIn) -> SafeString | str:
        return table_cells.moment(row.hour)
