"""Each reader's digest and its outcome: deliveries, the claims that hold them, reported events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.editions import Edition, EditionItem
from newsletter.models.papers import Paper
from subscriptions.models import Interest, Subscriber, Topic

if TYPE_CHECKING:
    from datetime import datetime


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def claimable(self, now: datetime) -> DeliveryQuerySet:
        """Rows that a worker may claim at ``now``: queued or to retry, due, and of an edition that is not paused."""
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
        EMPTY = "empty", _("no new ranked paper in the followed topics")
        UNSUBSCRIBED = "unsubscribed", _("the reader unsubscribed")
        SUPPRESSED = "suppressed", _("the address is suppressed")
        PAUSED = "paused", _("the reader paused")
        THIN = "thin", _("fewer papers than the reader wants a mail for")
        LATE = "late", _("too late to be news")
        CANCELLED = "cancelled", _("the edition was cancelled")
        REHEARSAL = "rehearsal", _("a rehearsal for others: see MAIL_DRY_RUN_TO")
        RESTORED = "restored", _("sent before a restore, as far as is known")

    # The two unique constraints below serve the look-ups by edition and by reader. `state` stands in no index: a change
    # of state alone is then a heap-only update on PostgreSQL, which is most of what sending costs the database.
    edition = models.ForeignKey(Edition, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    skip_reason = models.CharField(max_length=12, choices=Skip, blank=True)
    is_welcome = models.BooleanField(
        default=False, db_default=False, help_text=_("The first digest, right after confirming.")
    )
    local_on = models.DateField(help_text=_("The reader's local day it is for."))
    due_at = models.DateTimeField()
    not_before = models.DateTimeField(
        null=True, blank=True, help_text=_("Send no earlier than this. Empty once settled.")
    )
    expires_at = models.DateTimeField(help_text=_("Skipped instead of sent after this."))
    domain = models.CharField(max_length=255, blank=True, help_text=_("Recipient's domain, for pacing."))
    # What comes back is judged against it, for a reader may move. Null: planned by older code, or forgotten since.
    address_hash = models.CharField(  # noqa: DJ001
        max_length=64, null=True, editable=False, help_text=_("Keyed hash of the address it was sent to.")
    )
    # Of a reader who keeps interests apart each has a fourth value: the key of the interest it came by, or 0.
    picks = models.JSONField(default=list, help_text=_("The digest: [edition item, lane, reason], in order."))
    news = models.JSONField(
        default=list,
        db_default=[],
        help_text=_("News of papers that the reader liked or saved: [paper, kind]."),
    )
    also = models.JSONField(
        default=dict,
        db_default={},
        help_text=_("Of which topics the other new papers are listed below the digest, and which of them are not."),
    )
    claim = models.CharField(max_length=32, blank=True, help_text=_("The claim that holds or settled this row."))
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    size = models.PositiveIntegerField(default=0, help_text=_("Size in bytes as sent."))
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
        return f"{self.edition_id} → {self.subscriber_id}: {self.get_state_display()}"

    @staticmethod
    def for_export(rows: models.QuerySet[Delivery]) -> dict[int, dict[str, Any]]:
        """Delivery to its papers by title, topics by name, and what was reported: for the reader's own export."""
        picks = dict(rows.values_list("pk", "picks"))
        items = EditionItem.objects.filter(pk__any_of=[item for chosen in picks.values() for item, *_ in chosen])
        titles = dict(items.values_list("pk", "paper__title"))
        names = dict(Interest.objects.filter(subscriber__in=rows.values("subscriber")).values_list("pk", "name"))
        told: dict[int, dict[str, Any]] = {
            pk: {
                "picks": [
                    {"title": titles.get(item, ""), "lane": lane, "reason": why}
                    | ({"interest": names[interest[0]]} if interest and interest[0] in names else {})
                    for item, lane, why, *interest in chosen
                ],
                "events": [],
            }
            for pk, chosen in picks.items()
        }
        names = dict(Topic.objects.values_list("pk", "name"))
        for pk, also in rows.values_list("pk", "also"):
            told[pk]["also"] = {
                name: [names.get(topic, "") for topic in value] if name in {"topics", "mutes"} else value
                for name, value in also.items()
            }
        for event in DeliveryEvent.objects.filter(delivery__in=rows).values():
            told[event["delivery_id"]]["events"].append(event)
        return told


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
        UNSUBSCRIBED = "unsubscribed", _("asked to unsubscribe")
        SETTLED = "settled", _("settled by hand or log")

    MESSAGE_ID = "message-id"  # of `tied_by`

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    source = models.CharField(max_length=32, help_text=_("smtp, provider, dsn, arf, webhook, relay log, operator …"))
    tied_by = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text=_("What showed which delivery it is about; a Message-ID alone proves nothing."),
    )
    event_id = models.CharField(max_length=200, unique=True, null=True, blank=True)
    code = models.CharField(max_length=16, blank=True, help_text=_("Reply and enhanced status code."))
    phase = models.CharField(max_length=12, blank=True)
    text = models.CharField(max_length=300, blank=True)
    handled_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the reader's state was updated from it.")
    )

    class Meta:
        ordering = ["at", "pk"]
        indexes = [
            models.Index(fields=["delivery", "at"], name="events_of_a_delivery"),
            models.Index(fields=["id"], condition=Q(handled_at__isnull=True), name="events_to_handle"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.code}"

    @property
    def is_proven(self) -> bool:
        """Whether who reported it has our mail, or is us. Replies and archives copy a Message-ID for anybody to see."""
        return self.tied_by != self.MESSAGE_ID


class Verdict(models.Model):
    """A reader's word on one paper: more like this, or less."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="verdicts")
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="verdicts")
    value = models.SmallIntegerField(help_text=_("+1 more like this, -1 less."))
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
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "paper"], name="one_verdict_per_reader_and_paper"),
            models.CheckConstraint(name="verdict_is_up_or_down", condition=Q(value__in=[-1, 1])),
        ]
        indexes = [
            models.Index(fields=["interest"], condition=Q(interest__isnull=False), name="verdicts_by_interest"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.value:+d} {self.paper_id}"

    @staticmethod
    def for_export(rows: models.QuerySet[Verdict]) -> dict[int, dict[str, str | None]]:
        """Verdict to the arXiv id of its paper, by which other sites know it: for the reader's own export."""
        return {pk: {"arxiv_id": arxiv_id} for pk, arxiv_id in rows.values_list("pk", "paper__arxiv_id")}


class Miss(models.Model):
    """An hour of one reader at which no digest was planned for them, and why: "nothing came" has an answer too."""

    class Why(models.TextChoices):
        NOTHING = "nothing", _("no edition was ready")
        HAD_IT = "had it", _("had the newest edition already")
        DAY_TAKEN = "day taken", _("had another digest on that day")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="misses")
    due_at = models.DateTimeField()
    why = models.CharField(max_length=9, choices=Why)
    at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "misses"
        constraints = [
            models.CheckConstraint(name="miss_says_why", condition=Q(why__in=["nothing", "had it", "day taken"])),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} at {self.due_at:%Y-%m-%d %H:%M}: {self.why}"


