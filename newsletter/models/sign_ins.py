"""Who tried to sign in at the desk: for operators, and for an alarm."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User

log = logging.getLogger(__name__)


class SignInQuerySet(models.QuerySet["SignIn"]):
    def note(self, *, name: str, network: str, succeeded: bool, now: datetime) -> None:
        """Count one try. Tries of one hour, account and network share a row, so that guessing fills no disk."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        row, _is_new = self.get_or_create(name=name, network=network, hour=hour)
        column = "succeeded" if succeeded else "failed"
        self.filter(pk=row.pk).update(**{column: F(column) + 1})

    def is_at_home(self, *, name: str, network: str, now: datetime) -> bool:
        """Whether this account signed in from this network within the last month."""
        return self.filter(name=name, network=network, succeeded__gt=0, hour__gt=now - SignIn.KEPT).exists()

    def guessed(self, *, now: datetime, at_least: int = 20) -> list[tuple[str, int]]:
        """Return accounts whose password is being guessed: name and failed tries within two hours, worst first.

        The name is empty where accounts are tried that do not exist.
        """
        lately = self.filter(hour__gt=now - timedelta(hours=2)).values("name").annotate(tries=Sum("failed"))
        return list(lately.filter(tries__gte=at_least).order_by("-tries", "name").values_list("name", "tries"))

    def forget_old(self, *, now: datetime) -> int:
        return self.filter(hour__lte=now - SignIn.KEPT).delete()[0]


class SignIn(models.Model):
    """Tries to sign in to the admin within one hour, to one account from one network. Never holds a password."""

    KEPT = timedelta(days=30)

    name = models.CharField(max_length=150, blank=True, help_text=_("Empty where no such account exists."))
    network = models.CharField(max_length=64)
    hour = models.DateTimeField(db_index=True, help_text=_("Its beginning."))
    failed = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)

    objects = SignInQuerySet.as_manager()

    class Meta:
        ordering = ["-hour", "-failed"]
        constraints = [
            models.UniqueConstraint(fields=["name", "network", "hour"], name="one_row_per_account_network_and_hour")
        ]

    def __str__(self) -> str:
        return f"{self.name or '?'} ({self.network}), {self.hour:%Y-%m-%d %H:00}: {self.failed}"


def forget_second_factor(user: User) -> None:
    """Take away app, passkeys and recovery codes, of somebody who lost them: they sign in by password alone."""
    from django_otp.plugins.otp_static.models import StaticDevice  # only where staff are: workers load models, too
    from django_otp.plugins.otp_totp.models import TOTPDevice
    from django_otp_webauthn.models import WebAuthnCredential

    TOTPDevice.objects.filter(user=user).delete()
    WebAuthnCredential.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    log.warning("The second factor of %s was taken away", user.get_username())
