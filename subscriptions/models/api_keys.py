"""Keys by which programs sign readers up or submit papers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datetime import datetime


def may_sign_up() -> list[str]:
    """Default permissions of a key."""
    return [ApiKey.Scope.SUBSCRIBERS.value]


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def valid(self) -> ApiKeyQuerySet:
        return self.filter(revoked_at__isnull=True)

    def revoke(self, *, now: datetime) -> int:
        """Refuse these keys from now on; returns how many were valid until now."""
        return self.valid().update(revoked_at=now)


class ApiKey(models.Model):
    """A program of the operator's and what it may write; the key is stored as a hash."""

    class Scope(models.TextChoices):
        SUBSCRIBERS = "subscribers:write", _("sign readers up")
        PAPERS = "papers:write", _("submit papers")

    name = models.CharField(
        max_length=80, help_text=_("The program that uses it; stored with the consent of readers it signs up.")
    )
    key_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(
        default=may_sign_up, db_default=["subscribers:write"], help_text=_("What the key permits.")
    )
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        constraints = [
            models.UniqueConstraint(fields=["name"], name="one_api_key_per_name"),
            models.UniqueConstraint(fields=["key_hash"], name="one_api_key_per_hash"),
        ]

    def __str__(self) -> str:
        return self.name
