"""The secret address at which a reader's own digests can be read as a feed."""

from __future__ import annotations

from django.db import models

from subscriptions.models import Subscriber


class DigestFeed(models.Model):
    """The feed of one reader's digests. Deleting the row revokes its address; a new row has another one."""

    subscriber = models.OneToOneField(Subscriber, on_delete=models.CASCADE, related_name="digest_feed")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"of {self.subscriber_id} since {self.at:%Y-%m-%d}"
