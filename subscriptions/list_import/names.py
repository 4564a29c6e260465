"""What columns are called in the exports of other programs, and in spreadsheets in English and German.

In: a heading. Out: what such a column usually holds; empty for a name that says nothing. Pure.
"""

from __future__ import annotations

import re

EMAIL, STATE, TAGS = "email", "state", "tags"
CONFIRMED_AT, SIGNED_UP_AT = "confirmed_at", "signed_up_at"
LEFT_AT, BOUNCED_AT, COMPLAINED_AT = "left_at", "bounced_at", "complained_at"
WANTS_MAIL, WANTS_NO_MAIL, BLOCKED, BOUNCED, COMPLAINED = (
    "wants_mail",
    "wants_no_mail",
    "blocked",
    "bounced",
    "complained",
)
SOURCE, ZONE, LANGUAGE = "source", "reader_zone", "reader_language"
JOINED = tuple(f"joined_{part}" for part in ("year", "month", "day", "hour", "minute", "second"))

DATES = (CONFIRMED_AT, SIGNED_UP_AT, LEFT_AT, BOUNCED_AT, COMPLAINED_AT)
IS_CONFIRMED = "is_confirmed"
FLAGS = (IS_CONFIRMED, WANTS_MAIL, WANTS_NO_MAIL, BLOCKED, BOUNCED, COMPLAINED)

_NAMES = {
    EMAIL: (
        "email, e mail, email address, e mail address, emailaddress, mail, mail address, subscriber, subscriber "
        "email, user email, member email, contact email, primary email, email primary, e mail 1 value, address, "
        "member, e mail adresse, email adresse, emailadresse, mailadresse, adresse, e mail adressen, kontakt, "
        "courriel, adresse email, adresse e mail, correo electronico, correo, e posta, e mailadres"
    ),
    STATE: (
        "status, state, subscriber status, subscription status, subscriber state, type, subscriber type, group "
        "status, email status, email preference, member status, marketing status, email marketing status, delivery "
        "mode, membership, zustand, statut, estado, stato, abostatus, abo status, mailing status, list status, reason"
    ),
    TAGS: (
        "tags, tag, labels, label, groups, group, segments, segment, interests, interest, lists, list, list names, "
        "categories, category, topics of interest, schlagworte, schlagwörter, themen, gruppen, interessen"
    ),
    CONFIRMED_AT: (
        "confirmed at, confirm time, confirmed on, confirmed, confirmation date, confirmation time, confirmed date, "
        "date confirmed, double opt in date, double optin date, doi date, doi time, optin confirmed at, opt in "
        "confirmed at, bestätigt am, bestätigt, bestätigungsdatum, email verified at, verified at, activated, "
        "activated at, aktiviert am"
    ),
    SIGNED_UP_AT: (
        "optin time, opt in time, optin date, opt in date, opted in at, created at, created, created on, creation "
        "date, create time, date created, date added, added, added on, added at, added time, subscribed at, "
        "subscribed on, subscribed, subscription date, subscribe date, subscribed date, date subscribed, subscribe "
        "time, signup date, sign up date, signup time, signed up, signed up at, signed up on, signup at, joined, "
        "joined at, joined on, join date, date joined, registered, registered at, registration date, date, since, "
        "start date, timestamp, entered, member since, datum, angemeldet, angemeldet am, anmeldedatum, anmeldung, "
        "eingetragen am, erstellt am, hinzugefügt am, einwilligung am, consent date, consented at, consent at, agreed "
        "at, agreed on"
    ),
    LEFT_AT: (
        "left at, unsub time, unsubscription date, unsubscribed at, unsubscribed on, unsubscribe date, unsubscribe "
        "time, date unsubscribed, unsubscribed date, left on, cancelled at, canceled at, opt out time, optout time, "
        "opted out at, optout date, opt out date, deleted at, removed at, abgemeldet am, abmeldedatum, ausgetragen am, "
        "stop date, stop time, stopped at, blocked at, blocked date, suppressed at, excluded at"
    ),
    BOUNCED_AT: (
        "clean time, cleaned at, bounced at, bounce date, bounced on, hard bounced at, date bounced, bounce time"
    ),
    COMPLAINED_AT: "complained at, complaint date, complaint time, spam at, spam date, marked as spam at, abuse at",
    IS_CONFIRMED: "is confirmed, verified, is verified, email verified, double opt in, double optin, doi",
    WANTS_MAIL: (
        "subscribed to emails, opt in, optin, opted in, email opt in, email optin, is subscribed, accepts marketing, "
        "accepts email marketing, email consent, marketing consent, newsletter, receives emails, enabled, is active, "
        "active, consent, einwilligung, aktiv, allow email"
    ),
    WANTS_NO_MAIL: (
        "email disabled, emails disabled, unsubscribed, opt out, optout, opted out, is unsubscribed, disabled, is "
        "disabled, do not email, do not contact, email opt out, has opted out of email, nomail, no mail, abgemeldet"
    ),
    BLOCKED: (
        "blocklisted, blacklisted, email blacklisted, email blocklisted, emailblacklisted, is blocklisted, "
        "suppressed, is suppressed, banned, blocked, is blocked, gesperrt"
    ),
    BOUNCED: "bounced, hard bounced, is bounced, bouncing, hard bounce, undeliverable, invalid, unzustellbar",
    COMPLAINED: "complained, complaint, spam, marked as spam, is spam, spam complaint",
    SOURCE: (
        "source, signup source, sign up source, subscription source, acquisition source, optin source, opt in source, "
        "referrer url, signup url, sign up url, source url, form, form name, quelle, herkunft"
    ),
    ZONE: "timezone, time zone, zeitzone, tz",
    LANGUAGE: "locale, lang, preferred language, sprache",
    **{part: part.replace("joined_", "join ") for part in JOINED},
}
_ROLE_OF = {name.strip(): role for role, names in _NAMES.items() for name in names.split(",")}
_LEFT = (
    r"unsubscribed|unsub\w* reason|opt(ed|s)? out|optout|abgemeldet|ausgetragen|deactivated|deaktiviert|archived"
    "|deleted|cancell?ed|excluded"
)
_WORDS = (
    (WANTS_NO_MAIL, re.compile(rf"\b({_LEFT})\b")),
    (BLOCKED, re.compile(r"\b(black|block)list(ed)?\b|\bsuppress(ed|ion)\b")),
    (BOUNCED, re.compile(r"\b(hard|soft)? ?bounced?\b(?! (count|rate|s\b))")),
    (COMPLAINED, re.compile(r"\b(complained|complaint|spam)\b(?! (count|rate|score))")),
    (WANTS_MAIL, re.compile(r"\b(subscribed|abonniert|opt(ed)? in|optin|consent|einwilligung)\b")),
    (STATE, re.compile(r"\b(status|statut|estado|zustand)\b")),
)
_OTHER_CHANNEL = re.compile(r"\b(sms|phone|telefon\w*|mobile|whatsapp|push|postal|fax|calls?)\b")
# Headings of columns of yes and no, such as "May we send you news?" and "Werbesperre".
_ASKS = re.compile(
    r"\b(news\w*|e ?mails?|mailings?|rundbriefe?|marketing|werb\w*|agree\w*|accept\w*|allow\w*|permi\w*|wants?"
    r"|receives?|send|erlaub\w*|zustimm\w*|zugestimmt|infos?|updates?)\b"
)
_AGAINST = re.compile(r"\b(no|not|never|stop|without|objects?|kein\w*|nicht|ohne|widerspr\w*)\b|sperre?\b|verbot")
# Dates and states that are about something else than the subscription.
ABOUT_OTHER_THINGS = re.compile(
    r"\b(birth\w*|dob|geburt\w*|updated?|modified|changed|geändert|last|letzte\w*|expir\w*|payment|paid|plan|stripe|invoice"
    r"|open\w*|click\w*|sent|purchas\w*|order\w*|trial\w*|renew\w*|stripe|tier\w*)\b"
)
ABOUT_LEAVING = re.compile(r"\b(block|unsub|bounc|complain|suppress|stop)")


