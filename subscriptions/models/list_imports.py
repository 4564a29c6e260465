"""Lists that were imported from other programs: how each was read, and what became of its lines."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class ListImport(models.Model):
    """One file of readers or of addresses to bar. The file itself is kept until its last line is read."""

    class State(models.TextChoices):
        DRAFT = "draft", _("waits for answers")
        RUNNING = "running", _("running")
        DONE = "done", _("done")

    KEPT_DAYS = 7  # of a file that nobody imports
    MOST_REFUSALS = 500  # that are listed one by one

    file_name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the file: proves which one it was."))
    headings = models.CharField(max_length=64, blank=True, help_text=_("Stands for the headings of the file."))
    program = models.CharField(max_length=32, blank=True, help_text=_("The program that wrote the file."))
    content = models.BinaryField(null=True, help_text=_("The file, compressed, until it is imported."))
    answers = models.JSONField(default=dict, help_text=_("What a person said about the file."))
    are_welcomed = models.BooleanField(default=False, help_text=_("Each new reader gets a first digest at once."))
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    line = models.PositiveIntegerField(default=0, help_text=_("The last line that was read."))
    read = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    suppressed = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    reasons = models.JSONField(default=dict, help_text=_("How many lines were refused, by reason."))
    refusals = models.JSONField(default=list, help_text=_("The first refused lines: number and reason."))
    by = models.CharField(max_length=150, blank=True, help_text=_("Who imported it."))
    at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["headings"], name="list_imports_by_headings"),
            models.Index(fields=["state"], condition=models.Q(state="running"), name="list_imports_running"),
        ]
        constraints = [
            models.CheckConstraint(
                name="list_import_state_is_known", condition=models.Q(state__in=["draft", "running", "done"])
            )
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def tally(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("read", "new", "known", "suppressed", "refused")}
