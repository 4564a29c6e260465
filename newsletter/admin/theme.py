"""Admin theme: style sheet, icon and navigation, limited to the pages a person may open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from newsletter.admin import submissions, unrecognised_bounces

# Group -> (title, icon, admin page, permission).
_PAGES: dict[Any, tuple[tuple[Any, str, str, str], ...]] = {
    "": ((_("Dashboard"), "home", "index", ""),),
    _("Editing"): (
        (_("Editions"), "newspaper", "newsletter_edition_changelist", "newsletter.view_edition"),
        (_("Papers"), "article", "newsletter_paper_changelist", "newsletter.view_paper"),
        (_("Suspected duplicates"), "difference", "newsletter_paper_doubles", "newsletter.change_paper"),
        (_("Submissions"), "inbox", "newsletter_submission_changelist", "newsletter.view_submission"),
        (_("Readers and results"), "monitoring", "newsletter_results", "newsletter.view_edition"),
        (_("Planned absences"), "event_busy", "newsletter_absence_changelist", "newsletter.view_absence"),
        (_("Topics"), "sell", "subscriptions_topic_changelist", "subscriptions.view_topic"),
    ),
    _("Sending"): (
        (_("Deliveries"), "outgoing_mail", "newsletter_delivery_changelist", "newsletter.view_delivery"),
        (_("Streams"), "water", "newsletter_stream_changelist", "newsletter.view_stream"),
        (_("Letters set aside"), "mark_email_unread", "newsletter_letter_changelist", "newsletter.view_letter"),
        (_("Domains on hold"), "domain_disabled", "newsletter_domainhold_changelist", "newsletter.view_domainhold"),
        (_("Webhooks"), "webhook", "newsletter_webhookendpoint_changelist", "newsletter.view_webhookendpoint"),
        (_("Webhook log"), "history", "newsletter_webhookdelivery_changelist", "newsletter.view_webhookdelivery"),
        (_("Mail settings"), "settings", "subscriptions_mailsettings_changelist", "subscriptions.view_mailsettings"),
        (_("Heartbeats"), "cardiology", "newsletter_heartbeat_changelist", "newsletter.view_heartbeat"),
    ),
    _("Readers"): (
        (_("Subscribers"), "group", "subscriptions_subscriber_changelist", "subscriptions.view_subscriber"),
        (_("Lists"), "playlist_add", "subscriptions_listimport_changelist", "subscriptions.view_listimport"),
        (_("Followed queries"), "bookmark", "newsletter_standingquery_changelist", "newsletter.view_standingquery"),
        (_("Notices"), "mail", "subscriptions_notice_changelist", "subscriptions.view_notice"),
        (_("Suppressions"), "block", "subscriptions_suppression_changelist", "subscriptions.view_suppression"),
        (_("API keys"), "key", "subscriptions_apikey_changelist", "subscriptions.view_apikey"),
    ),
    _("Sources"): (
        (_("Source runs"), "sync", "newsletter_sourcerun_changelist", "newsletter.view_sourcerun"),
        (_("Source hosts"), "dns", "newsletter_sourcehost_changelist", "newsletter.view_sourcehost"),
    ),
    _("Access"): (
        (_("Users"), "person", "auth_user_changelist", "auth.view_user"),
        (_("Groups"), "badge", "auth_group_changelist", "auth.view_group"),
        (_("Sign-ins"), "login", "newsletter_signin_changelist", "newsletter.view_signin"),
    ),
}
_BADGES = {  # pages with a number of waiting rows
    "newsletter_submission_changelist": submissions.waiting,
    "newsletter_letter_changelist": unrecognised_bounces.waiting,
    "newsletter_domainhold_changelist": unrecognised_bounces.held,
}


def style(request: HttpRequest) -> str:
    return static("newsletter/desk.css")


def icon(request: HttpRequest) -> str:
    return static("newsletter/mark.svg")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the navigation, limited to pages that the person may open."""
    groups = []
    for title, pages in _PAGES.items():
        items = [
            {"title": name, "icon": symbol, "link": reverse(f"admin:{page}"), "permission": _allows(permission)}
            | ({"badge": number} if page in _BADGES and (number := _BADGES[page]()) else {})
            for name, symbol, page, permission in pages
        ]
        if any(item["permission"](request) for item in items):
            groups.append({"title": title, "separator": bool(title), "items": items})
    return groups


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what the menu of the person who is signed in has besides Unfold's own entries."""
    return [{"title": _("My desk"), "link": reverse("admin:my_desk")}]


def _allows(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: not permission or request.user.has_perm(permission)
