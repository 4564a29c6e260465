"""When an edition has to be approved and by whom: its deadline, planned absences, and each person's own desk settings.

In: a person of the staff and an edition. Out: moments in that person's time, and rows that say when nobody is there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from newsletter.admin import admin_language, table_cells
from newsletter.editions import lifecycle
from newsletter.models import Absence, Edition, StaffPreferences
from subscriptions.schedule import zone_names


def deadline_of(edition: Edition, *, user: User, now: datetime) -> dict[str, Any]:
    """Return what the head of a draft's page says of its cut-off, in the person's own time."""
    away = Absence.at(edition.cutoff_at)
    return {
        "at": edition.cutoff_at.astimezone(StaffPreferences.zone_of(user)),
        "left": span(edition.cutoff_at - now),
        "is_past": edition.cutoff_at <= now,
        "by_itself": lifecycle.goes_by_itself(edition),
        "away_until": away and away.ends_at.astimezone(StaffPreferences.zone_of(user)),
        "second_person": settings.EDITION_SECOND_PERSON,
        "edited_by": edition.edited_by,
        "is_own": edition.edited_by_id == user.pk,
    }


def span(left: timedelta) -> str:
    """Return a length of time as a person says it: days and hours, or hours and minutes."""
    minutes = max(0, int(left.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return gettext("%(days)d d %(hours)d h") % {"days": days, "hours": hours}
    return gettext("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}


@admin.register(Absence)
class AbsenceAdmin(ModelAdmin):  # type: ignore[misc]
    """Planned absences: editions whose cut-off lies in one are approved by themselves."""

    list_display = ("from_label", "until_label", "by", "standing")
    fields = ("starts_at", "ends_at")
    actions = None

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now().replace(second=0, microsecond=0)
        return {"starts_at": now, "ends_at": now + timedelta(days=3)}

    def save_model(self, request: HttpRequest, obj: Absence, form: Any, change: bool) -> None:
        if not change:
            obj.by = cast(User, request.user)
        super().save_model(request, obj, form, change)

    @admin.display(description=_("From (UTC)"), ordering="starts_at")
    def from_label(self, row: Absence) -> SafeString | str:
        return table_cells.moment(row.starts_at)

    @admin.display(description=_("Until (UTC)"), ordering="ends_at")
    def until_label(self, row: Absence) -> SafeString | str:
        return table_cells.moment(row.ends_at)

    @admin.display(description=_("State"))
    def standing(self, row: Absence) -> SafeString:
        now = timezone.now()
        if row.ends_at <= now:
            return table_cells.badge(_("over"))
        return table_cells.badge(_("now"), "warn") if row.starts_at <= now else table_cells.badge(_("planned"), "calm")


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]
    language = forms.ChoiceField(
        label=_("language"),
        choices=[("", _("that of my browser")), *admin_language.LANGUAGES.items()],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = StaffPreferences
        fields = ("language", "time_zone")
        widgets = {"time_zone": UnfoldAdminTextInputWidget(attrs={"list": "zones", "autocomplete": "off"})}


def my_desk(request: HttpRequest) -> HttpResponse:
    """Show and store how the person who is signed in sees the desk."""
    user = cast(User, request.user)
    own = StaffPreferences.objects.filter(user=user).first() or StaffPreferences(user=user)
    form = PreferencesForm(request.POST or None, instance=own)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, gettext("Saved."))
        return HttpResponseRedirect(reverse("admin:my_desk"))
    context = admin.site.each_context(request) | {
        "title": gettext("My desk"),
        "form": form,
        "zones": sorted(zone_names()),
    }
    return render(request, "admin/newsletter/my_desk.html", context)
