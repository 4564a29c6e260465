"""Interests that a reader keeps apart, as values: what may be stored, and how one is added, changed and removed.

In: a reader's preferences, and names and shares as a form, a program or a file has them. Out: preferences with other
interests, or ValueError with a sentence that says what to do. Nothing is written here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from subscriptions.models import Interest
from subscriptions.preferences import NamedInterest, Preferences

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 8  # of one reader


def checked(interests: Sequence[NamedInterest]) -> tuple[NamedInterest, ...]:
    """The same, when they can be stored."""
    if not interests:
        return ()
    if len(interests) == 1 or sum(one.is_first is True for one in interests) != 1:
        raise ValueError(_("Name two at least, one of them the first."))
    if len(interests) > MOST:
        raise ValueError(_("%(most)d are the most. Remove one first.") % {"most": MOST})
    for one in interests:
        _check(one)
    if len({one.name.casefold() for one in interests}) < len(interests):
        raise ValueError(_("Two have the same name. Choose another."))
    if sum(one.share or 0 for one in interests if one.unit == Interest.Unit.PERCENT) > 100:
        raise ValueError(_("The shares come to more than 100 per cent. Make one smaller."))
    if not any(one.is_on for one in interests):
        raise ValueError(_("Leave one switched on, or pause your digests."))
    return tuple(interests)


def _check(one: NamedInterest) -> None:
    is_name = isinstance(one.name, str) and one.name.isprintable() and one.name == " ".join(one.name.split())
    if not is_name or not 0 < len(one.name) <= Interest.LONGEST_NAME:
        raise ValueError(_("Give a name of at most %(most)d characters.") % {"most": Interest.LONGEST_NAME})
    is_share = one.share is None or (type(one.share) is int and 1 <= one.share <= 100)
    if not is_share or one.unit not in Interest.Unit.values or type(one.is_on) is not bool:
        raise ValueError(_("Give a share from 1 to 100, in per cent or in papers, or none."))


def add(before: Preferences, name: str, *, first: str = "") -> Preferences:
    """One more interest; ``first`` names what there was before, when it is the second."""
    there = before.interests or (NamedInterest(first, is_first=True),)
    return replace(before, interests=checked([*there, NamedInterest(name)]))


def change(before: Preferences, name: str, changed: NamedInterest) -> Preferences:
    """The interest of that name as ``changed`` says."""
    there = [changed if one.name == name else one for one in before.interests]
    return replace(before, interests=checked(there))


def remove(before: Preferences, name: str) -> Preferences:
    """Without the interest of that name. The first stays; when it is the only one left, nothing is apart any more."""
    left = [one for one in before.interests if one.is_first or one.name != name]
    return replace(before, interests=checked(left) if len(left) > 1 else ())
