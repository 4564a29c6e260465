"""Two rows that were one paper, and how to take that back."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import Paper


class Merge(models.Model):
    """A curator's merge of one paper into another, with what was moved, so that it can be undone."""

    paper = models.OneToOneField(Paper, on_delete=models.CASCADE, related_name="merge")
    into = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="merges")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    moved = models.JSONField(default=dict, help_text=_("Keys of the rows moved, and the fields filled in."))

    def __str__(self) -> str:
        return f"{self.paper_id} into {self.into_id}"
