"""Whether what was recorded is whole: the mark that tells a restored backup, and the daily look at who was due."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class HighWater(models.Model):
    """One row: which database this is, and how far its record goes. Outside the database the same number is kept.

    After a restore the number outside is the greater one. See newsletter/delivery/restore_detection.py.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    installation = models.CharField(max_length=32)
    number = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="one_high_water_mark", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"{self.number} at {self.at:%Y-%m-%d %H:%M:%S}"


class Reconciliation(models.Model):
    """One look at the whole: who was due, what they got, what is missing. Written by find_missing_digests alone."""

    at = models.DateTimeField(db_index=True)
    days = models.PositiveSmallIntegerField(help_text=_("How many days it looked back."))
    report = models.JSONField()

    def __str__(self) -> str:
        return f"{self.days} days before {self.at:%Y-%m-%d %H:%M}"
