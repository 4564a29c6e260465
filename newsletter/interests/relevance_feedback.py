"""Readers' verdicts on papers ("more like this", "less like this"), and what they mute or follow no more from a digest.

In: a delivery, what its reader pressed, and the interest that the paper came by where they keep several apart (None:
their only or first). Out: rows of verdicts, topics and follows of that interest; pressing twice changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet

from newsletter.models import Delivery, Paper, Verdict
from subscriptions.models import Follow, Interest, InterestTopic, Topic, TopicPreference


def interest_of(delivery: Delivery, *, item: int) -> Interest | None:
    """The interest that an item of this digest came by; None for the first, and where it is gone."""
    key = next((interest[0] for pk, _lane, _reason, *interest in delivery.picks if pk == item and interest), 0)
    return Interest.objects.filter(subscriber=delivery.subscriber_id, pk=key, is_first=False).first() if key else None


def give_verdict(
    delivery: Delivery, *, paper: Paper, value: int, now: datetime, interest: Interest | None = None
) -> None:
    """Store “more like this” (+1) or “less like this” (-1). A later verdict replaces the earlier one."""
    Verdict.objects.update_or_create(
        subscriber_id=delivery.subscriber_id, paper=paper, defaults={"value": value, "at": now, "interest": interest}
    )


def take_back_verdict(delivery: Delivery, *, paper: Paper) -> None:
    Verdict.objects.filter(subscriber_id=delivery.subscriber_id, paper=paper).delete()


def mute_topic(delivery: Delivery, *, topic: Topic, interest: Interest | None = None) -> None:
    """Mute a topic from the next digest on."""
    mute = TopicPreference.Stance.MUTE
    rows = _stances(delivery, interest).filter(topic=topic)
    if rows.exclude(stance=mute).update(muted_from=F("stance"), stance=mute):
        return
    owner = {"interest": interest} if interest else {"subscriber_id": delivery.subscriber_id}
    rows.get_or_create(**owner, topic=topic, defaults={"stance": mute})


def unmute_topic(delivery: Delivery, *, topic: Topic, interest: Interest | None = None) -> None:
    """Undo a mute: the topic is followed again when it was followed before."""
    muted = _stances(delivery, interest).filter(topic=topic, stance=TopicPreference.Stance.MUTE)
    muted.exclude(muted_from="").update(stance=F("muted_from"), muted_from="")
    muted.filter(muted_from="").delete()


def muted_topics(delivery: Delivery, *, interest: Interest | None = None) -> set[str]:
    """Slugs of the topics that the reader muted."""
    muted = _stances(delivery, interest).filter(stance=TopicPreference.Stance.MUTE)
    return set(muted.values_list("topic__slug", flat=True))


def _stances(delivery: Delivery, interest: Interest | None) -> QuerySet[Any]:
    if interest is not None:
        return InterestTopic.objects.filter(interest=interest)
    return TopicPreference.objects.filter(subscriber=delivery.subscriber_id)


def stop_following(delivery: Delivery, *, key: str) -> None:
    """Stop following a query from the next digest on."""
    Follow.objects.filter(subscriber_id=delivery.subscriber_id, key=key).delete()


def follow_again(delivery: Delivery, *, key: str, text: str, now: datetime, interest: Interest | None = None) -> None:
    """Undo `stop_following`."""
    fields = {"text": text, "at": now, "interest": interest}
    Follow.objects.get_or_create(subscriber_id=delivery.subscriber_id, key=key, defaults=fields)
