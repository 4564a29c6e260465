"""Which program wrote a file, told by the headings that only it has.

In: the headings. Out: its name, and what is true of all its lines. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subscriptions.list_import.names import plain_heading

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN, PLAIN, PAPERBOY, BOUNCES = "unknown", "addresses", "paperboy", "bounces"
# The first whose headings are all there.
_SIGNS: tuple[tuple[str, str], ...] = (
    (PAPERBOY, "email, confirmed at, consent source"),
    ("mailchimp", "email address, member rating, leid, euid"),
    ("mailchimp", "email address, optin time, confirm time"),
    ("mailchimp", "email address, leid, euid"),
    ("substack", "email, active subscription, email disabled"),
    ("substack", "email, stripe plan, start date"),
    ("buttondown", "email, type, creation date, unsubscription date"),
    ("buttondown", "email, type, creation date, referrer url"),
    ("buttondown", "email address, type, creation date, referrer url"),
    ("buttondown", "email, subscriber type, creation date"),
    ("ghost", "email, subscribed to emails, labels"),
    ("ghost", "email, subscribed to emails, complimentary plan"),
    ("listmonk", "uuid, email, attributes, status"),
    ("keila", "email, first name, last name, data, external id"),
    ("keila", "email, first name, last name, data, status"),
    ("google-groups", "email address, group status, email status"),
    ("google-groups", "email address, nickname, join year"),
    ("brevo", "email, double opt in, added time"),
    ("brevo", "email, opt in, added time"),
    ("brevo", "contact id, email, added time"),
    ("brevo", "email, double opt in, opt in"),
    ("beehiiv", "email, status, created at, subscription tier"),
    ("beehiiv", "email, status, utm source, utm medium"),
    ("beehiiv", "email, status, tier"),
    ("mailerlite", "subscriber, subscribed, opens, clicks"),
    ("mailerlite", "subscriber, status, subscribed"),
    ("mailerlite", "email, status, subscribed, opens count"),
    ("mailerlite", "email, fields, groups, status"),
    (BOUNCES, "address, code, error"),  # Mailgun
    (BOUNCES, "email, reason, status, created"),  # SendGrid
    ("tinyletter", "email, signup date, subscription status"),
    ("tinyletter", "email address, signup date, subscription status"),
    ("kit", "first name, email, status, created at"),
    ("kit", "email, first name, state, created at"),
    ("kit", "id, first name, email address, state"),
    ("revue", "email, first name, last name, created at"),
)


def program_of(headings: Iterable[str]) -> str:
    """The program that writes these headings; `UNKNOWN` for headings of nobody, `PLAIN` for a list without any."""
    there = {plain_heading(one) for one in headings}
    if not there:
        return PLAIN
    for program, signs in _SIGNS:
        if there.issuperset(sign.strip() for sign in signs.split(",")):
            return program
    return UNKNOWN
