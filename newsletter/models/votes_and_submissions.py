"""What readers do for everybody: papers they vote for, and papers they hand in."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import Paper
from subscriptions.models import Subscriber


class Vote(models.Model):
    """One reader's vote for one paper. It counts publicly, without a name; taking it back deletes the row."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="votes", db_index=False)
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="votes")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscriber", "paper"], name="one_vote_per_reader_and_paper")]

    def __str__(self) -> str:
        return f"{self.subscriber_id} for {self.paper_id}"


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def open(self) -> SubmissionQuerySet:
        """Return open submissions: waiting for a curator, or accepted and not fetched yet."""
        return self.filter(state__in=Submission.OPEN)

    def wanted(self) -> SubmissionQuerySet:
        """Return submissions accepted by a curator and still to be fetched from arXiv."""
        return self.filter(state=Submission.State.ACCEPTED, paper__isnull=True)

    def undescribed(self) -> SubmissionQuerySet:
        """Return waiting submissions of which arXiv has not said, or did not know, what they are."""
        return self.filter(Q(found__isnull=True) | Q(found={}), state=Submission.State.WAITING)


class Submission(models.Model):
    """A paper that a reader submitted, and the curator's decision. Erasing the reader clears the author."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        DUPLICATE = "duplicate", _("already listed by then")

    OPEN = (State.WAITING, State.ACCEPTED)

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.SET_NULL, null=True, blank=True, related_name="submissions"
    )
    link = models.CharField(max_length=300, help_text=_("As the reader wrote it."))
    arxiv_id = models.CharField(max_length=32, help_text=_("Without version."))
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    note = models.CharField(max_length=300, blank=True, help_text=_("Why it was declined. The reader sees this."))
    # title, authors, abstract, published_on, topics (slugs); {}: arXiv does not know it; None: it was not asked yet.
    found = models.JSONField(null=True, blank=True, editable=False, help_text=_("What arXiv says of it."))
    at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    paper = models.ForeignKey(Paper, on_delete=models.SET_NULL, null=True, blank=True, related_name="submissions")

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["arxiv_id"],
                condition=Q(state__in=["waiting", "accepted"]),
                name="one_open_submission_per_paper",
            ),
            models.CheckConstraint(
                name="submission_state_is_known",
                condition=Q(state__in=["waiting", "accepted", "declined", "duplicate"]),
            ),
            models.CheckConstraint(
                name="decided_submissions_have_a_moment",
                condition=Q(state="waiting", decided_at__isnull=True)
                | (~Q(state="waiting") & Q(decided_at__isnull=False)),
            ),
        ]
        indexes = [models.Index(fields=["state", "at"], name="submissions_by_state")]

    def __str__(self) -> str:
        return f"arXiv:{self.arxiv_id} ({self.get_state_display()})"
