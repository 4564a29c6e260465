"""Subscribers: address, state and preferences, with the topics and queries they follow.

Only lifecycle and suppression write a subscriber's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from subscriptions.models.suppressions import Suppression
from subscriptions.models.topics import Topic

if TYPE_CHECKING:
    from datetime import datetime

EVERY_DAY = 0b1111111
WEEKDAYS = 0b0011111  # bit 0 is Monday


def site_language() -> str:
    """The site's language, for readers who chose none."""
    return str(settings.LANGUAGE_CODE)[:8]


class SubscriberQuerySet(models.QuerySet["Subscriber"]):
    def mailable(self) -> SubscriberQuerySet:
        """Confirmed readers whose address is not suppressed: the only ones a digest may go to."""
        live = Suppression.objects.in_force().filter(address_hash=models.OuterRef("address_hash"))
        return self.filter(state=Subscriber.State.CONFIRMED).exclude(models.Exists(live))

    def due(self, now: datetime) -> SubscriberQuerySet:
        """Mailable readers whose next digest is due at ``now`` or was due before."""
        return self.mailable().filter(next_due_at__lte=now)


class Subscriber(models.Model):
    """One reader: an address, a state, and the preferences about schedule and length."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        CONFIRMED = "confirmed", _("confirmed")
        PAUSED = "paused", _("paused")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        SUPPRESSED = "suppressed", _("suppressed")
        ERASED = "erased", _("erased")

    class Cadence(models.TextChoices):
        DAILY = "daily", _("daily")
        WEEKLY = "weekly", _("weekly")
        MONTHLY = "monthly", _("monthly")

    class MailFormat(models.TextChoices):
        HTML = "html", _("HTML with a text part")
        PICTURES = "pics", _("HTML with pictures from this site")
        TEXT = "text", _("text only")
        FEED = "feed", _("no mail: my private feed")

    class ThinPolicy(models.TextChoices):
        SEND = "send", _("send it anyway")
        SKIP = "skip", _("skip it")
        WIDEN = "widen", _("fill it with trending papers from any topic")
        HOLD = "hold", _("keep the papers for the next one")

    # Null, so that many erased readers can share "no address". Uniqueness stands in Meta: unique=True would give each
    # column a second index for LIKE on PostgreSQL, and planning a digest updates every index of its reader.
    email = models.EmailField(null=True, help_text=_("The address we send to. Empty after erasure."))  # noqa: DJ001
    address_key = models.CharField(max_length=320, null=True, editable=False)  # noqa: DJ001
    address_hash = models.CharField(max_length=64, editable=False)
    domain = models.CharField(max_length=255, blank=True, editable=False)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    cadence = models.CharField(max_length=8, choices=Cadence, default=Cadence.DAILY)
    weekdays = models.PositiveSmallIntegerField(default=WEEKDAYS, help_text=_("Bit 0 is Monday; daily digests only."))
    hour = models.PositiveSmallIntegerField(default=8, help_text=_("Local hour, 0 to 23."))
    time_zone = models.CharField(max_length=64, default="UTC", help_text=_("IANA name."))
    max_papers = models.PositiveSmallIntegerField(default=10)
    thin_policy = models.CharField(max_length=5, choices=ThinPolicy, default=ThinPolicy.SEND)
    wants_outside = models.BooleanField(default=True, help_text=_("One paper outside the followed topics."))
    wants_news = models.BooleanField(default=True, db_default=True, help_text=_("News of papers they liked or saved."))
    wants_also = models.BooleanField(
        default=True, db_default=True, help_text=_("A line for each other new paper of their topics.")
    )
    wants_reasons = models.BooleanField(
        default=False, db_default=False, help_text=_("A short mail that says why, when no digest is sent.")
    )
    mail_format = models.CharField(max_length=4, choices=MailFormat, default=MailFormat.HTML)
    language = models.CharField(max_length=8, default=site_language)
    clicks_agreed_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("When the reader allowed counting of opened papers. Empty: not allowed."),
    )
    topics: models.ManyToManyField[Topic, TopicPreference] = models.ManyToManyField(Topic, through="TopicPreference")
    next_due_at = models.DateTimeField(null=True, blank=True)
    next_on = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("The local day of the next digest, where it is not the day it is due on."),
    )
    welcome_due_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("When a first digest became due. Empty when none is.")
    )
    paused_until = models.DateTimeField(null=True, blank=True)
    # Random, never expires, in every digest; looked up by its hash so that the lookup leaks no timing.
    unsubscribe_token = models.CharField(max_length=24, editable=False)
    unsubscribe_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)

    objects = SubscriberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address_key"], name="one_subscriber_per_address"),
            models.UniqueConstraint(fields=["unsubscribe_hash"], name="one_subscriber_per_unsubscribe_token"),
            models.CheckConstraint(
                name="subscriber_state_is_known",
                condition=Q(state__in=["pending", "confirmed", "paused", "unsubscribed", "suppressed", "erased"]),
            ),
            models.CheckConstraint(
                name="only_the_erased_have_no_address",
                condition=Q(state="erased", email__isnull=True, address_key__isnull=True)
                | (~Q(state="erased") & Q(email__isnull=False, address_key__isnull=False)),
            ),
            models.CheckConstraint(
                name="confirmed_readers_confirmed",
                condition=~Q(state__in=["confirmed", "paused"]) | Q(confirmed_at__isnull=False),
            ),
            models.CheckConstraint(name="hour_of_a_day", condition=Q(hour__lte=23)),
            models.CheckConstraint(name="weekdays_of_a_week", condition=Q(weekdays__gte=1, weekdays__lte=127)),
            models.CheckConstraint(name="papers_one_to_fifty", condition=Q(max_papers__gte=1, max_papers__lte=50)),
        ]
        indexes = [
            models.Index(fields=["address_hash"], name="subscribers_by_hash"),
            models.Index(fields=["cadence", "next_due_at"], condition=Q(state="confirmed"), name="confirmed_by_due"),
            # Almost empty: a reader waits a minute for a first digest, and all others are not in it.
            models.Index(
                fields=["welcome_due_at"], condition=Q(welcome_due_at__isnull=False), name="readers_to_welcome"
            ),
        ]

    def __str__(self) -> str:
        return self.email or _("erased reader %d") % self.pk


class TopicPreference(models.Model):
    """One reader's stance on one topic. No row: neither followed nor muted."""

    class Stance(models.TextChoices):
        MORE = "more", _("more of this")
        FOLLOW = "follow", _("follow")
        MUTE = "mute", _("mute")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="preferences")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="preferences")
    stance = models.CharField(max_length=6, choices=Stance, default=Stance.FOLLOW)
    muted_from = models.CharField(
        max_length=6, blank=True, help_text=_("The stance restored when a mute from an email is undone.")
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "topic"], name="one_stance_per_reader_and_topic"),
            models.CheckConstraint(name="stance_is_known", condition=Q(stance__in=["more", "follow", "mute"])),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.stance} {self.topic_id}"

    @staticmethod
    def for_export(rows: models.QuerySet[TopicPreference]) -> dict[int, dict[str, str]]:
        """Preference to its topic's slug, which other sites know: for the reader's own export."""
        return {pk: {"slug": slug} for pk, slug in rows.values_list("pk", "topic__slug")}


class Follow(models.Model):
    """A query one reader follows, or wants to see nothing of. Whatever is new and meant by it comes, or does not."""

    class Stance(models.TextChoices):
        FOLLOW = "follow", _("follow")
        NOT = "not", _("not")

    LONGEST = 300

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="follows")
    text = models.CharField(max_length=LONGEST, help_text=_("The query, as typed."))
    key = models.CharField(max_length=32, help_text=_("The key of the query's normalised form."))
    stance = models.CharField(max_length=6, choices=Stance, default=Stance.FOLLOW)
    at = models.DateTimeField()
    interest = models.ForeignKey(
        "subscriptions.Interest",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="follows",
        db_index=False,
        help_text=_("Empty: the reader's only or first."),
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "key"], name="one_follow_per_reader_and_query"),
            models.CheckConstraint(name="follow_stance_is_known", condition=Q(stance__in=["follow", "not"])),
        ]
        indexes = [
            models.Index(fields=["key"], name="follows_by_query"),
            models.Index(fields=["interest"], condition=Q(interest__isnull=False), name="follows_by_interest"),
        ]

    def __str__(self) -> str:
        return self.text
