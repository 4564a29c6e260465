"""What each list of the desk says while it is empty: what it is for, and how something comes into it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

WORDS: dict[str, Any] = {
    "newsletter.absence": _("While nobody can approve, editions may go out by themselves. Add the time here."),
    "newsletter.delivery": _("One row for each digest of each reader. The first come when an edition is sent."),
    "newsletter.domainhold": _(
        "When many addresses of one provider fail at once, its mail waits here until an operator resumes it."
    ),
    "newsletter.edition": _(
        "The first edition is drafted six hours before its cut-off, once there are papers and the worker runs."
    ),
    "newsletter.heartbeat": _("Every part of the program writes here when it did its work. Nothing has run yet."),
    "newsletter.letter": _(
        "Letters to the bounce mailbox that no program could place wait here for you. BOUNCE_MAILBOX_URL names the "
        "mailbox."
    ),
    "newsletter.paper": _(
        "Papers come from the sources in SOURCES, within a minute of the first start of a worker. manage.py "
        "load_sample brings made-up ones."
    ),
    "newsletter.signin": _("Each try to sign in to this desk is counted here, by hour, account and network."),
    "newsletter.sourcehost": _("When a source's host may be asked again. A row appears with the first request."),
    "newsletter.sourcerun": _("Every question to a source and its outcome. Start a worker of the queue ingest."),
    "newsletter.standingquery": _("Queries that readers follow, each once, with how many follow it."),
    "newsletter.stream": _("The streams of mail. Each can be paused here."),
    "newsletter.submission": _("Papers that readers and programs hand in wait here for a curator."),
    "newsletter.webhookdelivery": _("What was told to other programs, and their answers. Add a webhook first."),
    "newsletter.webhookendpoint": _("Other programs are told of editions and readers, signed. Add the first address."),
    "subscriptions.apikey": _("Keys let programs sign readers up, or hand papers in."),
    "subscriptions.listimport": _("Bring the readers of another program, or addresses to bar, from a CSV file."),
    "subscriptions.mailsettings": _("The relay of the environment is in force. Set another, tried by a test mail."),
    "subscriptions.notice": _("Confirmations and other mails to one person that are no digest."),
    "subscriptions.refusedrequest": _("How many requests were turned away, by day and reason. None so far."),
    "subscriptions.subscriber": _("Readers appear when they sign up. A list is brought in under Lists."),
    "subscriptions.suppression": _(
        "Addresses that must not be mailed, after a bounce, a complaint or on request. Only a keyed hash is kept."
    ),
    "subscriptions.topic": _("Fields that readers follow and papers are sorted into. Add the first."),
    "auth.user": _("People who may open this desk."),
    "auth.group": _("What people may do, by role. Five roles come with the installation."),
}


def say() -> None:
    """Give each list of the desk its words."""
    for model, page in admin.site._registry.items():
        page.when_empty = WORDS.get(model._meta.label_lower, "")  # type: ignore[attr-defined]
