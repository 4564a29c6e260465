"""An edition's ranking on the desk: the rows as a form, what their buttons do, and the changes that can be undone.

In: a curator's clicks, keys and words. Out: calls of the curation step. Without a script every button sends the form:
what is typed is stored first, then the button's act is done; with one, the same answer is put into the page.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.admin import TabularInline

from newsletter.catalogue.topics import assignment
from newsletter.editions import curation, revisions
from newsletter.editions.lifecycle import EditionStateError
from newsletter.mail.reasons import reasons
from newsletter.models import Edition, EditionItem, EditionRevision, PaperTopic, Sighting
from newsletter.planning.edition_reach import Reach
from subscriptions.models import Topic

CHANGES_SHOWN = 20
KEPT_SECONDS = 3600


class ItemForm(forms.ModelForm):  # type: ignore[type-arg]
    """One row of the ranking. Carries what its author saw, so that only what they changed is stored.

    The ranking is refreshed while somebody edits it; without this, every position that moved meanwhile would be
    stored as the curator's choice.
    """

    class Meta:
        model = EditionItem
        fields = ("position", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["note"].widget.attrs["placeholder"] = self.fields["note"].label
        words = {"position": _("Position of"), "note": _("Note under")}
        for name, field in self.fields.items():
            field.show_hidden_initial = True
            if name in words and self.instance.pk:  # the column's heading does not reach a screen reader here
                field.widget.attrs["aria-label"] = f"{words[name]} {self.instance.paper.title}"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in set(cleaned).intersection(self.Meta.fields).difference(self.changed_data):
            cleaned[name] = getattr(self.instance, name)
        seen = self.data.get(self["note"].html_initial_name, "")
        if "note" in self.changed_data and self.instance.note not in {seen, cleaned.get("note")}:
            said = _("Somebody else has changed this meanwhile, to: “%s”. Load the page anew to change it.")
            self.add_error("note", said % self.instance.note)
        return cleaned


class ItemInline(TabularInline):  # type: ignore[misc]
    """The ranking as a curator edits it."""

    model = EditionItem
    form = ItemForm
    fields = ("position", "note")
    template = "admin/newsletter/ranking.html"
    ordering = ("position", "pk")
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[EditionItem]:
        rows: QuerySet[EditionItem] = super().get_queryset(request).exclude(standing__in=EditionItem.FOR_SOME)
        topics = PaperTopic.objects.select_related("topic").order_by("-is_primary", "-score")
        sightings = Sighting.objects.only("paper", "source")
        return rows.select_related("paper").prefetch_related(
            Prefetch("paper__paper_topics", queryset=topics.filter(is_assigned=True)),
            Prefetch("paper__sightings", queryset=sightings),
        )

    def has_add_permission(self, request: HttpRequest, obj: Edition | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Edition | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_editable)


def fill(items: Iterable[EditionItem], *, reach: Reach | None, openings: dict[int, int] | None) -> None:
    """Give each row what its template shows beside the form: reach, openings, and the line that readers will read."""
    names = {topic.slug: topic.name for topic in Topic.objects.filter(is_active=True)}
    for item in items:
        if openings is not None:
            item.openings = openings.get(item.pk, 0)  # type: ignore[attr-defined]
        if reach:
            item.reach = (reach.of(item.pk), reach.usual_place(item.pk), reach.first(item.pk))  # type: ignore[attr-defined]
        item.reason = reasons(item, topics=names)["trending"]  # type: ignore[attr-defined]
        item.sources = sorted({sighting.source for sighting in item.paper.sightings.all()})  # type: ignore[attr-defined]


class Firsts:
    """Which paper came first for whom, kept for an hour with each change of an edition: the cost of the next one."""

    def __init__(self, edition: Edition) -> None:
        changes = [*edition.revisions.values_list("pk", flat=True)[:2], 0, 0]
        self._key, self._before = (f"desk-firsts-{edition.pk}-{change}" for change in changes[:2])
        self._is_changed = bool(changes[0])

    def keep(self, firsts: dict[int, int]) -> None:
        cache.set(self._key, firsts, KEPT_SECONDS)

    def moved(self, firsts: dict[int, int]) -> int | None:
        """Return for how many readers the last change put another paper first; None when that is not known any more."""
        before: dict[int, int] | None = cache.get(self._before) if self._is_changed else None
        if before is None:
            return None
        return sum(before.get(reader) != firsts.get(reader) for reader in {*before, *firsts})


def changes_of(edition: Edition) -> list[EditionRevision]:
    """Return the last changes, newest first, with their authors."""
    return list(edition.revisions.select_related("by").defer("before")[:CHANGES_SHOWN])


def do(request: HttpRequest, edition: Edition) -> str:
    """Do what the pressed button says, `verb:item`; without an item, with the rows chosen. Returns what was done.

    EditionStateError tells why it was not.
    """
    by = cast(User, request.user)
    verb, _sign, key = request.POST.get("act", "").partition(":")
    if verb in {"undo", "back"}:
        revision = edition.revisions.filter(pk=_number(key)).first()
        if revision is None:
            raise EditionStateError(_("This change is not known any more."))
        (revisions.undo if verb == "undo" else revisions.bring_back)(edition, revision, by=by)
        return _("Brought back.")
    item, _sign, place = key.partition(":")
    if verb in {"topic", "untopic"}:
        return _correct_topic(request, edition, verb, item=_number(item), topic=_number(place))
    items = [_number(item)] if item else [_number(one) for one in request.POST.getlist("chosen")]
    return curation.act(edition, verb, items, by=by, place=_number(place) or 1)


def _correct_topic(request: HttpRequest, edition: Edition, verb: str, *, item: int, topic: int) -> str:
    """File the row's paper under the topic that was typed, or take one away: for every edition, and for good."""
    row = edition.items.select_related("paper").filter(pk=item).first()
    if row is None:
        raise EditionStateError(_("Choose at least one paper of this edition, and what to do with it."))
    title, now = row.paper.title, timezone.now()
    if verb == "untopic":
        is_gone = assignment.remove_topic(row.paper, topic, at=now)
        return _("“%s”: a topic removed") % title if is_gone else ""
    typed = " ".join(request.POST.get(f"topic-{item}", "").split())
    found = Topic.objects.filter(Q(name__iexact=typed) | Q(slug__iexact=typed), is_active=True).first()
    if found is None:
        raise EditionStateError(_("There is no topic “%s”. Choose one of the list.") % typed)
    assignment.set_topic(row.paper, found, at=now)
    return _("“%(title)s”: filed under %(topic)s") % {"title": title, "topic": found.name}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
