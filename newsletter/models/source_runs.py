"""Polls of sources and their results, and when each host may be asked again."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class SourceHost(models.Model):
    """When a host, or a source, may be asked again: one rate rule, kept here, for all workers on all machines."""

    host = models.CharField(max_length=255, primary_key=True)
    free_at = models.DateTimeField()
    strikes = models.PositiveSmallIntegerField(default=0, help_text=_("Consecutive refusals."))
    done_at = models.DateTimeField(null=True, editable=False)  # of a source: when it had last answered all it was asked

    def __str__(self) -> str:
        return f"{self.host} → {self.free_at:%Y-%m-%d %H:%M:%S}"


class SourceRun(models.Model):
    """One poll of one source, and its result."""

    class State(models.TextChoices):
        OK = "ok", _("ok")
        UNCHANGED = "unchanged", _("unchanged")
        EMPTY = "empty", _("empty")
        STALE = "stale", _("stale: old papers under a new date")
        WAITING = "waiting", _("asked to wait")
        FAILED = "failed", _("failed")

    source = models.CharField(max_length=32)
    url = models.CharField(max_length=2000)
    state = models.CharField(max_length=9, choices=State)
    started_at = models.DateTimeField()
    retry_at = models.DateTimeField(null=True, blank=True, help_text=_("Not polled again before this."))
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("HTTP status."))
    read = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    merged = models.PositiveIntegerField(default=0)
    detail = models.CharField(max_length=300, blank=True)
    etag = models.CharField(max_length=200, blank=True)
    modified = models.CharField(max_length=64, blank=True, help_text=_("Last-Modified, as the host wrote it."))
    newest = models.CharField(max_length=32, blank=True, help_text=_("The highest identifier among the new papers."))

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="source_run_state_is_known",
                condition=Q(state__in=["ok", "unchanged", "empty", "stale", "waiting", "failed"]),
            ),
        ]
        indexes = [models.Index(fields=["source", "-started_at"], name="runs_of_a_source")]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M}: {self.get_state_display()}"
