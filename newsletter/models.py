"""The pipeline's rows, in the order papers flow through them.

A paper is seen by sources (Sighting) and measured (Signal); an edition lists papers (EditionItem) and is frozen
(Compiled); each reader's digest is one Delivery; what comes back is a DeliveryEvent or a Verdict.
The database is the record of truth and the queue: everything else may be lost at any moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from subscriptions.models import Subscriber, Topic

if TYPE_CHECKING:
    from datetime import date, datetime

WEB = ("https://", "http://")


class PaperQuerySet(models.QuerySet["Paper"]):
    def published(self) -> PaperQuerySet:
        """What the public may see: not merged into another row and not hidden. Every page and feed uses this gate."""
        return self.filter(merged_into__isnull=True, is_hidden=False)

    def listed_on(self, day: date) -> PaperQuerySet:
        return self.published().filter(listed_on=day)

    def about(self, topic: Topic) -> PaperQuerySet:
        return self.filter(pk__in=PaperTopic.objects.filter(topic=topic, is_assigned=True).values("paper"))

    def with_code(self) -> PaperQuerySet:
        return self.exclude(code_url="")

    def with_topics(self) -> PaperQuerySet:
        """Brings what ``shown_topics`` reads, for all papers in one further query."""
        assigned = PaperTopic.objects.filter(is_assigned=True).select_related("topic")
        return self.prefetch_related(models.Prefetch("paper_topics", queryset=assigned))

    def newest_day(self) -> date | None:
        newest: date | None = self.published().aggregate(day=models.Max("listed_on"))["day"]
        return newest

    def day_before(self, day: date) -> date | None:
        """The nearest earlier day that has papers."""
        before: date | None = self.published().filter(listed_on__lt=day).aggregate(day=models.Max("listed_on"))["day"]
        return before

    def day_after(self, day: date) -> date | None:
        """The nearest later day that has papers."""
        after: date | None = self.published().filter(listed_on__gt=day).aggregate(day=models.Min("listed_on"))["day"]
        return after


class Paper(models.Model):
    """One research paper, whatever its versions and however many sources saw it."""

    arxiv_id = models.CharField(max_length=32, unique=True, null=True, blank=True, help_text=_("Without version."))
    title = models.CharField(max_length=500)
    title_key = models.CharField(max_length=500, db_index=True, editable=False, help_text=_("Normalised, for merging."))
    # The two ends of the key: near-duplicates are looked for only among papers that share one of them.
    title_head = models.CharField(max_length=24, db_index=True, editable=False, blank=True)
    title_tail = models.CharField(max_length=24, db_index=True, editable=False, blank=True)
    abstract = models.TextField(blank=True)
    authors = models.JSONField(default=list, blank=True)
    published_on = models.DateField(null=True, blank=True, help_text=_("First version. Empty when no source says."))
    listed_on = models.DateField(null=True, blank=True, db_index=True, help_text=_("The daily list it appeared on."))
    first_seen_at = models.DateTimeField()
    url = models.URLField(max_length=300, blank=True)
    code_url = models.URLField(max_length=300, blank=True)
    project_url = models.URLField(max_length=300, blank=True)
    thumbnail_url = models.URLField(max_length=300, blank=True)
    organization = models.CharField(max_length=200, blank=True)
    categories = models.JSONField(default=list, blank=True, help_text=_("arXiv categories, primary first."))
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    is_hidden = models.BooleanField(default=False, help_text=_("Kept out of listings and editions by a curator."))
    merged_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="merged")
    topics: models.ManyToManyField[Topic, PaperTopic] = models.ManyToManyField(Topic, through="PaperTopic")
    upvotes = models.PositiveIntegerField(default=0, help_text=_("Latest count, for showing."))
    github_stars = models.PositiveIntegerField(default=0, help_text=_("Latest count, for showing."))
    # Trend scores per cadence, written by ranking; zero for papers no source measures.
    score_daily = models.FloatField(default=0.0)
    score_weekly = models.FloatField(default=0.0)
    score_monthly = models.FloatField(default=0.0)
    score_parts = models.JSONField(default=dict, blank=True, help_text=_("The numbers behind the scores."))
    scored_at = models.DateTimeField(null=True, blank=True)

    objects = PaperQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-score_daily", "-id"], name="papers_by_daily_trend"),
            models.Index(fields=["-score_weekly", "-id"], name="papers_by_weekly_trend"),
            models.Index(fields=["-score_monthly", "-id"], name="papers_by_monthly_trend"),
            models.Index(fields=["listed_on", "-score_daily"], name="papers_of_a_day"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("newsletter:paper", args=[self.pk])

    @property
    def shown_topics(self) -> list[PaperTopic]:
        """The topics a page names, primary first. Lists of papers go through ``with_topics()`` before."""
        return [each for each in self.paper_topics.all() if each.is_assigned and each.topic.is_active]

    @property
    def home_url(self) -> str:
        """Where to read it: the source's page, else arXiv's, else ours."""
        if self.source_link:
            return self.source_link
        if self.arxiv_id:
            return f"https://arxiv.org/abs/{self.arxiv_id}"
        return settings.SITE_URL + self.get_absolute_url()

    @property
    def pdf_url(self) -> str:
        return f"https://arxiv.org/pdf/{self.arxiv_id}" if self.arxiv_id else ""

    @property
    def source_link(self) -> str:
        return self.url if self.url.startswith(WEB) else ""

    @property
    def code_link(self) -> str:
        """The code's address when it is one a page may link to: never a ``javascript:`` or ``data:`` one (SS15)."""
        return self.code_url if self.code_url.startswith(WEB) else ""

    @property
    def project_link(self) -> str:
        return self.project_url if self.project_url.startswith(WEB) else ""


