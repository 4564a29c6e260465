"""Where a paper's code, models, data, demo and project page are, who said so, and whether they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import WEB, Paper

if TYPE_CHECKING:
    from datetime import datetime


class PaperLinkQuerySet(models.QuerySet["PaperLink"]):
    def due(self, now: datetime) -> PaperLinkQuerySet:
        """Links to check now, newest first."""
        return self.filter(check_after__lte=now, is_removed=False).order_by("-pk")


class PaperLink(models.Model):
    """One address of what belongs to a paper. `Paper.code_url` and `project_url` are the first of their kind."""

    class Kind(models.TextChoices):
        CODE = "code", _("Code")
        MODEL = "model", _("Model")
        DATA = "data", _("Data")
        DEMO = "demo", _("Demo")
        PAGE = "page", _("Project page")

    class Place(models.TextChoices):
        ABSTRACT = "abstract", _("abstract")
        COMMENT = "comment", _("comment")
        STATED = "stated", _("field of its own")
        LINKED = "linked", _("project page")

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="links")
    kind = models.CharField(max_length=5, choices=Kind)
    url = models.URLField(max_length=300)
    source = models.CharField(max_length=32, help_text=_("Who gave it: a source, a program's key, a curator."))
    place = models.CharField(max_length=8, choices=Place, default=Place.STATED)
    seen_at = models.DateTimeField()
    check_after = models.DateTimeField(null=True, editable=False)  # null: it was checked, and that is enough
    checked_at = models.DateTimeField(null=True, editable=False)
    is_gone = models.BooleanField(default=False, help_text=_("Its host said that there is nothing."))
    licence = models.CharField(max_length=64, blank=True)
    stars = models.PositiveIntegerField(null=True, help_text=_("Stars or likes when it was checked."))
    is_removed = models.BooleanField(
        default=False, help_text=_("Taken away by a curator: it stays away, whoever names it again.")
    )

    objects = PaperLinkQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["paper", "url"], name="one_link_per_paper_and_address")]
        indexes = [models.Index(fields=["-id"], condition=Q(check_after__isnull=False), name="links_to_check")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.url}"

    @property
    def where(self) -> str:
        """Host and path without the scheme, as people read an address."""
        return self.url.partition("://")[2].removeprefix("www.").rstrip("/")

    @property
    def is_standing(self) -> bool:
        return not (self.is_gone or self.is_removed) and self.url.startswith(WEB)