def role_by_name(heading: str) -> str:
    """The role that a heading names; empty for none. Words for leaving count wherever they stand in it."""
    plain = plain_heading(heading)
    if plain not in _ROLE_OF and _OTHER_CHANNEL.search(plain):
        return ""
    return _ROLE_OF.get(plain) or next((role for role, words in _WORDS if words.search(plain)), "")


def role_of_answers(heading: str) -> str:
    """Return what yes under a heading of its own words says about mail; empty where it is about something else."""
    plain = plain_heading(heading)
    if says_other_thing(heading) or not (_ASKS.search(plain) or _AGAINST.search(plain)):
        return ""
    return WANTS_NO_MAIL if _AGAINST.search(plain) else WANTS_MAIL


def is_known_name(heading: str) -> bool:
    """Whether the whole heading is one of the names above, not only a word in it."""
    return plain_heading(heading) in _ROLE_OF


def plain_heading(heading: str) -> str:
    """The heading in lower case, its words parted by one blank."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", heading)
    return " ".join(re.sub(r"[^\w]|_", " ", parted.casefold()).split())


def is_no_date_of_joining(heading: str) -> bool:
    """Whether a date under the heading cannot be when somebody agreed."""
    return says_other_thing(heading) or bool(ABOUT_LEAVING.search(plain_heading(heading)))


def says_other_thing(heading: str) -> bool:
    """Whether the heading names something that is none of our business, such as a birthday or a paid plan."""
    plain = plain_heading(heading)
    return bool(ABOUT_OTHER_THINGS.search(plain) or _OTHER_CHANNEL.search(plain))