class Merge(models.Model):
    """A curator's word that one paper is another, with what was moved for it, so that it can be taken back."""

    paper = models.OneToOneField(Paper, on_delete=models.CASCADE, related_name="merge")
    into = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="merges")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    moved = models.JSONField(default=dict, help_text=_("Keys of the rows that went over, and what was filled in."))

    def __str__(self) -> str:
        return f"{self.paper_id} into {self.into_id}"


class Sighting(models.Model):
    """A source showed this paper: where, at which rank, and when for the first time."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="sightings")
    source = models.CharField(max_length=32)
    key = models.CharField(max_length=128, help_text=_("The source's own key: an id, or the content hash of a page."))
    rank = models.PositiveIntegerField(null=True, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "key", "paper"], name="one_sighting_per_source_key_and_paper")
        ]

    def __str__(self) -> str:
        return f"{self.source}:{self.key} #{self.rank}"


class PaperTopic(models.Model):
    """How much a paper belongs to a topic, and who said so."""

    class Origin(models.TextChoices):
        CLASSIFIER = "classifier", _("classifier")
        CURATOR = "curator", _("curator")

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="paper_topics")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="paper_topics")
    score = models.FloatField()
    is_assigned = models.BooleanField(default=True, help_text=_("Shown as a topic of the paper."))
    is_primary = models.BooleanField(default=False)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.CLASSIFIER)

    class Meta:
        ordering = ["-is_primary", "-score"]
        constraints = [
            models.UniqueConstraint(fields=["paper", "topic"], name="one_score_per_paper_and_topic"),
            models.UniqueConstraint(fields=["paper"], condition=Q(is_primary=True), name="one_primary_topic_per_paper"),
        ]
        indexes = [models.Index(fields=["topic", "paper"], condition=Q(is_assigned=True), name="papers_of_a_topic")]

    def __str__(self) -> str:
        return f"{self.topic_id} {self.score:.2f}"


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


class EditionQuerySet(models.QuerySet["Edition"]):
    def sendable(self) -> EditionQuerySet:
        """Frozen editions that nobody paused: the only ones deliveries may be planned for or sent from."""
        return self.filter(state__in=[Edition.State.FROZEN, Edition.State.SENDING], paused_at__isnull=True)


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
    cutoff_at = models.DateTimeField(help_text=_("Papers after this belong to the next edition."))
    editor_note = models.TextField(blank=True, help_text=_("Plain text above the papers. Blank lines part paragraphs."))
    created_at = models.DateTimeField(auto_now_add=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True, help_text=_("No reader is planned for it after this."))
    done_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True)
    forgotten_at = models.DateTimeField(null=True, blank=True, help_text=_("The details of its deliveries are gone."))

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

    @property
    def is_editable(self) -> bool:
        return self.state in {self.State.DRAFT, self.State.APPROVED}


class EditionItemQuerySet(models.QuerySet["EditionItem"]):
    def issued(self) -> EditionItemQuerySet:
        """Places in editions that went out, newest first: what the public may know."""
        out = self.filter(edition__state__in=[Edition.State.SENDING, Edition.State.DONE])
        return out.exclude(standing=EditionItem.Standing.EXCLUDED).order_by("-edition__period_on", "edition__cadence")


class EditionItem(models.Model):
    """One paper's place in one edition, with the numbers that put it there."""

    class Lane(models.TextChoices):
        TRENDING = "trending", _("trending")
        PICK = "pick", _("editor's pick")

    class Standing(models.TextChoices):
        LISTED = "listed", _("listed")
        PINNED = "pinned", _("pinned")
        EXCLUDED = "excluded", _("excluded")

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="items")
    paper = models.ForeignKey(Paper, on_delete=models.PROTECT, related_name="edition_items")
    position = models.PositiveSmallIntegerField()
    lane = models.CharField(max_length=8, choices=Lane, default=Lane.TRENDING)
    standing = models.CharField(max_length=8, choices=Standing, default=Standing.LISTED)
    is_moved = models.BooleanField(default=False, help_text=_("A curator chose the position."))
    score = models.FloatField(default=0.0)
    parts = models.JSONField(default=dict, blank=True, help_text=_("The components of the score when drafted."))
    note = models.CharField(max_length=300, blank=True, help_text=_("A curator's line under the title."))

    objects = EditionItemQuerySet.as_manager()

    class Meta:
        ordering = ["edition", "position"]
        constraints = [models.UniqueConstraint(fields=["edition", "paper"], name="one_place_per_edition_and_paper")]

    def __str__(self) -> str:
        return f"{self.position}. {self.paper_id}"


