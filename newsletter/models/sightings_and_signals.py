"""What sources said of papers: where they were seen, and how they were measured."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import Paper
from subscriptions.models import ApiKey


class Sighting(models.Model):
    """A source showed this paper: where, at which rank, and when for the first time."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="sightings")
    source = models.CharField(max_length=32)
    key = models.CharField(max_length=128, help_text=_("The source's own key: an id, or the content hash of a page."))
    rank = models.PositiveIntegerField(null=True, blank=True)
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.SET_NULL, null=True, blank=True, help_text=_("The program's, when one handed it in.")
    )
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "key", "paper"], name="one_sighting_per_source_key_and_paper")
        ]

    def __str__(self) -> str:
        return f"{self.source}:{self.key} #{self.rank}"


class PaperIdentifier(models.Model):
    """A name under which a work is known beside its arXiv id: one work stays one paper, whichever source shows it."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="identifiers")
    value = models.CharField(max_length=200)  # with its kind: doi:10.1101/2026.11.02.1

    class Meta:
        constraints = [models.UniqueConstraint(fields=["value"], name="one_paper_per_identifier")]

    def __str__(self) -> str:
        return self.value


class Signal(models.Model):
    """The value of one metric at one moment. Only the gain between two of them counts; the first is a baseline."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="signals")
    source = models.CharField(max_length=32)
    metric = models.CharField(max_length=32, help_text=_("upvotes, stars, verdicts …"))
    value = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["paper", "source", "metric", "at"], name="one_value_per_metric_and_moment")
        ]
        indexes = [models.Index(fields=["at"], name="signals_by_time")]

    def __str__(self) -> str:
        return f"{self.metric}={self.value} {self.at:%Y-%m-%d %H:%M}"
