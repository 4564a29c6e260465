"""Topics that readers follow and papers are sorted into, and their names in other languages."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSLATIONS_KEPT_SECONDS = 60


class Topic(models.Model):
    """A field of research that readers follow and papers are sorted into. Curators edit these."""

    class Field(models.TextChoices):
        """Fields of science. Topics of one are a set that curators switch on and off."""

        COMPUTER_SCIENCE = "computer-science", _("Computer science")
        PHYSICS = "physics", _("Physics")
        MATHEMATICS = "mathematics", _("Mathematics and statistics")
        BIOLOGY_MEDICINE = "biology-medicine", _("Biology and medicine")
        ECONOMICS = "economics", _("Economics and finance")
        CHEMISTRY_MATERIALS = "chemistry-materials", _("Chemistry and materials")
        EARTH_ENVIRONMENT = "earth-environment", _("Earth and environment")
        ENGINEERING = "engineering", _("Engineering")
        SOCIAL_SCIENCES = "social-sciences", _("Social sciences and humanities")

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=400, help_text=_("One line that readers understand."))
    keywords = models.JSONField(default=list, blank=True, help_text=_("Phrases that papers of this topic use."))
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    field = models.CharField(max_length=30, choices=Field, blank=True, default="", db_default="")

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
