"""Interests that a reader keeps apart. Who has one interest only has no row here."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from subscriptions.models.subscribers import Subscriber, TopicPreference
from subscriptions.models.topics import Topic


class Interest(models.Model):
    """One of the several interests of a reader, by a name of theirs, and its share of the digest.

    The first is what the reader had before they named another: the topics of `TopicPreference`, and the follows,
    library entries and verdicts without an interest are its.
    """

    class Unit(models.TextChoices):
        PERCENT = "percent", _("per cent of the digest")
        PAPERS = "papers", _("papers")

    LONGEST_NAME = 60

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="interests", db_index=False)
    name = models.CharField(max_length=LONGEST_NAME)
    position = models.PositiveSmallIntegerField(default=0, help_text=_("Its place in the digest."))
    is_first = models.BooleanField(default=False, editable=False)
    is_on = models.BooleanField(default=True)
    share = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("Empty: as much as the others without a share.")
    )
    unit = models.CharField(max_length=7, choices=Unit, default=Unit.PERCENT)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "name"], name="one_interest_per_reader_and_name"),
            models.UniqueConstraint(
                fields=["subscriber"], condition=Q(is_first=True), name="one_first_interest_per_reader"
            ),
            models.CheckConstraint(
                name="interest_share_is_a_part", condition=Q(share=None) | Q(share__gte=1, share__lte=100)
            ),
            models.CheckConstraint(name="interest_unit_is_known", condition=Q(unit__in=["percent", "papers"])),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def own_rows(self) -> Interest | None:
        """What follows, library entries and verdicts of this interest name: nothing when it is the first."""
        return None if self.is_first else self

    @staticmethod
    def for_export(rows: models.QuerySet[Interest]) -> dict[int, dict[str, Any]]:
        """Interest to its topics: for the reader's own export."""
        told: dict[int, dict[str, Any]] = {pk: {"topics": []} for pk in rows.values_list("pk", flat=True)}
        named = InterestTopic.objects.filter(interest__in=rows).order_by("pk")
        columns = {"topic": "topic__name", "slug": "topic__slug", "stance": "stance", "muted_from": "muted_from"}
        for pk, *values in named.values_list("interest_id", *columns.values()):
            told[pk]["topics"].append(dict(zip(columns, values, strict=True)))
        return told


class InterestTopic(models.Model):
    """The stance of one interest, which is not the first, on one topic. No row: neither followed nor muted."""

    interest = models.ForeignKey(Interest, on_delete=models.CASCADE, related_name="topics", db_index=False)
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="+")
    stance = models.CharField(max_length=6, choices=TopicPreference.Stance, default=TopicPreference.Stance.FOLLOW)
    muted_from = models.CharField(
        max_length=6, blank=True, help_text=_("The stance restored when a mute from an email is undone.")
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["interest", "topic"], name="one_stance_per_interest_and_topic"),
            models.CheckConstraint(name="interest_stance_is_known", condition=Q(stance__in=["more", "follow", "mute"])),
        ]

    def __str__(self) -> str:
        return f"{self.interest_id} {self.stance} {self.topic_id}"
