"""What readers took out of their profiles. Nothing else is deleted for it: a removal put back is as if it never was."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import Paper
from subscriptions.models import Subscriber, Topic


class ProfileRemoval(models.Model):
    """One thing that a reader's profile goes without: a word or topic; or what a paper, or all papers, said so far."""

    class Kind(models.TextChoices):
        WORD = "word", _("a word")
        TOPIC = "topic", _("a topic")
        PAPER = "paper", _("a paper")
        ALL = "all", _("everything until then")

    LONGEST_WORD = 64

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="profile_removals")
    kind = models.CharField(max_length=5, choices=Kind)
    word = models.CharField(max_length=LONGEST_WORD, blank=True)
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    at = models.DateTimeField(help_text=_("Later verdicts and saved papers count again."))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscriber", "word"], condition=Q(kind="word"), name="one_removal_per_reader_and_word"
            ),
            models.UniqueConstraint(fields=["subscriber", "topic"], name="one_removal_per_reader_and_topic"),
            models.UniqueConstraint(fields=["subscriber", "paper"], name="one_removal_per_reader_and_paper"),
            models.UniqueConstraint(
                fields=["subscriber"], condition=Q(kind="all"), name="one_removal_of_everything_per_reader"
            ),
            models.CheckConstraint(
                name="removal_names_what_is_removed",
                condition=(Q(kind="word") & ~Q(word="") & Q(topic=None, paper=None))
                | Q(kind="topic", word="", topic__isnull=False, paper=None)
                | Q(kind="paper", word="", topic=None, paper__isnull=False)
                | Q(kind="all", word="", topic=None, paper=None),
            ),
        ]

    def __str__(self) -> str:
        return str(self.word or self.topic or self.paper or self.get_kind_display())

    @staticmethod
    def for_export(rows: models.QuerySet[ProfileRemoval]) -> dict[int, dict[str, str | None]]:
        """Removal to the arXiv id and topic's slug that other sites know it by: for the reader's own export."""
        named = rows.values_list("pk", "paper__arxiv_id", "topic__slug")
        return {pk: {"arxiv_id": arxiv_id, "topic_slug": slug} for pk, arxiv_id, slug in named}

    @staticmethod
    def of_opinion(paper: str = "paper") -> Exists:
        """Whether the reader of a verdict or library entry has taken it out of the profile since. For `exclude`."""
        since = ProfileRemoval.objects.filter(subscriber=OuterRef("subscriber"), at__gte=OuterRef("at"))
        named = Q(kind=ProfileRemoval.Kind.ALL) | Q(paper=OuterRef(paper)) | Q(paper__merged_into=OuterRef(paper))
        return Exists(since.filter(named))
