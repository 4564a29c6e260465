"""Relay and sender names as operators set them in the desk, one row a version."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class MailSettings(models.Model):
    """One version of relay and sender names. It counts once it carried test mails and a person put it in force."""

    relay = models.TextField(blank=True, help_text=_("The relay's address, encrypted. Empty: that of EMAIL_URL."))
    digest_name = models.CharField(max_length=100, blank=True, help_text=_("Empty: that of DIGEST_FROM_EMAIL."))
    notice_name = models.CharField(max_length=100, blank=True, help_text=_("Empty: that of DEFAULT_FROM_EMAIL."))
    by = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True, blank=True, help_text=_("When all its test mails were accepted."))
    in_force_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text=_("When somebody went back to what was before."))

    class Meta:
        ordering = ["-pk"]
        verbose_name = verbose_name_plural = _("mail settings")
        constraints = [
            models.CheckConstraint(
                name="mail_settings_are_tried_first",
                condition=models.Q(in_force_at__isnull=True) | models.Q(tried_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.made_at:%Y-%m-%d %H:%M}"