class Compiled(models.Model):
    """A frozen edition's fragments, rendered and encoded once. Retries and late readers get these same bytes."""

    edition = models.OneToOneField(Edition, on_delete=models.CASCADE, related_name="compiled")
    fragments = models.JSONField()
    compiled_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"compiled {self.edition_id}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def claimable(self, now: datetime) -> DeliveryQuerySet:
        """Rows that a worker may take at ``now``: owed, due, and of an edition nobody paused."""
        return self.filter(
            not_before__lte=now,  # set for owed rows only, by a CHECK
            edition__in=Edition.objects.sendable(),
        )

    def remembered(self) -> DeliveryQuerySet:
        """Rows whose papers the reader has had, or may have had, or is about to get: never sent twice."""
        return self.exclude(state__in=[Delivery.State.SKIPPED, Delivery.State.FAILED])


class Delivery(models.Model):
    """One reader's digest of one edition: what was chosen and why, and how the sending went."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        CLAIMED = "claimed", _("claimed")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        RETRY = "retry", _("retry")
        FAILED = "failed", _("failed")
        SKIPPED = "skipped", _("skipped")
        UNKNOWN = "unknown", _("unknown")

    class Skip(models.TextChoices):
        EMPTY = "empty", _("no new paper in the followed topics")
        UNSUBSCRIBED = "unsubscribed", _("the reader left")
        SUPPRESSED = "suppressed", _("the address is suppressed")
        PAUSED = "paused", _("the reader paused")
        THIN = "thin", _("fewer papers than the reader wants a mail for")
        LATE = "late", _("too late to be news")
        CANCELLED = "cancelled", _("the edition was cancelled")
        REHEARSAL = "rehearsal", _("a rehearsal for others: see MAIL_DRY_RUN_TO")

    # The two unique constraints below serve the look-ups by edition and by reader. `state` stands in no index: a change
    # of state alone is then a heap-only update on PostgreSQL, which is most of what sending costs the database.
    edition = models.ForeignKey(Edition, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    skip_reason = models.CharField(max_length=12, choices=Skip, blank=True)
    local_on = models.DateField(help_text=_("The reader's local day it is for."))
    due_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True, help_text=_("Owed from then on; empty when not owed."))
    expires_at = models.DateTimeField(help_text=_("News gets stale: after this it is skipped, not sent."))
    domain = models.CharField(max_length=255, blank=True, help_text=_("Recipient's domain, for pacing."))
    picks = models.JSONField(default=list, help_text=_("Ordered [edition item, lane, reason] of what is sent."))
    claim = models.CharField(max_length=32, blank=True, help_text=_("The claim that holds or settled the row."))
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    size = models.PositiveIntegerField(default=0, help_text=_("Bytes on the wire."))
    reply = models.CharField(max_length=300, blank=True, help_text=_("The relay's last answer."))

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["edition", "subscriber"], name="one_delivery_per_edition_and_reader"),
            models.UniqueConstraint(fields=["subscriber", "local_on"], name="one_digest_per_reader_and_local_day"),
            models.CheckConstraint(
                name="delivery_state_is_known",
                condition=Q(
                    state__in=["queued", "claimed", "sending", "sent", "retry", "failed", "skipped", "unknown"]
                ),
            ),
            models.CheckConstraint(
                name="skipped_says_why",
                condition=(Q(state="skipped") & ~Q(skip_reason="")) | (~Q(state="skipped") & Q(skip_reason="")),
            ),
            models.CheckConstraint(
                name="held_rows_have_a_claim",
                condition=~Q(state__in=["claimed", "sending"]) | ~Q(claim=""),
            ),
            models.CheckConstraint(
                name="owed_rows_have_a_time",
                condition=Q(state__in=["queued", "retry"], not_before__isnull=False)
                | (~Q(state__in=["queued", "retry"]) & Q(not_before__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=Q(not_before__isnull=False), name="deliveries_owed"),
        ]

    def __str__(self) -> str:
        return f"{self.edition_id} to {self.subscriber_id}: {self.state}"


class Claim(models.Model):
    """One worker's hold on its rows, alive while it renews the lease. One small row, so renewing costs nothing."""

    token = models.CharField(max_length=32, primary_key=True)
    worker = models.CharField(max_length=100, help_text=_("Host and process."))
    lease_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.worker} until {self.lease_until:%H:%M:%S}"


