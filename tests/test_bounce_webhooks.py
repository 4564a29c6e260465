"""Providers' events in our vocabulary, through django-anymail's own webhook views."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from django.test import RequestFactory

from newsletter.delivery.bounces import Event, ReportKind, act_on_report, provider_events, unrecognised
from newsletter.models import DeliveryEvent, Letter
from subscriptions.models import Subscriber, Suppression
from tests.builders import NOON
from tests.test_feedback import sent
from tests.test_unrecognised_bounces import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper


def make_event(**over: Any) -> AnymailTrackingEvent:
    fields: dict[str, Any] = {
        "event_type": "bounced",
        "timestamp": datetime(2026, 3, 18, 8, 0, tzinfo=UTC),
        "event_id": "e-1",
        "message_id": "<31.89ab@papers.example.org>",
        "metadata": {"delivery": "31"},
        "recipient": "ada@reader.example",
    }
    return AnymailTrackingEvent(**(fields | over))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"event_type": "delivered"}, ReportKind.DELIVERED),
        ({"event_type": "deferred", "mta_response": "450 4.2.2 full"}, ReportKind.DEFERRED),
        ({"event_type": "complained"}, ReportKind.COMPLAINED),
        ({"event_type": "unsubscribed"}, ReportKind.UNSUBSCRIBED),
        ({"event_type": "failed"}, ReportKind.POLICY),
        ({"mta_response": "550 5.1.1 unknown user"}, ReportKind.HARD),
        ({"mta_response": "552 5.2.2 full", "reject_reason": "bounced"}, ReportKind.SOFT),  # the server knows better
        ({"mta_response": "550 5.7.1 spam", "reject_reason": "bounced"}, ReportKind.POLICY),
        ({"reject_reason": "invalid"}, ReportKind.HARD),
        ({"reject_reason": "bounced"}, ReportKind.SOFT),  # anymail's word for any bounce
        ({"reject_reason": "bounced", "description": "Transient: General"}, ReportKind.SOFT),
        ({"reject_reason": "bounced", "description": "Transient: MailboxFull"}, ReportKind.SOFT),
        ({"reject_reason": "bounced", "description": "Transient: ContentRejected"}, ReportKind.POLICY),
        ({"reject_reason": "bounced", "description": "Transient: MessageTooLarge"}, ReportKind.POLICY),
        ({"reject_reason": "bounced", "description": "Transient: AttachmentRejected"}, ReportKind.POLICY),
        ({"reject_reason": "bounced", "description": "Undetermined: Undetermined"}, ReportKind.SOFT),
        ({"reject_reason": "bounced", "description": "Permanent: General"}, ReportKind.HARD),
        ({"reject_reason": "bounced", "description": "Permanent: NoEmail"}, ReportKind.HARD),
        (
            {"reject_reason": "bounced", "description": "Permanent: General", "mta_response": "552 mailbox is full"},
            ReportKind.SOFT,  # the milder of the two
        ),
        (
            {"reject_reason": "bounced", "description": "Transient: General", "mta_response": "550 5.1.1 no such user"},
            ReportKind.SOFT,
        ),
        (
            {"reject_reason": "bounced", "esp_event": {"event": "soft_bounce", "reason": "server is down"}},
            ReportKind.SOFT,
        ),
        ({"reject_reason": "bounced", "esp_event": {"event": "hard_bounce"}}, ReportKind.HARD),
        (
            {
                "reject_reason": "bounced",
                "esp_event": {"event": "hard_bounce"},
                "mta_response": "undefined Unable to find MX of domain",
            },
            ReportKind.SOFT,
        ),
        (
            {"reject_reason": "bounced", "esp_event": {"Type": "SoftBounce"}, "mta_response": "smtp;452"},
            ReportKind.SOFT,
        ),
        ({"reject_reason": "bounced", "esp_event": {"type": "activity.soft_bounced", "data": {}}}, ReportKind.SOFT),
        ({"reject_reason": "bounced", "esp_event": {"type": "activity.hard_bounced", "data": {}}}, ReportKind.HARD),
        ({"reject_reason": "bounced", "esp_event": {"event": "bounce", "hard_bounce": False}}, ReportKind.SOFT),
        ({"reject_reason": "bounced", "esp_event": {"event": "bounce", "hard_bounce": True}}, ReportKind.HARD),
        (
            {
                "reject_reason": "bounced",
                "esp_event": {
                    "type": "email.bounced",
                    "data": {"bounce": {"message": "The provider sent a general bounce message."}},
                },
            },
            ReportKind.SOFT,
        ),
        (
            {
                "reject_reason": "bounced",
                "description": "A hard bounce message: remove the recipient from your mailing list.",
            },
            ReportKind.HARD,  # the provider's advice is no word of the receiver
        ),
        (
            {
                "reject_reason": "spam",
                "esp_event": {"event_data": {"delivery_info": {"delivery_status": "err_spam_rejected"}}},
            },
            ReportKind.POLICY,
        ),
        ({"event_type": "bounced", "reject_reason": "spam"}, ReportKind.POLICY),
        (
            {"mta_response": "Too old", "reject_reason": "other", "esp_event": {"severity": "permanent"}},
            ReportKind.SOFT,  # Mailgun gave up: its "permanent" is no word about the address
        ),
        (
            {
                "mta_response": "5.1.1 does not exist",
                "reject_reason": "bounced",
                "esp_event": {"severity": "permanent"},
            },
            ReportKind.HARD,
        ),
        (
            {"description": "Not delivering to a user who marked your messages as spam", "reject_reason": "other"},
            ReportKind.COMPLAINED,
        ),
        ({"description": "Not delivering to unsubscribed address"}, ReportKind.UNSUBSCRIBED),
        ({"reject_reason": "blocked", "esp_event": {"hard_bounce": False}}, ReportKind.POLICY),
        ({"reject_reason": "blocked", "esp_event": {"hard_bounce": True}}, ReportKind.POLICY),
        ({"esp_event": {"hard_bounce": False, "error": "content blocked"}}, ReportKind.POLICY),
        ({"esp_event": {"hard_bounce": True, "error": "quota exceeded"}}, ReportKind.SOFT),
        ({"reject_reason": "timed_out"}, ReportKind.SOFT),
        ({"reject_reason": "blocked"}, ReportKind.POLICY),
        ({"event_type": "rejected", "reject_reason": "spam"}, ReportKind.COMPLAINED),
        ({"event_type": "rejected", "reject_reason": "unsubscribed"}, ReportKind.UNSUBSCRIBED),
        ({"event_type": "rejected", "reject_reason": "other"}, ReportKind.POLICY),  # no receiver was asked
        ({"event_type": "rejected", "reject_reason": "bounced"}, ReportKind.SOFT),
        ({"event_type": "rejected", "reject_reason": "invalid"}, ReportKind.HARD),
        (
            {
                "event_type": "rejected",
                "reject_reason": "other",
                "esp_event": {"event": "dropped", "reason": "Spam Reporting Address"},
            },
            ReportKind.COMPLAINED,
        ),
        (
            {
                "event_type": "rejected",
                "reject_reason": "other",
                "esp_event": {"event": "dropped", "reason": "Spam Content (if spam checker app enabled)"},
            },
            ReportKind.POLICY,
        ),
        ({"reject_reason": "other", "esp_event": {"event": "blocked", "error": "spam content"}}, ReportKind.POLICY),
        ({"reject_reason": "other"}, ReportKind.SOFT),
        ({"reject_reason": "other", "description": "rejected as spam"}, ReportKind.POLICY),
        ({}, ReportKind.SOFT),
    ],
)
def test_an_event_is_translated(fields: dict[str, Any], kind: ReportKind) -> None:
    event = provider_events.event_of(make_event(**fields))
    assert event is not None
    assert event.kind is kind
    assert (event.delivery, event.message_id) == (31, "31.89ab@papers.example.org")
    assert "ada@" not in event.text


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(f"err_{word}", ReportKind.HARD) for word in ("user_unknown", "mailbox_discarded")],
        *[(f"err_{word}", ReportKind.SOFT) for word in ("user_inactive", "mailbox_full", "unreachable", "lost")],
        *[(f"err_{word}", ReportKind.SOFT) for word in ("domain_inactive", "destination_misconfigured", "skip_letter")],
        *[(f"err_{word}", ReportKind.POLICY) for word in ("too_large", "spam_rejected", "spam_skipped", "blacklisted")],
        ("err_unsubscribed", ReportKind.UNSUBSCRIBED),
    ],
)
def test_a_hard_bounce_is_as_hard_as_its_reason(status: str, kind: ReportKind) -> None:
    """Unisender Go calls whatever it gave up a hard bounce, and says beside it why."""
    told = {"status": "hard_bounced", "delivery_info": {"delivery_status": status}}
    event = provider_events.event_of(make_event(reject_reason="bounced", esp_event=told))
    assert event is not None
    assert event.kind is kind


@pytest.mark.parametrize(
    "event_type", ["queued", "sent", "opened", "clicked", "autoresponded", "subscribed", "unknown"]
)
def test_what_we_do_not_act_on_is_no_event(event_type: str) -> None:
    assert provider_events.event_of(make_event(event_type=event_type)) is None


@pytest.mark.parametrize("word", ["OutOfOffice", "AutoResponder", "auto-reply", "vacation"])
def test_an_out_of_office_note_is_no_event_even_as_a_bounce(word: str) -> None:
    assert provider_events.event_of(make_event(reject_reason="bounced", esp_event={"Type": word})) is None


def test_a_payload_that_is_no_mapping_or_nested_without_end_is_read() -> None:
    nested: dict[str, Any] = {}
    nested["event"] = nested
    for payload in (None, [], "soft", nested, {"event": 5, "type": None}):
        event = provider_events.event_of(make_event(reject_reason="bounced", esp_event=payload))
        assert event is not None
        assert event.kind is ReportKind.SOFT


def test_the_same_event_delivered_again_has_the_same_id_and_another_one_not() -> None:
    def event_id(**over: Any) -> str:
        event = provider_events.event_of(make_event(event_id=None, **over))
        assert event is not None
        return event.event_id

    assert event_id() == event_id()
    assert event_id() != event_id(event_type="complained")
    assert event_id() != event_id(message_id="<32.x@papers.example.org>")
    assert event_id() != event_id(recipient="bob@reader.example")


@pytest.mark.parametrize(
    "metadata", [None, {}, {"delivery": ""}, {"delivery": "x"}, {"delivery": "9" * 30}, {"delivery": "٣"}]
)
def test_a_key_that_is_none_of_ours_is_left_out(metadata: Any) -> None:
    event = provider_events.event_of(make_event(metadata=metadata))
    assert event is not None
    assert event.delivery is None


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    events: list[Event] = []
    receiver = provider_events.listen(lambda event, letter: events.append(event))
    yield events
    tracking.disconnect(receiver)


def post(view: Any, body: dict[str, Any]) -> int:
    request = RequestFactory().post(
        "/webhooks/",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": "Basic " + base64.b64encode(b"paperboy:secret").decode()},
    )
    return int(view.as_view()(request).status_code)


def test_a_providers_post_becomes_an_event(settings: SettingsWrapper, heard: list[Event]) -> None:
    settings.ANYMAIL = {"WEBHOOK_SECRET": "paperboy:secret"}
    body = {
        "RecordType": "Bounce",
        "ID": 4711,
        "Type": "HardBounce",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": "smtp;550 5.1.1 <ada@reader.example> unknown",
        "Email": "ada@reader.example",
        "BouncedAt": "2026-03-18T08:00:00Z",
        "Metadata": {"delivery": "31"},
    }
    assert post(PostmarkTrackingWebhookView, body) == 200
    (event,) = heard
    assert (event.kind, event.delivery, event.code) == (ReportKind.HARD, 31, "550 5.1.1")
    assert event.event_id == "webhook:4711"
    assert event.at == datetime(2026, 3, 18, 8, 0, tzinfo=UTC)


def test_another_providers_complaint_becomes_an_event(settings: SettingsWrapper, heard: list[Event]) -> None:
    settings.ANYMAIL = {"WEBHOOK_SECRET": "paperboy:secret", "MAILGUN_WEBHOOK_SIGNING_KEY": "key"}
    import hashlib
    import hmac

    signature = hmac.new(b"key", b"1773820800token", hashlib.sha256).hexdigest()
    body = {
        "signature": {"timestamp": "1773820800", "token": "token", "signature": signature},
        "event-data": {
            "event": "complained",
            "id": "abc",
            "timestamp": 1773820800.0,
            "recipient": "ada@reader.example",
            "message": {"headers": {"message-id": "31.89ab@papers.example.org"}},
            "user-variables": {"delivery": "31"},
        },
    }
    assert post(MailgunTrackingWebhookView, body) == 200
    (event,) = heard
    assert (event.kind, event.delivery, event.message_id) == (ReportKind.COMPLAINED, 31, "31.89ab@papers.example.org")


# --- about no digest that is known here -------------------------------------------------------------------------------


@pytest.fixture
def site_listens(settings: SettingsWrapper, db: None) -> Iterator[None]:
    settings.ANYMAIL = {"WEBHOOK_SECRET": "paperboy:secret"}
    receiver = provider_events.listen(act_on_report.take_in_from_provider)
    yield
    tracking.disconnect(receiver)


def postmark(**over: Any) -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "ID": 4712,
        "Type": "HardBounce",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Details": "smtp;550 5.1.1 <reader0@example.net> unknown",
        "Email": "reader0@example.net",
        "BouncedAt": "2026-03-18T08:00:00Z",
        "Metadata": {},
        **over,
    }


COMPLAINT = {"RecordType": "SpamComplaint", "Type": "SpamComplaint"}
DELIVERY = {"RecordType": "Delivery", "DeliveredAt": "2026-03-18T08:00:00Z", "Recipient": "reader0@example.net"}


@pytest.mark.parametrize(
    ("over", "taken_for"),
    [
        ({}, "hard"),
        ({"Type": "SoftBounce", "Details": "smtp;452 4.2.2 mailbox full"}, "soft"),
        ({"Type": "Blocked", "Details": "smtp;550 5.7.1 blocked by policy"}, "policy"),
        (COMPLAINT, "complained"),
        ({"Metadata": {"delivery": "999999"}}, "hard"),
        ({"Metadata": {"delivery": "nonsense"}, "Email": "\r\nBcc: x@example.net"}, "hard"),
        ({"Metadata": {"notice": "7"}, **COMPLAINT}, "complained"),
        ({"Metadata": {"notice": "7"}}, None),  # a sign-up with a slip subscribed nobody
        (DELIVERY, None),
        ({"RecordType": "Open"}, None),
    ],
)
def test_an_event_about_no_digest_waits_once_for_a_person(
    over: dict[str, Any], taken_for: str | None, site_listens: None
) -> None:
    for _ in range(2):  # providers repeat themselves
        assert post(PostmarkTrackingWebhookView, postmark(**over)) == 200
    assert [letter.taken_for for letter in Letter.objects.all()] == ([taken_for] if taken_for else [])
    assert {letter.why for letter in Letter.objects.all()} <= {"untied"}
    assert not DeliveryEvent.objects.exists()
    assert not Suppression.objects.exists()


def test_an_operator_reads_the_event_and_what_they_say_is_done(site_listens: None) -> None:
    row = sent()[0]
    post(PostmarkTrackingWebhookView, postmark(**COMPLAINT))
    letter = Letter.objects.get()
    assert (letter.sender, letter.subject) == ("Postmark (webhook)", "complained spam")
    assert '"MessageID": "883953f4' in unrecognised.readable(letter)[1]
    assert unrecognised.readers_named(letter) == ["reader0@example.net"]
    assert "The address is suppressed." in say(letter, "complaint", "reader0@example.net")
    assert Subscriber.objects.get().state == Subscriber.State.SUPPRESSED
    assert [event.kind for event in row.events.all()] == ["complained"]
    assert post(PostmarkTrackingWebhookView, postmark(**COMPLAINT)) == 200
    assert not Letter.objects.waiting().exists()


def test_an_event_about_a_digest_waits_for_nobody(site_listens: None) -> None:
    row = sent()[0]
    post(PostmarkTrackingWebhookView, postmark(Metadata={"delivery": str(row.pk)}))
    act_on_report.act_on_events(now=NOON)
    assert not Letter.objects.exists()
    assert Subscriber.objects.get().state == Subscriber.State.SUPPRESSED


def test_a_flood_of_events_ends_in_the_log(
    site_listens: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(unrecognised, "KEPT_LETTERS", 2)
    with caplog.at_level(logging.ERROR):
        for number in range(4):
            assert post(PostmarkTrackingWebhookView, postmark(ID=number)) == 200
    assert Letter.objects.count() == 2
    assert [record.getMessage()[-14:] for record in caplog.records] == ["hard webhook:2", "hard webhook:3"]
