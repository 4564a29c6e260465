"""Readers' verdicts on papers ("more like this", "less like this"), and what they mute or follow no more from a digest.

In: a delivery and what its reader pressed. Out: rows of verdicts, topic preferences and follows; pressing twice changes
nothing.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from newsletter.models import Delivery, Paper, Verdict
from subscriptions.models import Follow, Topic, TopicPreference


def give_verdict(delivery: Delivery, *, paper: Paper, value: int, now: datetime) -> None:
    """Store “more like this” (+1) or “less like this” (-1). A later verdict replaces the earlier one."""
    Verdict.objects.update_or_create(
        subscriber_id=delivery.subscriber_id, paper=paper, defaults={"value": value, "at": now}
    )


def take_back_verdict(delivery: Delivery, *, paper: Paper) -> None:
    Verdict.objects.filter(subscriber_id=delivery.subscriber_id, paper=paper).delete()


def mute_topic(delivery: Delivery, *, topic: Topic) -> None:
    """No paper of this topic from the next digest on."""
    preference, is_new = TopicPreference.objects.get_or_create(
        subscriber_id=delivery.subscriber_id, topic=topic, defaults={"stance": TopicPreference.Stance.MUTE}
    )
    if not is_new and preference.stance != TopicPreference.Stance.MUTE:
        preference.muted_from, preference.stance = preference.stance, TopicPreference.Stance.MUTE
        preference.save(update_fields=["stance", "muted_from"])


def unmute_topic(delivery: Delivery, *, topic: Topic) -> None:
    """As it was before the mute: followed again when it was followed."""
    muted = TopicPreference.objects.filter(
        subscriber_id=delivery.subscriber_id, topic=topic, stance=TopicPreference.Stance.MUTE
    )
    muted.exclude(muted_from="").update(stance=F("muted_from"), muted_from="")
    muted.filter(muted_from="").delete()


def stop_following(delivery: Delivery, *, key: str) -> None:
    """Nothing more comes for this query from the next digest on."""
    Follow.objects.filter(subscriber_id=delivery.subscriber_id, key=key).delete()


def follow_again(delivery: Delivery, *, key: str, text: str, now: datetime) -> None:
    """As it was before `stop_following`."""
    Follow.objects.get_or_create(subscriber_id=delivery.subscriber_id, key=key, defaults={"text": text, "at": now})
