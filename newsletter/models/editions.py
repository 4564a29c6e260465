"""The papers of one day, week or month, in a curator's order, and their compiled fragments once frozen."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from newsletter.models.papers import Paper
from subscriptions.models import Subscriber


class EditionQuerySet(models.QuerySet["Edition"]):
    def editable(self) -> EditionQuerySet:
        """Editions whose papers, order and note may still be changed: drafts and approved ones."""
        return self.filter(state__in=Edition.EDITABLE)

    def sendable(self) -> EditionQuerySet:
        """Frozen editions that are not paused: the only ones deliveries may be planned for or sent from."""
        return self.filter(state__in=[Edition.State.FROZEN, Edition.State.SENDING], paused_at__isnull=True)

    def open_at(self, now: datetime) -> EditionQuerySet:
        """Sendable editions that readers who are due at that moment get."""
        return self.sendable().filter(frozen_at__lte=now, closes_at__gt=now)

    def newest(self, cadence: str) -> Edition | None:
        return self.filter(cadence=cadence).order_by("-period_on").first()

    def issued(self) -> EditionQuerySet:
        """Sent editions: the only public ones. One that was cancelled or taken off the site is not."""
        return self.filter(state__in=Edition.PUBLIC, taken_down_at__isnull=True)

    def begin(self) -> int:
        """Move frozen and done editions to `sending`: nothing is claimed from a done one. Returns how many changed."""
        waiting = self.filter(state__in=[Edition.State.FROZEN, Edition.State.DONE])
        return waiting.update(state=Edition.State.SENDING, done_at=None)


class Edition(models.Model):
    """The papers of one day, week or month, from which each reader's digest is chosen."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        APPROVED = "approved", _("approved")
        FROZEN = "frozen", _("frozen")
        SENDING = "sending", _("sending")
        DONE = "done", _("done")
        SKIPPED = "skipped", _("skipped")
        CANCELLED = "cancelled", _("cancelled")

    Cadence = Subscriber.Cadence

    cadence = models.CharField(max_length=8, choices=Subscriber.Cadence)
    period_on = models.DateField(help_text=_("The day; the Monday of the week; the first of the month."))
    state = models.CharField(max_length=9, choices=State, default=State.DRAFT)
    window_start_at = models.DateTimeField(help_text=_("Cut-off of the edition before."))
    cutoff_at = models.DateTimeField(help_text=_("Papers that arrive later belong to the next edition."))
    editor_note = models.TextField(
        blank=True,
        max_length=10_000,
        help_text=_(
            "Above the papers, in Markdown: **bold**, *italic*, [words](https://address), lists with - or 1., quotes "
            "with >. Separate paragraphs with a blank line."
        ),
    )
    headline = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text=_("The edition's own title, before its date in mails, on the site and in feeds."),
    )
    subject = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "The subject of its mails; {paper} is the title of each reader's first paper. Empty: that title and how "
            "many more there are."
        ),
    )
    preheader = models.CharField(
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text=_("What mail programs show behind the subject, before the first titles."),
    )
    note_is_markdown = models.BooleanField(
        default=True, db_default=False, editable=False, help_text=_("Older notes and lines are plain text.")
    )
    signature = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text=_("The name under the note. Empty: unsigned.")
    )
    translations = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        editable=False,
        help_text=_("An editor's words in other languages: language, then field."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    frozen_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True, help_text=_("No digests are planned after this."))
    send_now_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When a curator requested “Send now”. Empty once every reader is planned.")
    )
    done_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True)
    news = models.JSONField(
        default=list,
        db_default=[],
        editable=False,
        help_text=_("News of papers that readers liked or saved, when frozen: [paper, kind, moment]."),
    )
    correction = models.TextField(
        blank=True,
        default="",
        db_default="",
        max_length=2_000,
        editable=False,
        help_text=_("What was wrong in it, in Markdown: shown where the edition is shown."),
    )
    corrected_at = models.DateTimeField(null=True, blank=True, editable=False)
    correction_in_mail = models.BooleanField(
        default=False, db_default=False, editable=False, help_text=_("The next edition of its cadence carries it.")
    )
    taken_down_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("When it was taken off the site; it may be put back.")
    )
    totals = models.JSONField(
        null=True, blank=True, editable=False, help_text=_("Its results, once nothing can be added to them.")
    )
    forgotten_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the details of its deliveries were deleted.")
    )

    EDITABLE = (State.DRAFT, State.APPROVED)
    UNFINISHED = (*EDITABLE, State.FROZEN, State.SENDING)
    WENT_OUT = (State.FROZEN, State.SENDING, State.DONE)
    PUBLIC = (State.SENDING, State.DONE)

    objects = EditionQuerySet.as_manager()

    class Meta:
        ordering = ["-period_on", "cadence"]
        permissions = [
            ("approve_edition", "Can approve and freeze editions"),
            ("send_edition", "Can send, pause and cancel editions"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["cadence", "period_on"], name="one_edition_per_cadence_and_period"),
            models.CheckConstraint(
                name="edition_state_is_known",
                condition=Q(state__in=["draft", "approved", "frozen", "sending", "done", "skipped", "cancelled"]),
            ),
            models.CheckConstraint(
                name="frozen_editions_have_a_moment",
                condition=~Q(state__in=["frozen", "sending", "done"])
                | Q(frozen_at__isnull=False, closes_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_cadence_display()} {self.period_on:%Y-%m-%d}"

    def get_absolute_url(self) -> str:
        return reverse("newsletter:edition", args=[self.cadence, self.period_on])

    @property
    def lists_since(self) -> datetime:
        """Papers that came later are listed as new: a daily edition reaches back to the digest before a weekend."""
        is_daily = self.cadence == self.Cadence.DAILY
        return self.window_start_at - (timedelta(days=2, hours=12) if is_daily else timedelta(0))

    @property
    def updated_at(self) -> datetime | None:
        """When what the public reads of it changed last."""
        return self.corrected_at or self.frozen_at

    @property
    def is_public(self) -> bool:
        return self.state in self.PUBLIC and self.taken_down_at is None

    @property
    def is_editable(self) -> bool:
        return self.state in self.EDITABLE


class EditionItemQuerySet(models.QuerySet["EditionItem"]):
    def listed(self) -> EditionItemQuerySet:
        """The edition's own papers: neither excluded by a curator, nor there only for some readers."""
        return self.exclude(standing__in=EditionItem.UNLISTED)

    def with_cards(self) -> EditionItemQuerySet:
        """Papers that may be chosen for a digest; the others are there for their line alone."""
        return self.exclude(standing=EditionItem.Standing.ALSO, found_by=[])

    def issued(self) -> EditionItemQuerySet:
        """Places in editions that went out, newest first: what the public may know."""
        out = self.filter(edition__in=Edition.objects.issued())
        return out.listed().order_by("-edition__period_on", "edition__cadence")


class EditionItem(models.Model):
    """One paper's place in one edition, with the numbers that put it there."""

    class Lane(models.TextChoices):
        TRENDING = "trending", _("trending")
        PICK = "pick", _("editor's pick")
        LEAD = "lead", _("lead story")

    class Standing(models.TextChoices):
        LISTED = "listed", _("listed")
        PINNED = "pinned", _("pinned")
        EXCLUDED = "excluded", _("excluded")
        ALSO = "also", _("also new")
        MISSED = "missed", _("missed in a pause")

    FOR_SOME = (Standing.ALSO, Standing.MISSED)  # only for readers who follow it, or who were away
    UNLISTED = (Standing.EXCLUDED, *FOR_SOME)

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="items")
    paper = models.ForeignKey(Paper, on_delete=models.PROTECT, related_name="edition_items")
    position = models.PositiveSmallIntegerField()
    lane = models.CharField(max_length=8, choices=Lane, default=Lane.TRENDING)
    standing = models.CharField(max_length=8, choices=Standing, default=Standing.LISTED)
    is_moved = models.BooleanField(default=False, help_text=_("A curator chose the position."))
    score = models.FloatField(default=0.0)
    parts = models.JSONField(default=dict, blank=True, help_text=_("The components of the score when drafted."))
    note = models.CharField(
        max_length=300, blank=True, help_text=_("A curator's line under the title; Markdown as in the note.")
    )
    translations = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    found_by = models.JSONField(
        default=list,
        db_default=[],
        editable=False,
        help_text=_("Followed queries that found it, when frozen: [key, text]."),
    )

    objects = EditionItemQuerySet.as_manager()

    class Meta:
        ordering = ["edition", "position"]
        constraints = [
            models.UniqueConstraint(fields=["edition", "paper"], name="one_place_per_edition_and_paper"),
            models.UniqueConstraint(fields=["edition"], condition=Q(lane="lead"), name="one_lead_story_per_edition"),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.paper_id}"

    @property
    def has_no_card(self) -> bool:
        """Whether it is there for its line alone: no query to follow has found it."""
        return self.standing == self.Standing.ALSO and not self.found_by


class Compiled(models.Model):
    """A frozen edition's fragments, rendered and encoded once. Retries and late readers get these same bytes."""

    edition = models.OneToOneField(Edition, on_delete=models.CASCADE, related_name="compiled")
    fragments = models.JSONField()
    compiled_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"compiled {self.edition_id}"


class CuratorMail(models.Model):
    """One mail that tells one curator of one draft: that it waits, or that its cut-off is near. Owed until settled."""

    class Kind(models.TextChoices):
        DRAFT = "draft", _("a draft waits")
        REMINDER = "reminder", _("its cut-off is near")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        SKIPPED = "skipped", _("skipped")
        UNKNOWN = "unknown", _("unknown")

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="curator_mails")
    curator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["edition", "curator", "kind"], name="one_mail_per_draft_curator_and_occasion"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.edition_id}: {self.state}"
