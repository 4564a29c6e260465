"""What may still be done with an edition that went out: correct it, take it off the site, put it back.

In: a sent edition and who acts. Out: its columns, and a line of its history each. The mails that were sent stay as they
are: a correction is shown, with its day, where the edition is shown, and in the next edition's mails if that is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from newsletter.editions import revisions
from newsletter.editions.lifecycle import EditionStateError
from newsletter.models import Edition

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

LONGEST = 2_000  # characters of a correction


def correct(edition: Edition, text: str, *, in_mail: bool, by: AbstractBaseUser | None, now: datetime) -> None:
    """Set the correction, an empty one to take it back. EditionStateError when it is too long or changes nothing."""
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    if len(text) > LONGEST:
        told = {"most": LONGEST, "length": len(text)}
        raise EditionStateError(_("A correction has at most %(most)d characters; this has %(length)d.") % told)
    with _sent(edition, by=by) as (row, said):
        if (text, in_mail and bool(text)) == (row.correction, row.correction_in_mail):
            raise EditionStateError(_("This is the correction already. Nothing was changed."))
        said.append(_("corrected: %s") % text if text else _("took the correction back"))
        row.correction, row.correction_in_mail = text, in_mail and bool(text)
        row.corrected_at = now
        row.save(update_fields=["correction", "correction_in_mail", "corrected_at"])


def take_down(edition: Edition, *, by: AbstractBaseUser | None, now: datetime) -> None:
    """Take the edition out of archive, feeds and sitemap; its page says that it is gone (410)."""
    with _sent(edition, by=by) as (row, said):
        said.append(_("taken off the site"))
        row.taken_down_at = now
        row.save(update_fields=["taken_down_at"])


def put_back(edition: Edition, *, by: AbstractBaseUser | None) -> None:
    with _sent(edition, by=by) as (row, said):
        said.append(_("put back on the site"))
        row.taken_down_at = None
        row.save(update_fields=["taken_down_at"])


@contextmanager
def _sent(edition: Edition, *, by: AbstractBaseUser | None) -> Iterator[tuple[Edition, list[str]]]:
    """Lock a sent edition, and record what the caller says it did with it."""
    said: list[str] = []
    with transaction.atomic():
        row = Edition.objects.select_for_update(of=("self",)).get(pk=edition.pk)
        if row.state not in Edition.PUBLIC:
            raise EditionStateError(_("This edition has not been sent. Change it on its page instead."))
        yield row, said
        revisions.record(row, before=revisions.snapshot(row), by=by, said=" ".join(said))
    edition.refresh_from_db()
