"""The fields of a form by which a reader says of each topic: neither, follow, more of this, or mute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext

from subscriptions.models import Topic, TopicPreference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class StancesForm(forms.Form):
    """A field for each topic that is active; topics retired meanwhile keep their stance."""

    def __init__(self, *args: Any, stances: Mapping[str, str], **kwargs: Any) -> None:
        self._stances_before = stances
        self.known_topics = list(Topic.objects.filter(is_active=True).only("slug", "name", "description"))
        shown = {f"topic-{topic.slug}": stances.get(topic.slug, "") for topic in self.known_topics}
        self.stance_names = frozenset(shown)
        super().__init__(*args, **(kwargs | {"initial": {**(kwargs.get("initial") or {}), **shown}}))
        for topic in self.known_topics:
            self.fields[f"topic-{topic.slug}"] = forms.ChoiceField(
                label=topic.local_name, choices=[("", ""), *TopicPreference.Stance.choices], required=False
            )

    @property
    def stance_rows(self) -> Iterator[tuple[Topic, str, list[tuple[str, str, bool]]]]:
        """Topic, field name, and its options with the chosen one marked."""
        stance = TopicPreference.Stance
        options = [
            ("", gettext("neither")),
            *((one.value, one.label) for one in (stance.FOLLOW, stance.MORE, stance.MUTE)),
        ]
        for topic in self.known_topics:
            name = f"topic-{topic.slug}"
            chosen = self[name].value() or ""
            yield topic, name, [(value, str(label), value == chosen) for value, label in options]

    def stances(self) -> dict[str, str]:
        """Return topic slug -> stance, of a valid form; topics that are retired keep theirs."""
        chosen = {topic.slug: self.cleaned_data[f"topic-{topic.slug}"] for topic in self.known_topics}
        retired = {slug: stance for slug, stance in self._stances_before.items() if slug not in chosen}
        return retired | {slug: stance for slug, stance in chosen.items() if stance}
