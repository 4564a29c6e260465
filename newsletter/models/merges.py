"""Two rows that were one paper, and how to take that back; and two that look like one and are not."""

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


class DistinctPapers(models.Model):
    """A curator's word that two papers are not one, however alike they look. The first is the older row."""

    first = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["first", "second"], name="one_word_on_two_papers")]

    def __str__(self) -> str:
        return f"{self.first_id} is not {self.second_id}"
