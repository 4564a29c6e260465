"""Addresses that must not be mailed again."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def in_force(self) -> SuppressionQuerySet:
        return self.filter(lifted_at__isnull=True)


class Suppression(models.Model):
    """An address that must not be mailed, kept as a keyed hash only, so that it outlives erasure."""

    class Reason(models.TextChoices):
        BOUNCE = "bounce", _("the address does not exist")
        COMPLAINT = "complaint", _("marked as spam")
        ADMIN = "admin", _("by an operator")
        ERASED = "erased", _("erased at the reader's request")

    address_hash = models.CharField(max_length=64, unique=True)
    reason = models.CharField(max_length=10, choices=Reason)
    source = models.CharField(max_length=64, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="suppression_reason_is_known", condition=Q(reason__in=["bounce", "complaint", "admin", "erased"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} {self.address_hash[:8]}…"
