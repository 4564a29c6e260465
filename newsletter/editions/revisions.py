"""Changes of an edition that can be taken back: each is recorded with its author and with what stood there before.

In: an edition that is changed. Out: a row a change. The edition is locked meanwhile as freezing does, so two editors
change it one after the other, and neither what is frozen nor what somebody else changed is overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter.editions.lifecycle import EditionStateError
from newsletter.models import Edition, EditionItem, EditionRevision

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

KEPT = 200  # changes of one edition
TYPING = timedelta(minutes=5)
WORDS = ("headline", "subject", "preheader", "editor_note", "note_is_markdown", "signature", "translations")
ROW = ("position", "lane", "standing", "is_moved", "note", "translations")


class Change:
    """What is being done, in a few words; set by who does it."""

    said = ""


@contextmanager
def changing(edition: Edition, *, by: AbstractBaseUser | None) -> Iterator[Change]:
    """Lock the edition, let the caller change it, and record the change if there is one.

    Raises EditionStateError when the edition is frozen.
    """
    with transaction.atomic():
        if not Edition.objects.select_for_update().get(pk=edition.pk).is_editable:
            raise EditionStateError(_("A frozen edition cannot be changed: readers may have it already."))
        before, change = snapshot(edition), Change()
        yield change
        if snapshot(edition) != before:
            record(edition, before=before, by=by, said=change.said)


def record(edition: Edition, *, before: dict[str, Any], by: AbstractBaseUser | None, said: str) -> None:
    """Record a change whose edition is locked; the oldest beyond 200 go."""
    EditionRevision.objects.create(
        edition=edition,
        at=timezone.now(),
        by=by,  # type: ignore[misc]
        said=said[:300],
        before=before,
    )
    old = edition.revisions.values_list("pk", flat=True)[KEPT:]
    EditionRevision.objects.filter(pk__in=list(old)).delete()


def record_typing(edition: Edition, *, before: dict[str, Any], by: AbstractBaseUser | None, said: str) -> None:
    """Record what was typed, which is stored every few seconds: what one person types on at is one change."""
    last = edition.revisions.first()
    if not (last and last.said == said[:300] and last.by == by and last.at > timezone.now() - TYPING):
        record(edition, before=before, by=by, said=said)


def snapshot(edition: Edition) -> dict[str, Any]:
    """Return the editor's words, and the places of the papers that a curator decided on, as stored now."""
    words = Edition.objects.filter(pk=edition.pk).values(*WORDS).get()
    rows = edition.items.exclude(standing__in=EditionItem.FOR_SOME).order_by("pk").values_list("paper_id", *ROW)
    return {"words": words, "items": [list(row) for row in rows]}


def undo(edition: Edition, revision: EditionRevision, *, by: AbstractBaseUser | None) -> None:
    """Take back the last change. EditionStateError when somebody has changed the edition since."""
    with changing(edition, by=by) as change:
        last = edition.revisions.first()
        if last != revision:
            who = (last and last.by) or _("somebody")
            raise EditionStateError(
                _("%(who)s has changed this edition since: %(what)s. Choose what to bring back from the history.")
                % {"who": who, "what": last.said if last else ""}
            )
        change.said = _("took back: %s") % revision.said
        _write(edition, revision.before)


def bring_back(edition: Edition, revision: EditionRevision, *, by: AbstractBaseUser | None) -> None:
    """Put everything back to what it was before a change."""
    with changing(edition, by=by) as change:
        change.said = _("brought back the edition as it was before: %s") % revision.said
        _write(edition, revision.before)


def _write(edition: Edition, state: dict[str, Any]) -> None:
    """Store the words and rows; papers that came since keep their place behind, those that went stay away."""
    Edition.objects.filter(pk=edition.pk).update(**state["words"])
    rows = {paper: values for paper, *values in state["items"]}
    items = list(edition.items.filter(paper__in=rows))
    edition.items.filter(lane=EditionItem.Lane.LEAD).update(lane=EditionItem.Lane.TRENDING)  # one lead at a time
    for item in items:
        for name, value in zip(ROW, rows[item.paper_id], strict=True):
            setattr(item, name, value)
    EditionItem.objects.bulk_update(items, ROW)
    edition.refresh_from_db()
