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
    from collections.abc import Mapping, Sequence

MOST = 8  # of one reader


def checked(interests: Sequence[NamedInterest]) -> tuple[NamedInterest, ...]:
    """Return the interests unchanged. Raises ValueError, in a sentence for the reader, when they cannot be stored."""
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
    """Return preferences with one more interest; ``first`` names what there was before, when it is the second."""
    there = before.interests or (NamedInterest(first, is_first=True),)
    return replace(before, interests=checked([*there, NamedInterest(name)]))


def change(before: Preferences, name: str, changed: NamedInterest, *, place: int | None = None) -> Preferences:
    """Return preferences with the interest of that name as ``changed`` says, at that ``place`` counted from 1."""
    there = [changed if one.name == name else one for one in before.interests]
    if place is not None:
        there.remove(changed)
        there.insert(place - 1, changed)
    return replace(before, interests=checked(there))


def remove(before: Preferences, name: str) -> Preferences:
    """Return preferences without the interest of that name.

    The first stays; when it is the only one left, nothing is apart any more.
    """
    left = [one for one in before.interests if one.is_first or one.name != name]
    return replace(before, interests=checked(left) if len(left) > 1 else ())


def every_follow(preferences: Preferences) -> dict[str, str]:
    """Return query -> stance, of all interests."""
    found = dict(preferences.follows)
    for one in preferences.interests:
        found |= one.follows
    return found


def follow(before: Preferences, name: str, query: str, stance: str) -> Preferences:
    """Return preferences that follow the query, or leave it out, for the interest of that name; empty: the first.

    A query has one place: it is taken from the others. Raises ValueError when there is no such interest.
    """
    return _with_follows(_without(before, query), name, {query: stance})


def unfollow(before: Preferences, name: str, query: str) -> Preferences:
    """Return preferences without that query of that interest."""
    return _without(before, query, of=name)


def _with_follows(before: Preferences, name: str, more: dict[str, str]) -> Preferences:
    if is_first(before, name):
        return replace(before, follows={**before.follows, **more})
    if name not in {one.name for one in before.interests}:
        raise ValueError(_("You have no interest of this name."))
    return replace(
        before,
        interests=tuple(
            replace(one, follows={**one.follows, **more}) if one.name == name else one for one in before.interests
        ),
    )


def is_first(preferences: Preferences, name: str) -> bool:
    """Whether the name is of the reader's first interest, or none was given."""
    return not name or any(one.is_first and one.name == name for one in preferences.interests)


def _without(before: Preferences, query: str, *, of: str | None = None) -> Preferences:
    """Return preferences without the query in the interest of that name; in any, when none is named."""

    def left(follows: Mapping[str, str], *, is_meant: bool) -> dict[str, str]:
        return {text: stance for text, stance in follows.items() if text != query or not is_meant}

    own = left(before.follows, is_meant=of is None or is_first(before, of))
    rest = tuple(replace(one, follows=left(one.follows, is_meant=of in {None, one.name})) for one in before.interests)
    return replace(before, follows=own, interests=rest)
