"""Admin users and groups, and the record of sign-in attempts."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from newsletter.admin import second_factor, table_cells
from newsletter.admin.approval import my_desk
from newsletter.admin.deliveries import ReadOnly
from newsletter.models import SignIn
from newsletter.models.sign_ins import forget_second_factor

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(PlainUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "is_staff", "is_superuser", "is_active", "last_login")
    filter_horizontal = ()
    actions = ("forget_second_factor",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("mine/", view(my_desk), name="my_desk"),
            path("mine/second-factor/", view(second_factor.manage), name="my_second_factor"),
            path("second-factor/", view(second_factor.ask), name="second_factor"),
        ]
        return own + super().get_urls()

    @admin.action(description=_("Take the second factor away, of somebody who lost it"), permissions=["change"])
    def forget_second_factor(self, request: HttpRequest, people: QuerySet[User]) -> None:
        for person in people:
            forget_second_factor(person)
            self.log_change(request, person, gettext("forget the second factor"))
        text = _("They sign in by password and set it up anew.")
        messages.success(request, text)

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
