"""Pictures of papers that were asked for."""

from __future__ import annotations

from django.db import models


class Picture(models.Model):
    """One address of a picture that was asked for, and the file that came of it; no name where nothing did."""

    url = models.URLField(max_length=300, unique=True)
    name = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.url
