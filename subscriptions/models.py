"""People: what topics there are, who reads, what they agreed to, and whom we must never write to again.

In: forms and lifecycle. Out: rows that the pipeline reads. Only lifecycle and suppression write a subscriber's state.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

EVERY_DAY = 0b1111111
WEEKDAYS = 0b0011111  # bit 0 is Monday
TRANSLATIONS_KEPT_SECONDS = 60


def site_language() -> str:
    """The site's language, for readers who chose none."""
    return str(settings.LANGUAGE_CODE)[:8]


class Topic(models.Model):
    """A field of research that readers follow and papers are sorted into. Curators edit these."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=400, help_text=_("One line that readers understand."))
    keywords = models.JSONField(default=list, blank=True, help_text=_("Phrases that papers of this topic use."))
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def local_name(self) -> str:
        """The name in the active language; the topic's own (English) one where curators have not translated it."""
        return local_texts().get(self.pk, self).name

    @property
    def local_description(self) -> str:
        return local_texts().get(self.pk, self).description or self.description


class TopicTranslation(models.Model):
    """A topic's name and description in another language. Curators edit these beside the topic."""

    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="translations")
    language = models.CharField(max_length=10, help_text=_("Language code, such as de."))
    name = models.CharField(max_length=80)
    description = models.CharField(
        max_length=400, blank=True, help_text=_("Empty: readers see the English description.")
    )

    class Meta:
        ordering = ["language"]
        constraints = [
            models.UniqueConstraint(fields=["topic", "language"], name="one_translation_per_topic_and_language")
        ]

    def __str__(self) -> str:
        return f"{self.language}: {self.name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget_local_texts()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        forget_local_texts()
        return super().delete(*args, **kwargs)


def local_texts() -> Mapping[int, TopicTranslation]:
    """Translations in the active language by topic. Each process reads them once a minute, not once a topic."""
    language = get_language() or "en"
    if language.startswith("en"):
        return {}
    read_at, found = _local_texts.get(language, (-math.inf, {}))
    if time.monotonic() - read_at >= TRANSLATIONS_KEPT_SECONDS:
        found = {row.topic_id: row for row in TopicTranslation.objects.filter(language=language)}
        _local_texts[language] = time.monotonic(), found
    return found


def forget_local_texts() -> None:
    """Make this process read the translations again; others do within a minute."""
    _local_texts.clear()


_local_texts: dict[str, tuple[float, dict[int, TopicTranslation]]] = {}


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
        TEXT = "text", _("text only")

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
            # Almost empty: whoever waits for a first digest does so for a minute. All others stand in no such index.
            models.Index(
                fields=["welcome_due_at"], condition=Q(welcome_due_at__isnull=False), name="readers_to_welcome"
            ),
        ]

    def __str__(self) -> str:
        return self.email or f"erased reader {self.pk}"


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

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "key"], name="one_follow_per_reader_and_query"),
            models.CheckConstraint(name="follow_stance_is_known", condition=Q(stance__in=["follow", "not"])),
        ]
        indexes = [models.Index(fields=["key"], name="follows_by_query")]

    def __str__(self) -> str:
        return self.text


class ConsentEvent(models.Model):
    """One step of what a reader agreed to or took back. Append-only: the proof that GDPR Art. 7(1) asks for."""

    class Kind(models.TextChoices):
        REQUESTED = "requested", _("asked to subscribe")
        CONFIRMED = "confirmed", _("confirmed the address")
        CHANGED = "changed", _("changed preferences")
        PAUSED = "paused", _("paused")
        RESUMED = "resumed", _("resumed")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        COMPLAINED = "complained", _("marked a mail as spam")
        SUPPRESSED = "suppressed", _("suppressed")
        IMPORTED = "imported", _("imported by an operator")
        COUNTED = "counted", _("allowed counting of opened papers")
        UNCOUNTED = "uncounted", _("withdrew counting of opened papers")
        EXPORTED = "exported", _("downloaded their data")
        ERASED = "erased", _("erased")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="consent_events")
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    method = models.CharField(
        max_length=32, help_text=_("Where it happened: banner, page, api, one-click, mail, admin …")
    )
    form_version = models.CharField(max_length=32, blank=True, help_text=_("Version of the consent text shown."))
    source_url = models.CharField(max_length=300, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    detail = models.JSONField(default=dict, blank=True, help_text=_("Topics and preferences at that time, reason …"))

    class Meta:
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["subscriber", "kind", "at"], name="consent_by_reader")]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.kind} {self.at:%Y-%m-%d %H:%M}"


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def in_force(self) -> SuppressionQuerySet:
        return self.filter(lifted_at__isnull=True)


