"""What a curator does with the papers of an edition: one verb for one or several items, recorded with its author.

In: an edition that is not frozen, a verb, and items by key. Out: the new order and standing. Everything may be taken
back (`revisions`); what is already so is left as it is, and nothing is recorded for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from newsletter.editions import revisions
from newsletter.editions.lifecycle import EditionStateError
from newsletter.models import Edition, EditionItem

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import QuerySet

Lane, Standing = EditionItem.Lane, EditionItem.Standing
VERBS = {
    "pin": gettext_lazy("pinned"),
    "unpin": gettext_lazy("unpinned"),
    "exclude": gettext_lazy("excluded"),
    "include": gettext_lazy("put back"),
    "pick": gettext_lazy("made an editor's pick"),
    "unpick": gettext_lazy("no longer an editor's pick"),
    "lead": gettext_lazy("made the lead story"),
    "unlead": gettext_lazy("no longer the lead story"),
    "top": gettext_lazy("moved to the top"),
    "up": gettext_lazy("moved up"),
    "down": gettext_lazy("moved down"),
    "place": gettext_lazy("moved"),
}


def act(edition: Edition, verb: str, items: Sequence[int], *, by: AbstractBaseUser | None, place: int = 1) -> str:
    """Do what the verb says with the items, in the order given; ``place``: where `place` puts the first of them.

    Returns what was done in words, "" when nothing had to be. EditionStateError for an unknown verb, an item of
    another edition, a withdrawn paper that is to go in, or a frozen edition.
    """
    with revisions.changing(edition, by=by) as change:
        rows = edition.items.filter(pk__in=items).exclude(standing__in=EditionItem.FOR_SOME).select_related("paper")
        found = {row.pk: row for row in rows}
        chosen = [found[pk] for pk in dict.fromkeys(items) if pk in found]
        if verb not in VERBS or not chosen:
            raise EditionStateError(_("Choose at least one paper of this edition, and what to do with it."))
        change.said = _said(verb, chosen)
        before = revisions.snapshot(edition)
        if verb in {"top", "up", "down", "place"}:
            move(edition, [row.pk for row in chosen], to=_goal(edition, chosen, verb, place))
        else:
            _mark(edition, verb, chosen, rows)
        return change.said if revisions.snapshot(edition) != before else ""


def move(edition: Edition, items: Sequence[int], *, to: int) -> None:
    """Put the items, in the order given, at a place counted from 1; the others close up, and they stay there.

    The lead story stands first, then the pinned papers, wherever others are put: in mails they come first too.
    """
    rows = list(edition.items.order_by("position", "pk"))
    moved = {row.pk: row for row in rows if row.pk in items}
    others = [row for row in rows if row.pk not in moved]
    start = max(0, min(to - 1, len(others)))
    order = [*others[:start], *(moved[pk] for pk in items), *others[start:]]
    order.sort(key=lambda row: (row.lane != Lane.LEAD, row.standing != Standing.PINNED))
    for position, row in enumerate(order, start=1):
        row.is_moved = row.is_moved or (row.pk in moved and order != rows)
        row.position = position
    EditionItem.objects.bulk_update(order, ["position", "is_moved"])


def _said(verb: str, chosen: Sequence[EditionItem]) -> str:
    title = chosen[0].paper.title
    if rest := len(chosen) - 1:
        more = ngettext("“%(title)s” and %(rest)d more: %(done)s", "“%(title)s” and %(rest)d more: %(done)s", rest)
        return more % {"title": title[:200], "rest": rest, "done": VERBS[verb]}
    return _("“%(title)s”: %(done)s") % {"title": title[:200], "done": VERBS[verb]}


def _goal(edition: Edition, chosen: Sequence[EditionItem], verb: str, place: int) -> int:
    if verb in {"top", "place"}:
        return 1 if verb == "top" else place
    order = list(edition.items.order_by("position", "pk").values_list("pk", flat=True))
    return order.index(chosen[0].pk) + (0 if verb == "up" else 2)


def _mark(edition: Edition, verb: str, chosen: Sequence[EditionItem], rows: QuerySet[EditionItem]) -> None:
    withdrawn = next((row.paper.title for row in chosen if row.paper.withdrawn_at), "")
    if withdrawn and verb not in {"exclude", "unpin", "unpick", "unlead"}:
        raise EditionStateError(_("The authors withdrew “%s”. Choose another paper.") % withdrawn)
    if verb in {"lead", "unlead"}:
        edition.items.filter(lane=Lane.LEAD).update(lane=Lane.TRENDING)
        if verb == "lead":
            rows.filter(standing=Standing.EXCLUDED).update(standing=Standing.LISTED)
            rows.filter(pk=chosen[0].pk).update(lane=Lane.LEAD)
    else:
        _MARKS[verb](rows)
    move(edition, [], to=1)


def _exclude(rows: QuerySet[EditionItem]) -> None:
    rows.filter(lane=Lane.LEAD).update(lane=Lane.TRENDING)
    rows.update(standing=Standing.EXCLUDED)


_MARKS: dict[str, Callable[[QuerySet[EditionItem]], object]] = {
    "pin": lambda rows: rows.update(standing=Standing.PINNED),
    "unpin": lambda rows: rows.filter(standing=Standing.PINNED).update(standing=Standing.LISTED, is_moved=False),
    "exclude": _exclude,
    "include": lambda rows: rows.filter(standing=Standing.EXCLUDED).update(standing=Standing.LISTED),
    "pick": lambda rows: (
        rows.update(lane=Lane.PICK) and rows.filter(standing=Standing.EXCLUDED).update(standing=Standing.LISTED)
    ),
    "unpick": lambda rows: rows.filter(lane=Lane.PICK).update(lane=Lane.TRENDING),
}
