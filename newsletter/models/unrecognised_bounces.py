"""Letters of the bounce mailbox, and events of providers, that no program could place: they wait for a person."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.deliveries import Delivery


class LetterQuerySet(models.QuerySet["Letter"]):
    def waiting(self) -> LetterQuerySet:
        return self.filter(judged_at__isnull=True)


class Letter(models.Model):
    """One letter, its beginning word for word. The whole of it stays where the mailbox sets letters aside.

    A provider's event is kept as a letter that says the same.
    """

    class Why(models.TextChoices):
        UNREAD = "unread", _("not understood")
        UNTIED = "untied", _("understood, but about no mail that is known here")
        UNPROVEN = "unproven", _("about a mail of ours by its Message-ID alone, which proves nothing")
        REFUSED = "refused", _("the database did not take it")

    class Judgement(models.TextChoices):
        HARD = "hard", _("the address does not exist")
        SOFT = "soft", _("it failed for now")
        COMPLAINT = "complaint", _("marked as spam")
        LEAVE = "leave", _("asked to leave")
        NOTHING = "nothing", _("nothing to us")

    received_at = models.DateTimeField()
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    sender = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    why = models.CharField(max_length=8, choices=Why, help_text=_("Why a person has to look at it."))
    taken_for = models.CharField(max_length=16, blank=True, help_text=_("What the program took it for, if anything."))
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True, blank=True, related_name="letters")
    data = models.BinaryField(editable=False)
    judgement = models.CharField(max_length=9, choices=Judgement, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    judged_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_judged_letter_says_when",
                condition=Q(judgement="", judged_at__isnull=True) | (~Q(judgement="") & Q(judged_at__isnull=False)),
            )
        ]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(judged_at__isnull=True), name="letters_that_wait"),
        ]

    def __str__(self) -> str:
        return f"{self.received_at:%Y-%m-%d %H:%M} {self.subject or _('(no subject)')}"
