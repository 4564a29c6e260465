"""Who may open which page of the desk and do what: every page and act by role, from the registry of the admin.

A page or an act that is not placed here fails, so nothing new is open to a role by accident.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from newsletter.admin import edition_actions, sending_pauses, unrecognised_bounces, webhooks
from newsletter.editions import curator_mails
from newsletter.models import CuratorMail
from subscriptions.models import ApiKey, Subscriber, Suppression
from tests.builders import NOON, make_edition, make_paper, make_reader
from tests.test_admin import desk, member  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db

EDITOR, APPROVER, CURATOR, OPERATOR, OBSERVER = ROLES = "Editors", "Approvers", "Curators", "Operators", "Observers"
ALL = set(ROLES)
EDITING, APPROVING = {EDITOR, CURATOR, OPERATOR}, {APPROVER, CURATOR, OPERATOR}
RUNNING, NOBODY = {OPERATOR}, set[str]()

VIEW = {  # the list and the page of one row
    "newsletter.edition": ALL,
    "newsletter.paper": ALL,
    "newsletter.absence": ALL,
    "subscriptions.topic": ALL,
    "newsletter.submission": EDITING,
    "newsletter.sourcerun": EDITING | {OBSERVER},
    "newsletter.sourcehost": EDITING | {OBSERVER},
    "newsletter.stream": RUNNING | {OBSERVER},
    "newsletter.heartbeat": RUNNING | {OBSERVER},
    "subscriptions.refusedrequest": RUNNING | {OBSERVER},
    "newsletter.delivery": RUNNING,
    "newsletter.letter": RUNNING,
    "newsletter.domainhold": RUNNING,
    "newsletter.webhookendpoint": RUNNING,
    "newsletter.webhookdelivery": RUNNING,
    "newsletter.standingquery": RUNNING,
    "newsletter.signin": RUNNING,
    "subscriptions.subscriber": RUNNING,
    "subscriptions.suppression": RUNNING,
    "subscriptions.apikey": RUNNING,
    "subscriptions.notice": RUNNING,
    "subscriptions.mailsettings": RUNNING,
    "subscriptions.listimport": RUNNING,
    "auth.user": NOBODY,
    "auth.group": NOBODY,
}
ADD = {
    "newsletter.absence": APPROVING,
    "subscriptions.topic": EDITING,
    "newsletter.webhookendpoint": RUNNING,
    "subscriptions.listimport": RUNNING,
    "subscriptions.apikey": RUNNING,
    "subscriptions.suppression": RUNNING,
}
DELETE = {"newsletter.absence": APPROVING, "subscriptions.subscriber": NOBODY}
PAGES = {  # by name: who, and its arguments by the rows of the desk
    "index": (ALL, ()),
    "my_desk": (ALL, ()),
    "second_factor": (ALL, ()),
    "my_second_factor": (ALL, ()),
    "newsletter_results": (ALL, ()),
    "newsletter_edition_results": (ALL, ("newsletter.edition",)),
    "newsletter_edition_preview": (ALL, ("newsletter.edition",)),
    "newsletter_edition_preview_mail": (ALL, ("newsletter.edition",)),
    "newsletter_edition_words": (ALL, ("newsletter.edition",)),
    "newsletter_edition_add_paper": (EDITING, ("newsletter.edition",)),
    "newsletter_paper_doubles": (EDITING, ()),
    "newsletter_paper_merge": (EDITING, ("newsletter.paper",)),
    "newsletter_paper_split": (EDITING, ("newsletter.paper",)),
    "newsletter_submission_decline": (EDITING, ()),
    "newsletter_submission_accept": (EDITING, ("newsletter.submission",)),
    "newsletter_submission_reopen": (EDITING, ("newsletter.submission",)),
    "newsletter_reader_history": (RUNNING, ("subscriptions.subscriber",)),
    "subscriptions_listimport_review": (RUNNING, ("subscriptions.listimport",)),
    "subscriptions_subscriber_export": (RUNNING, ()),
}
POSTED = {
    "newsletter_edition_words",
    "newsletter_submission_accept",
    "newsletter_submission_reopen",
    "subscriptions_subscriber_export",
}  # a GET does nothing
ACTS = {
    "newsletter_edition_act": ("newsletter.edition", edition_actions.ACTS),
    "newsletter_stream_act": ("newsletter.stream", sending_pauses.OF_DIGESTS),
    "newsletter_letter_act": ("newsletter.letter", unrecognised_bounces.ACTS),
    "newsletter_domainhold_act": ("newsletter.domainhold", unrecognised_bounces.HOLD_ACTS),
    "newsletter_webhookendpoint_act": ("newsletter.webhookendpoint", webhooks.ACTS),
}
MAY_ACT = {  # of an edition; every other act is an operator's
    "approve": APPROVING,
    "back-to-draft": APPROVING,
    "freeze": APPROVING,
    "correct": APPROVING,
    "take-down": APPROVING,
    "put-back": APPROVING,
}
OF_DJANGO = {
    *("search", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n"),
    *("view_on_site", "app_list", "auth_user_password_change"),
}
KINDS = {"changelist", "add", "change", "delete", "history"}


def names(patterns: list[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def test_every_page_and_model_of_the_desk_is_placed() -> None:
    assert {model._meta.label_lower for model in admin.site._registry} == set(VIEW)
    own = {
        f"{model._meta.app_label}_{model._meta.model_name}_{kind}" for model in admin.site._registry for kind in KINDS
    }
    assert set(names(admin.site.urls[0])) - own - OF_DJANGO == set(PAGES) | set(ACTS)


def is_open(client: Client, address: str, *, post: bool = False) -> bool:
    status = (client.post if post else client.get)(address).status_code
    assert status in {200, 302, 403, 404}, (address, status)  # 404: of a row that they may not know of
    return status < 403


@pytest.mark.parametrize("role", ROLES)
def test_each_role_opens_its_own_pages_only(role: str, desk: dict[str, Any]) -> None:  # noqa: F811
    client, wrong = member(role), []
    for model in admin.site._registry:
        label, base = model._meta.label_lower, f"admin:{model._meta.app_label}_{model._meta.model_name}"
        wanted = {
            reverse(f"{base}_changelist"): role in VIEW[label],
            reverse(f"{base}_add"): role in ADD.get(label, NOBODY),
        }
        if label != "subscriptions.listimport":  # its rows have a page of their own
            wanted[reverse(f"{base}_change", args=[desk[label].pk])] = role in VIEW[label]
            wanted[reverse(f"{base}_delete", args=[desk[label].pk])] = role in DELETE.get(label, NOBODY)
        wrong += [address for address, may in wanted.items() if is_open(client, address) != may]
    for name, (roles, rows) in PAGES.items():
        address = reverse(f"admin:{name}", args=[desk[row].pk if isinstance(row, str) else row for row in rows])
        if is_open(client, address, post=name in POSTED) != (role in roles):
            wrong.append(address)
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_each_role_does_its_own_acts_only(role: str, desk: dict[str, Any]) -> None:  # noqa: F811
    client, wrong = member(role), []
    for name, (label, acts) in ACTS.items():
        for verb in acts:
            who = MAY_ACT.get(verb, RUNNING) if label == "newsletter.edition" else RUNNING
            address = reverse(f"admin:{name}", args=[desk[label].pk, verb])
            wrong += [address] if is_open(client, address) != (role in who) else []
            if role not in who:
                wrong += [f"POST {address}"] if is_open(client, address, post=True) else []
    assert wrong == []


@pytest.mark.parametrize("role", [EDITOR, APPROVER, CURATOR, OBSERVER])
def test_who_does_not_look_after_readers_sees_no_address(role: str, desk: dict[str, Any]) -> None:  # noqa: F811
    client = member(role)
    for label, roles in VIEW.items():
        if role in roles:
            app, name = label.split(".")
            for address in (f"/admin/{app}/{name}/", f"/admin/{app}/{name}/{desk[label].pk}/change/"):
                assert ".secret@hidden" not in client.get(address).content.decode(), address
    sent = f"/admin/newsletter/edition/{desk['sent'].pk}/results/"
    for address in ("/admin/", "/admin/newsletter/edition/results/", sent, f"{sent}?format=csv"):
        assert "hidden.example" not in client.get(address).content.decode(), address


def test_an_approver_changes_no_edition_and_an_editor_approves_none() -> None:
    edition = make_edition(papers=[make_paper()])
    page = member(APPROVER).get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    assert "act/approve/" in page
    page = member(EDITOR).get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    assert 'name="_save"' in page
    assert "act/approve/" not in page


def test_approvers_are_told_of_drafts_once_even_with_two_roles() -> None:
    user = User.objects.create_user("ada", email="ada@example.org", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=[APPROVER, CURATOR]))
    make_reader()
    make_edition(papers=[make_paper()], cutoff_at=NOON)
    assert curator_mails.owe_due(now=NOON.replace(hour=NOON.hour - 1)) == 1
    assert CuratorMail.objects.get().curator == user


def test_a_key_is_made_in_the_browser_and_shown_once() -> None:
    client = member(OPERATOR)
    fields = {"name": "A form", "scopes": ["subscribers:write"]}
    page = client.post("/admin/subscriptions/apikey/add/", fields, follow=True).content.decode()
    assert "it is not shown again" in page
    key = ApiKey.objects.get()
    assert (key.name, key.scopes) == ("A form", ["subscribers:write"])
    shown = page.split("it is not shown again: ")[1].split("<")[0].strip()
    answer = Client().post(
        "/api/v1/subscribers", {}, content_type="application/json", headers={"Authorization": f"Bearer {shown}"}
    )
    assert answer.status_code != 401
    assert shown not in client.get("/admin/subscriptions/apikey/").content.decode()
    assert "already exists" in client.post("/admin/subscriptions/apikey/add/", fields).content.decode()


def test_an_address_is_barred_in_the_browser() -> None:
    reader = make_reader("ann@example.net")
    client = member(OPERATOR)
    assert "form" in client.post("/admin/subscriptions/suppression/add/", {"email": "ann@@x"}).content.decode()
    assert not Suppression.objects.exists()
    for _ in range(2):
        assert client.post("/admin/subscriptions/suppression/add/", {"email": "Ann@example.net"}).status_code == 302
    assert Suppression.objects.get().reason == "admin"
    reader.refresh_from_db()
    assert reader.state == Subscriber.State.SUPPRESSED


def test_readers_leave_as_csv_by_a_button() -> None:
    make_reader("ann@example.net")
    make_reader("gone@example.net", state="unsubscribed")
    client = member(OPERATOR)
    assert "Download confirmed and paused readers" in client.get("/admin/subscriptions/subscriber/").content.decode()
    assert client.get("/admin/subscriptions/subscriber/export/").status_code == 405
    answer = client.post("/admin/subscriptions/subscriber/export/")
    rows = list(csv.DictReader(StringIO(b"".join(answer).decode())))  # type: ignore[arg-type, call-overload]
    assert [row["email"] for row in rows] == ["ann@example.net"]