class DeliveryEvent(models.Model):
    """Something that happened to a delivery, ours or reported back. Append-only; repeats carry the same event id."""

    class Kind(models.TextChoices):
        DEFERRED = "deferred", _("deferred")
        REJECTED = "rejected", _("rejected")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("unknown")
        DELIVERED = "delivered", _("delivered")
        BOUNCED = "bounced", _("the address does not exist")
        SOFT = "soft", _("bounced for now")
        COMPLAINED = "complained", _("marked as spam")
        UNSUBSCRIBED = "unsubscribed", _("asked to leave")
        SETTLED = "settled", _("settled by hand or log")

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    source = models.CharField(max_length=32, help_text=_("smtp, dsn, arf, webhook, relay log, operator …"))
    event_id = models.CharField(max_length=200, unique=True, null=True, blank=True)
    code = models.CharField(max_length=16, blank=True, help_text=_("Reply and enhanced status code."))
    phase = models.CharField(max_length=12, blank=True)
    text = models.CharField(max_length=300, blank=True)
    handled_at = models.DateTimeField(null=True, blank=True, help_text=_("When feedback acted on it."))

    class Meta:
        ordering = ["at", "pk"]
        indexes = [
            models.Index(fields=["delivery", "at"], name="events_of_a_delivery"),
            models.Index(fields=["id"], condition=Q(handled_at__isnull=True), name="events_to_handle"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"


class Verdict(models.Model):
    """A reader's word on one paper: more like this, or less."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="verdicts")
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="verdicts")
    value = models.SmallIntegerField(help_text=_("+1 more like this, -1 less."))
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "paper"], name="one_verdict_per_reader_and_paper"),
            models.CheckConstraint(name="verdict_is_up_or_down", condition=Q(value__in=[-1, 1])),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.value:+d} {self.paper_id}"


class Stream(models.Model):
    """The switch of one stream of mail (digest, confirm): paused by an operator, or by the circuit breaker."""

    name = models.CharField(max_length=32, primary_key=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text=_("Infrastructure errors in a row."))
    probe_at = models.DateTimeField(null=True, blank=True, help_text=_("The breaker lets one worker try again then."))

    def __str__(self) -> str:
        return f"{self.name}: {'paused' if self.paused_at else 'running'}"


class PaceBucket(models.Model):
    """Send allowance shared by all workers: for everything ("*") or for one recipient domain (SM11)."""

    scope = models.CharField(max_length=255, primary_key=True)
    tokens = models.FloatField()
    refilled_at = models.DateTimeField()
    day_on = models.DateField(help_text=_("The UTC day that sent_today counts."))
    sent_today = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.scope}: {self.tokens:.1f}"


class SourceHost(models.Model):
    """When a host, or a source, may be asked again: one rate rule, kept here, for all workers on all machines."""

    host = models.CharField(max_length=255, primary_key=True)
    free_at = models.DateTimeField()
    strikes = models.PositiveSmallIntegerField(default=0, help_text=_("Refusals in a row."))

    def __str__(self) -> str:
        return f"{self.host} from {self.free_at:%Y-%m-%d %H:%M:%S}"


class SourceRun(models.Model):
    """One question to one source, and what came of it."""

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
    retry_at = models.DateTimeField(null=True, blank=True, help_text=_("Not asked again before this."))
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("HTTP status."))
    read = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    merged = models.PositiveIntegerField(default=0)
    detail = models.CharField(max_length=300, blank=True)
    etag = models.CharField(max_length=200, blank=True)
    modified = models.CharField(max_length=64, blank=True, help_text=_("Last-Modified, as the host wrote it."))
    newest = models.CharField(max_length=32, blank=True, help_text=_("The highest identifier among the news."))

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
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M}: {self.state}"


class Heartbeat(models.Model):
    """When a part of the machine last did its work: the health page turns red when one falls silent."""

    name = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    detail = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"
