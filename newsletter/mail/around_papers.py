"""The words and links around the papers of an edition's mails: masthead, note, welcome and footer.

In: an edition, and the marks that stand where a reader's tokens will. Out: values for the frame's templates, in the
active language. Reads a row to number the edition.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter.mail import editors_words, subject_lines
from newsletter.mail.digest_links import digest_url, edition_url
from newsletter.models import Edition
from subscriptions import plain_text as mail_text
from subscriptions import token_links


def around_papers(edition: Edition, *, unsubscribe_mark: str, delivery_mark: str) -> dict[str, Any]:
    """Return the values of the frame's templates; the marks stand where a reader's tokens will."""
    note = editors_words.note_in_mail(edition)
    because = _("You get this email because you subscribed to the %(cadence)s digest of %(site)s.") % {
        "cadence": edition.get_cadence_display(),
        "site": settings.SITE_NAME,
    }
    # A first digest may be of another cadence than its reader's: it is of the newest edition.
    because_welcome = _("You get this email because you have just subscribed to %s.") % settings.SITE_NAME
    welcome = _(
        "Here is your first digest: what researchers are reading now, chosen by the topics you ticked. "
        "Use “more like this” and “less like this” under a paper to shape the next one."
    )
    next_weeks = _next_weeks()
    frequency = {
        Edition.Cadence.DAILY: _("It comes on the days you chose, once a day at most."),
        Edition.Cadence.WEEKLY: _("It comes once a week."),
        Edition.Cadence.MONTHLY: _("It comes once a month."),
    }[Edition.Cadence(edition.cadence)]
    frequency_welcome = _("From now on you get a digest on the days and at the time you chose.")
    return {
        "language": translation.get_language(),
        "direction": "rtl" if translation.get_language_bidi() else "ltr",
        "start": "right" if translation.get_language_bidi() else "left",  # "start" is unknown to Outlook and Yahoo
        "site_name": settings.SITE_NAME,
        "site_url": settings.SITE_URL,
        "site_host": settings.SITE_HOST,
        "headline": subject_lines.headline(edition),
        "issue": subject_lines.issue(edition),
        **_links(edition, unsubscribe_mark, delivery_mark),
        "preheader": mail_text.one_line(editors_words.said(edition, "preheader")),
        "preheader_text": mail_text.wrap(editors_words.said(edition, "preheader")),
        "note": note,
        "note_text": editors_words.note_text(edition),
        "corrections": _corrections(edition),
        "welcome": welcome,
        "welcome_text": mail_text.wrap(welcome),
        "next_weeks": next_weeks,
        "next_weeks_text": "\n".join(mail_text.item(f"{when} {what}") for when, what in next_weeks),
        "because": because,
        "because_text": mail_text.wrap(because),
        "because_welcome": because_welcome,
        "because_welcome_text": mail_text.wrap(because_welcome),
        "frequency": frequency,
        "frequency_text": mail_text.wrap(frequency),
        "frequency_welcome": frequency_welcome,
        "frequency_welcome_text": mail_text.wrap(frequency_welcome),
        "postal_address": mail_text.one_line(settings.POSTAL_ADDRESS),
        "postal_text": mail_text.wrap(settings.POSTAL_ADDRESS),
        "rule": "-" * 72,
    }


def _corrections(edition: Edition) -> list[dict[str, str]]:
    """Return what was corrected, for the mails too, in editions of its cadence since the last of them was frozen."""
    before = Edition.objects.filter(
        cadence=edition.cadence, period_on__lt=edition.period_on, state__in=Edition.WENT_OUT
    ).order_by("-period_on")
    last = before.first()
    lately = before.filter(correction_in_mail=True, corrected_at__gte=last.frozen_at) if last else ()
    return [
        {
            "title": subject_lines.headline(one),
            "url": edition_url(one),
            "line": _labelled(f"{subject_lines.headline(one)}:", edition_url(one)),
            "html": editors_words.correction_html(one, in_mail=True),
            "text": editors_words.correction_text(one),
        }
        for one in lately
    ]


def _next_weeks() -> list[tuple[str, str]]:
    """Return what a new reader may expect and do, and when."""
    return [
        (_("Next time:"), _("up to ten papers on the days and at the hour you chose, none of them twice.")),
        (
            _("After two or three presses:"),
            _("papers like those you save or want more of move up, and the line above each says why it came."),
        ),
        (
            _("Any time:"),
            _("follow an author or a search, or bring the papers of your library, at “Topics, days and time” below."),
        ),
        (_("Before a holiday:"), _("pause, and have the best of what you missed when you are back.")),
    ]


def _links(edition: Edition, unsubscribe_mark: str, delivery_mark: str) -> dict[str, str]:
    """Return the addresses around the papers, and each with its label for the text part."""
    leave = token_links.unsubscribe_url(unsubscribe_mark)
    web, public = digest_url(delivery_mark), edition_url(edition)
    subscribe = f"{settings.SITE_URL}/subscribe/"
    return {
        "web_url": web,
        "edition_url": public,
        "edition_address": public.removeprefix("https://"),
        "subscribe_url": subscribe,
        "unsubscribe_url": leave,
        "preferences_url": f"{leave}#preferences",
        "web_line": _labelled(_("Your digest on the web:"), web),
        "edition_line": _labelled(_("Share this edition:"), public),
        "subscribe_line": _labelled(_("Forwarded to you? Get your own:"), subscribe),
        "unsubscribe_line": _labelled(_("Unsubscribe:"), leave),
        "preferences_line": _labelled(_("Topics, days and time:"), f"{leave}#preferences"),
    }


def _labelled(label: str, address: str) -> str:
    """Return both on one line, or the address on a line of its own."""
    line = f"{label} {address}"
    return line if mail_text.columns(line) <= mail_text.WIDTH else f"{label}\n  {address}"
