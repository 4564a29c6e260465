"""What readers follow, as queries that are matched when a paper comes in, and the papers each of them has found.

`newsletter.search.standing_queries` keeps both tables. A thousand readers who follow the same are one query: their
rows (`subscriptions.Follow`) name it by its key. A query that nobody follows any more is deleted with its hits.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import Paper


class StandingQuery(models.Model):
    """One query that some reader follows."""

    key = models.CharField(max_length=32, help_text=_("The key of its normalised form."))
    text = models.CharField(max_length=300, help_text=_("As its first follower typed it."))
    parsed = models.JSONField(help_text=_("The normalised form."))
    rarest_term = models.CharField(max_length=64, help_text=_("A paper without this term is never meant."))
    created_at = models.DateTimeField()
    backfilled_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the papers of the weeks before were matched.")
    )

    class Meta:
        verbose_name_plural = _("standing queries")
        constraints = [models.UniqueConstraint(fields=["key"], name="one_standing_query_per_key")]
        indexes = [
            models.Index(fields=["rarest_term"], name="standing_queries_by_term"),
            models.Index(fields=["id"], condition=Q(backfilled_at__isnull=True), name="standing_queries_to_backfill"),
        ]

    def __str__(self) -> str:
        return self.text


class QueryHit(models.Model):
    """A standing query has found a paper."""

    query = models.ForeignKey(StandingQuery, on_delete=models.CASCADE, related_name="hits", db_index=False)
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="query_hits")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["query", "paper"], name="one_hit_per_query_and_paper")]

    def __str__(self) -> str:
        return f"{self.query_id} found {self.paper_id}"