class ClickQuerySet(models.QuerySet["Click"]):
    def counted(self) -> ClickQuerySet:
        """Clicks that look human, of readers who still allow counting.

        A scanner fetches a mail's links within a minute of its arrival, or several papers within a second; nobody
        reads so fast. What a slower scanner fetches is counted: the number is a hint to curators and nothing else.
        """
        beside = Click.objects.filter(
            delivery=OuterRef("delivery"),
            at__gte=OuterRef("at") - Click.BURST,
            at__lte=OuterRef("at") + Click.BURST,
        )
        papers = beside.order_by().values("delivery").annotate(papers=Count("item", distinct=True))
        return self.filter(
            ~Exists(papers.filter(papers__gte=Click.BURST_PAPERS)),
            subscriber__clicks_agreed_at__lte=F("at"),
            at__gte=F("delivery__sent_at") + Click.TOO_SOON,
        )


class Click(models.Model):
    """A reader who agreed to it opened one link of one paper of their digest. Once, however often it is opened."""

    TOO_SOON = timedelta(seconds=60)  # after the mail was handed over
    BURST = timedelta(seconds=1)
    BURST_PAPERS = 3

    class Kind(models.TextChoices):
        PAPER = "p", _("the paper's page")
        FILE = "f", _("its PDF")
        CODE = "c", _("its code")
        MODEL = "m", _("its model")
        DATA = "d", _("its data")
        DEMO = "s", _("its demo")
        HOME = "h", _("the project's home page")

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="clicks", db_index=False)
    item = models.ForeignKey(EditionItem, on_delete=models.CASCADE, related_name="clicks")
    # The delivery's own reader, once more: what points to a reader is exported with their data and erased with it.
    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="clicks")
    kind = models.CharField(max_length=1, choices=Kind)
    at = models.DateTimeField()

    objects = ClickQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "item", "kind"], name="one_click_per_link_of_a_delivery"),
            models.CheckConstraint(
                name="click_kind_is_known", condition=Q(kind__in=["p", "f", "c", "m", "d", "s", "h"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.item_id} {self.kind}"

    @staticmethod
    def for_export(rows: models.QuerySet[Click]) -> dict[int, dict[str, Any]]:
        """Click to the title of its paper: for the reader's own export."""
        return {pk: {"paper": title} for pk, title in rows.values_list("pk", "item__paper__title")}
