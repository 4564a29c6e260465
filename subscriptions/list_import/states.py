"""Words by which programs say whether somebody is subscribed, left, bounced or complained.

In: a cell, and what kind of column it is in. Out: what the person is to us; None for a word that nobody knows. Pure.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Standing(StrEnum):
    """What a line says about its address, the gravest last."""

    READER = "reader"
    PAUSED = "paused"
    UNCONFIRMED = "unconfirmed"
    LEFT = "left"
    BOUNCED = "bounced"
    BARRED = "barred"
    COMPLAINED = "complained"
    ERASED = "erased"


DEPARTURES = frozenset({Standing.LEFT, Standing.BOUNCED, Standing.BARRED, Standing.COMPLAINED, Standing.ERASED})
_GRAVITY = {standing: place for place, standing in enumerate(Standing)}

_WORDS = {
    Standing.READER: (
        "active, abonné, inscrit, actif, activo, suscrito, attivo, iscritto, actief, subscribed, subscriber, "
        "confirmed, enabled, opted in, opt in, optin, regular, premium, gifted, trialed, churning, churned, past due, "
        "unpaid, paid, free, comped, complimentary, member, owner, manager, moderator, normal, each email, all email, "
        "digest, abridged, summary, delivered, verified, valid, ok, aktiv, abonniert, angemeldet, bestätigt, mitglied, "
        "email, mime digests, plaintext digests"
    ),
    Standing.PAUSED: "paused, pausiert, vacation, on hold",
    Standing.UNCONFIRMED: (
        "pending, unconfirmed, unactivated, not confirmed, inactive, invited, awaiting confirmation, waiting, new, "
        "unverified, validating, needs attention, non subscribed, nonsubscribed, nonmember, transactional, upcoming, "
        "unbestätigt, inaktiv, ausstehend, never subscribed, not subscribed"
    ),
    Standing.LEFT: (
        "unsubscribed, unsubscribe, cancelled, canceled, opted out, opt out, optout, disabled, removed, left, "
        "deleted, archived, no email, nomail, no mail, former, abgemeldet, ausgetragen, désabonné, désinscrit, baja, "
        "cancelado, disiscritto, uitgeschreven, gekündigt, gelöscht, unsub, unsubscribe link, list unsubscribe, by user"
    ),
    Standing.BOUNCED: (
        "bounced, bounce, hardbounce, softbounce, soft bounce, hard bounced, hard bounce, soft bounced, bouncing, "
        "cleaned, undeliverable, unreachable, invalid, undelivered, rejected, dead, disabled by bounce, "
        "unzustellbar, ungültig, bounce rule, by bounces"
    ),
    Standing.COMPLAINED: (
        "complained, complaint, spam, spam complaint, spamcomplaint, junk, marked as spam, spam complaint, abuse, "
        "reported, spam reported, complainer"
    ),
    Standing.BARRED: (
        "blocklisted, blacklisted, suppression, manual suppression, blocked, banned, suppressed, barred, spammy, "
        "malicious, block list, gesperrt, blockiert, do not contact, do not email, manually added, by moderator"
    ),
    Standing.ERASED: "erased, forgotten, anonymized, anonymised, gdpr deleted",
}
WORDS = {word.strip(): standing for standing, words in _WORDS.items() for word in words.split(",")}
# What a word means in one program alone: elsewhere who is inactive never confirmed.
OF_PROGRAM = {"beehiiv": {"inactive": Standing.LEFT}}
_PART = re.compile(r"[_-]+|(?<=[a-z])(?=[A-Z])")
_YES = frozenset("yes y true t 1 x on ja j wahr oui si".split())  # noqa: SIM905
_NO = frozenset("no n false f 0 off nein falsch non".split())  # noqa: SIM905


def standing_of(cell: str) -> Standing | None:
    """Return the standing that a word of a state column means; None for an unknown one."""
    return WORDS.get(plain_word(cell))


def yes_or_no(cell: str) -> bool | None:
    """Read a flag; None when it is neither yes nor no."""
    word = cell.strip().casefold()
    return True if word in _YES else False if word in _NO else None


def gravest(standings: list[Standing]) -> Standing:
    """Return the standing that counts when several columns speak about one person; a reader's when none does."""
    return max(standings, key=_GRAVITY.__getitem__, default=Standing.READER)


def plain_word(cell: str) -> str:
    """The word in lower case, its parts, as of ``HardBounce`` and ``hard-bounce``, parted by one blank."""
    return " ".join(_PART.sub(" ", cell).casefold().split())
