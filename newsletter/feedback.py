"""What comes back: bounces and complaints about deliveries, and readers' words on papers.

In: DeliveryEvents nobody handled yet, verdicts. Out: suppressed or unsubscribed readers, Verdict rows for the next
choice. May run twice: an event is handled once, a verdict is one row a reader and paper.
"""

from __future__ import annotations

from datetime import datetime

from newsletter.models import Delivery, Paper, Verdict
from subscriptions.models import Topic, TopicPreference


def give_verdict(delivery: Delivery, *, paper: Paper, value: int, now: datetime) -> None:
    """More like this (+1) or less (-1); saying it again or changing one's mind replaces the first word."""
    Verdict.objects.update_or_create(
        subscriber_id=delivery.subscriber_id, paper=paper, defaults={"value": value, "at": now}
    )


def take_back_verdict(delivery: Delivery, *, paper: Paper) -> None:
    Verdict.objects.filter(subscriber_id=delivery.subscriber_id, paper=paper).delete()


def mute_topic(delivery: Delivery, *, topic: Topic) -> None:
    """No paper of this topic from the next digest on."""
    TopicPreference.objects.update_or_create(
        subscriber_id=delivery.subscriber_id, topic=topic, defaults={"stance": TopicPreference.Stance.MUTE}
    )


def unmute_topic(delivery: Delivery, *, topic: Topic) -> None:
    TopicPreference.objects.filter(
        subscriber_id=delivery.subscriber_id, topic=topic, stance=TopicPreference.Stance.MUTE
    ).delete()