class Suppression(models.Model):
    """An address that must not be mailed, kept as a keyed hash only, so that it outlives erasure."""

    class Reason(models.TextChoices):
        BOUNCE = "bounce", _("the address does not exist")
        COMPLAINT = "complaint", _("marked as spam")
        ADMIN = "admin", _("by an operator")
        ERASED = "erased", _("erased at the reader's request")

    address_hash = models.CharField(max_length=64, unique=True)
    reason = models.CharField(max_length=10, choices=Reason)
    source = models.CharField(max_length=64, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="suppression_reason_is_known", condition=Q(reason__in=["bounce", "complaint", "admin", "erased"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.address_hash[:8]}…"


class Notice(models.Model):
    """One mail to one person that is not a digest: confirmation, a fresh link, a goodbye. Owed until settled.

    Committed with its cause, sent by the `confirm` queue or by the next tick, so a signup succeeds with Redis away.
    """

    class Kind(models.TextChoices):
        CONFIRM = "confirm", _("please confirm")
        ALREADY = "already", _("you are already subscribed")
        MANAGE = "manage", _("your preferences link")
        MOVE = "move", _("please confirm your new address")
        MOVED = "moved", _("your address was changed")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        SKIPPED = "skipped", _("skipped")
        UNKNOWN = "unknown", _("unknown")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    context = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="notice_state_is_known",
                condition=Q(state__in=["queued", "sending", "sent", "failed", "skipped", "unknown"]),
            )
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=Q(state="queued"), name="notices_owed"),
            models.Index(fields=["subscriber", "kind", "created_at"], name="notices_of_a_reader"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.subscriber_id}: {self.state}"


class Allowance(models.Model):
    """Token bucket of a rate limit: when it is full again (see rate_limits.py)."""

    name = models.CharField(max_length=100, unique=True, help_text=_("What is limited, and a keyed hash of whom."))
    # A number, so that one statement can compare and add on every database.
    full_at_ms = models.BigIntegerField(db_index=True, help_text=_("Milliseconds since 1970."))

    def __str__(self) -> str:
        return self.name


class RefusedRequest(models.Model):
    """How many requests for mail were turned away on one day (UTC) for one reason. Says nothing of anybody."""

    class Reason(models.TextChoices):
        FAST = "fast", _("sent faster than a person reads")
        HIDDEN = "hidden", _("filled in the hidden field")
        GUARD = "guard", _("refused by SIGNUP_GUARD")
        MAILBOX = "mailbox", _("one mailbox was written to within the hour or three times today")
        NETWORK = "network", _("too many from one network")
        DOMAIN = "domain", _("too many for one mail domain")
        EVERYBODY = "everybody", _("too many altogether")
        SUPPRESSED = "suppressed", _("the address is suppressed")

    on = models.DateField()
    reason = models.CharField(max_length=10, choices=Reason)
    requests = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-on", "reason"]
        constraints = [models.UniqueConstraint(fields=["on", "reason"], name="one_count_per_day_and_reason")]

    def __str__(self) -> str:
        return f"{self.on} {self.reason}: {self.requests}"


def may_sign_up() -> list[str]:
    """Default permissions of a key."""
    return [ApiKey.Scope.SUBSCRIBERS.value]


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def valid(self) -> ApiKeyQuerySet:
        return self.filter(revoked_at__isnull=True)

    def revoke(self, *, now: datetime) -> int:
        """Refuse these keys from now on; returns how many were valid until now."""
        return self.valid().update(revoked_at=now)


class ApiKey(models.Model):
    """A program of the operator's and what it may write. The key itself is known to that program alone."""

    class Scope(models.TextChoices):
        SUBSCRIBERS = "subscribers:write", _("sign readers up")
        PAPERS = "papers:write", _("submit papers")

    name = models.CharField(
        max_length=80, help_text=_("The program that uses it; stored with the consent of readers it signs up.")
    )
    key_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(
        default=may_sign_up, db_default=["subscribers:write"], help_text=_("What the key permits.")
    )
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        constraints = [
            models.UniqueConstraint(fields=["name"], name="one_api_key_per_name"),
            models.UniqueConstraint(fields=["key_hash"], name="one_api_key_per_hash"),
        ]

    def __str__(self) -> str:
        return self.name
