"""The desk of webhooks: an operator enters them, sees a secret once, and what each try came to."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from newsletter.delivery import webhooks
from newsletter.delivery.webhooks import endpoint_secrets
from newsletter.models import WebhookDelivery, WebhookEndpoint
from newsletter.monitoring import current_alarms
from tests.builders import NOON

pytestmark = pytest.mark.django_db

PATH = "/admin/newsletter/webhookendpoint/"
LOG = "/admin/newsletter/webhookdelivery/"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{40,}")
ENTRY = {"url": "https://hooks.example.org/p", "description": "The wiki", "events": ["edition.sent"], "is_active": "on"}


def client_of(group: str) -> Client:
    user = User.objects.create_user(group, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator() -> Client:
    return client_of("Operators")


def secrets_in(client: Client, answer: Any) -> list[str]:
    page = client.get(answer["Location"]).content.decode()
    return SECRET.findall(page.replace("&#x2B;", "+").replace("&#x3D;", "="))


def enter(operator: Client) -> tuple[WebhookEndpoint, str]:
    answer = operator.post(f"{PATH}add/", ENTRY)
    assert answer.status_code == 302, answer.content
    (secret,) = secrets_in(operator, answer)
    return WebhookEndpoint.objects.get(), secret


def press(operator: Client, endpoint: WebhookEndpoint, verb: str) -> Any:
    asked = operator.get(f"{PATH}{endpoint.pk}/act/{verb}/").content.decode()
    key = re.findall(r'name="key" value="(\w+)"', asked)[0]
    return operator.post(f"{PATH}{endpoint.pk}/act/{verb}/", {"key": key})


def test_a_new_webhook_wants_to_hear_of_everything_unless_somebody_says_otherwise(operator: Client) -> None:
    page = operator.get("/admin/newsletter/webhookendpoint/add/").content.decode()
    assert re.search(r'<input[^>]*name="events"[^>]*value="edition.sent"[^>]* checked', page)


def test_an_operator_enters_a_webhook_and_sees_its_secret_once(operator: Client) -> None:
    endpoint, secret = enter(operator)
    assert (endpoint.url, endpoint.events, endpoint.is_active) == (ENTRY["url"], ["edition.sent"], True)
    assert endpoint_secrets.signing_secrets(endpoint, now=NOON) == (secret,)
    assert timezone.now() - endpoint.created_at < timedelta(minutes=1)
    for path in (PATH, f"{PATH}{endpoint.pk}/change/", f"{PATH}{endpoint.pk}/history/", "/admin/"):
        assert secret not in operator.get(path).content.decode()
    assert secret not in str(LogEntry.objects.values())


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.org/", "javascript:alert(1)", "https://user:pass@example.org/", "https://exa mple/", ""],
)
def test_an_address_that_may_not_be_posted_to_is_not_taken(operator: Client, url: str) -> None:
    answer = operator.post(f"{PATH}add/", ENTRY | {"url": url})
    assert answer.status_code == 200
    assert not WebhookEndpoint.objects.exists()


def test_a_new_secret_is_shown_once_and_the_old_one_signs_beside_it_for_a_day(operator: Client) -> None:
    endpoint, old = enter(operator)
    (new,) = secrets_in(operator, press(operator, endpoint, "new-secret"))
    endpoint.refresh_from_db()
    now = timezone.now()
    assert endpoint_secrets.signing_secrets(endpoint, now=now) == (new, old)
    assert endpoint_secrets.signing_secrets(endpoint, now=now + timedelta(days=1, minutes=1)) == (new,)
    assert new not in str(LogEntry.objects.values())


def test_a_test_is_queued_once_however_often_the_button_is_pressed(operator: Client) -> None:
    endpoint, _secret = enter(operator)
    asked = operator.get(f"{PATH}{endpoint.pk}/act/test/").content.decode()
    key = re.findall(r'name="key" value="(\w+)"', asked)[0]
    for _ in range(2):
        operator.post(f"{PATH}{endpoint.pk}/act/test/", {"key": key})
    delivery = WebhookDelivery.objects.get()
    assert (delivery.event.kind, delivery.state) == ("test", "queued")


def test_one_that_is_off_is_sent_no_test_and_says_why_until_it_is_switched_on_again(operator: Client) -> None:
    endpoint, _secret = enter(operator)
    webhooks.switch_off(endpoint.pk, reason="it answered 410 Gone", now=NOON)
    assert "it answered 410 Gone" in operator.get(PATH).content.decode()
    operator.post(f"{PATH}{endpoint.pk}/act/test/", {"key": "x"})
    assert not WebhookDelivery.objects.exists()
    assert [one.name for one in current_alarms.alarms(now=NOON) if one.part == "webhooks"] == ["webhook_off"]
    press(operator, endpoint, "leave-off")
    assert [one.name for one in current_alarms.alarms(now=NOON) if one.part == "webhooks"] == []
    operator.post(f"{PATH}{endpoint.pk}/change/", ENTRY)
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.off_reason, endpoint.failing_since) == (True, "", None)


def test_the_log_shows_every_try_and_sends_again(operator: Client) -> None:
    endpoint, _secret = enter(operator)
    delivery = webhooks.send_test(endpoint, now=NOON)
    WebhookDelivery.objects.update(
        state="failed",
        next_at=None,
        attempts=10,
        status=500,
        excerpt="<b>broken</b>",
        tries=[[NOON.isoformat(), 500, 12, "<b>broken</b>"], [NOON.isoformat(), None, 15_000, "no answer"]],
    )
    for path in (LOG, f"{LOG}?endpoint__id__exact={endpoint.pk}", f"{LOG}{delivery.pk}/change/"):
        page = operator.get(path).content.decode()
        assert "&lt;b&gt;broken&lt;/b&gt;" in page
        assert "<b>broken</b>" not in page
    assert "15000 ms" in operator.get(f"{LOG}{delivery.pk}/change/").content.decode().replace(",", "")
    operator.post(LOG, {"action": "send_again", "_selected_action": [delivery.pk]})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("queued", 0)
    assert LogEntry.objects.filter(object_id=str(delivery.pk), change_message="send again").exists()


def test_curators_see_no_webhooks(operator: Client) -> None:
    endpoint, _secret = enter(operator)
    curator = client_of("Curators")
    for path in (PATH, f"{PATH}{endpoint.pk}/change/", f"{PATH}{endpoint.pk}/act/test/", LOG):
        assert curator.get(path).status_code == 403
    assert curator.post(f"{PATH}{endpoint.pk}/act/new-secret/", {"key": "x"}).status_code == 403
