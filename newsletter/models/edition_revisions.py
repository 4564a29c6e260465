"""Who changed what of an edition before it was frozen, with all that stood there before: it can be brought back."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from newsletter.models.editions import Edition


class EditionRevision(models.Model):
    """One change of an edition by one person."""

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="revisions")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    said = models.CharField(max_length=300)
    before = models.JSONField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.edition_id}: {self.said}"
