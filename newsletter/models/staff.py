"""What staff of the desk say of themselves: their time zone and language, and when nobody will be there to approve."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from subscriptions.schedule import is_zone, zone_named

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


def require_zone(name: str) -> None:
    """Raise ValidationError unless this is an IANA time zone known here."""
    if not is_zone(name):
        raise ValidationError(
            _("There is no time zone “%(name)s”. Write one such as Europe/Berlin."), params={"name": name}
        )


class StaffPreferences(models.Model):
    """How one person of the staff sees the desk. No row: as the site is."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="desk_preferences")
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[require_zone])
    language = models.CharField(_("language"), max_length=8, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return str(self.user_id)

    @classmethod
    def zone_of(cls, user: AbstractBaseUser) -> tzinfo:
        """Return the person's time zone; UTC when they chose none, or one that is gone."""
        return zone_named(cls.objects.filter(user_id=user.pk).values_list("time_zone", flat=True).first() or "UTC")

    @classmethod
    def language_of(cls, user: AbstractBaseUser | AnonymousUser) -> str:
        """Return the language that the person chose for the desk; "" when they chose none, or are not signed in."""
        return cls.objects.filter(user_id=user.pk).values_list("language", flat=True).first() or "" if user.pk else ""


class Absence(models.Model):
    """A time for which a curator planned that editions go out by themselves: those whose cut-off lies in it."""

    starts_at = models.DateTimeField(_("from (UTC)"))
    ends_at = models.DateTimeField(_("until (UTC)"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False)

    class Meta:
        verbose_name = _("planned absence")
        verbose_name_plural = _("planned absences")
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                name="absences_end_after_they_begin",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message=_("This absence ends before it begins. Give a later end."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M} – {self.ends_at:%Y-%m-%d %H:%M} UTC"

    @classmethod
    def at(cls, moment: datetime) -> Absence | None:
        """Return the absence that lasts longest of those that hold at that moment."""
        return cls.objects.filter(starts_at__lte=moment, ends_at__gt=moment).order_by("-ends_at").first()
