"""The papers of a reader's own library: brought in a file, or saved here."""

from __future__ import annotations

from urllib.parse import quote

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import Paper
from subscriptions.models import Interest, Subscriber


class LibraryEntry(models.Model):
    """One paper of one reader's library, whether or not we know the paper. It counts as liked."""

    class Source(models.TextChoices):
        UPLOADED = "uploaded", _("from a file or a list")
        SAVED = "saved", _("saved here")
        ZOTERO = "zotero", _("from Zotero")
        ORCID = "orcid", _("from ORCID")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="library", db_index=False)
    paper = models.ForeignKey(Paper, on_delete=models.SET_NULL, null=True, blank=True, related_name="library_entries")
    identity = models.CharField(max_length=320, editable=False, help_text=_("Its arXiv id, else DOI, else title."))
    title = models.CharField(max_length=500, blank=True)
    arxiv_id = models.CharField(max_length=32, blank=True, help_text=_("Without version."))
    doi = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True, help_text=_("The abstract, of a paper that we do not know."))
    source = models.CharField(max_length=8, choices=Source)
    note = models.TextField(blank=True, help_text=_("What the reader wrote about it."))
    at = models.DateTimeField()
    interest = models.ForeignKey(
        Interest,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text=_("Empty: the reader's only or first."),
    )

    class Meta:
        verbose_name_plural = "library entries"
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "identity"], name="one_library_entry_per_identity"),
            models.UniqueConstraint(fields=["subscriber", "paper"], name="one_library_entry_per_paper"),
            models.CheckConstraint(
                name="library_source_is_known", condition=Q(source__in=["uploaded", "saved", "zotero", "orcid"])
            ),
        ]
        indexes = [
            models.Index(fields=["subscriber", "-at", "-id"], name="library_of_a_reader"),
            models.Index(fields=["interest"], condition=Q(interest__isnull=False), name="library_by_interest"),
        ]

    def __str__(self) -> str:
        return self.shown_title

    @property
    def shown_title(self) -> str:
        """Our title of the paper, else that of the file, else its identifier."""
        known = self.paper.title if self.paper else ""
        return known or self.title or (f"arXiv:{self.arxiv_id}" if self.arxiv_id else f"doi:{self.doi}")

    @property
    def home_url(self) -> str:
        """Where the paper is read; empty when the file named no place."""
        if self.paper:
            return self.paper.home_url
        if self.arxiv_id:
            return f"https://arxiv.org/abs/{self.arxiv_id}"
        return f"https://doi.org/{quote(self.doi)}" if self.doi else ""


class LibraryLink(models.Model):
    """The secret address at which programs read a reader's library. Deleting the row revokes the address."""

    subscriber = models.OneToOneField(Subscriber, on_delete=models.CASCADE, related_name="library_link")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"of {self.subscriber_id} since {self.at:%Y-%m-%d}"
