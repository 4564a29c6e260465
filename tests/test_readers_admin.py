"""The operator's view of readers: exact search, recorded acts, nothing editable that must not be."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client
from django.utils import timezone

from subscriptions import lifecycle, suppression
from subscriptions.models import Notice, Subscriber, Suppression, Topic
from subscriptions.transactional_mails import send_due_notices
from tests.builders import NOON, make_reader, make_topic

pytestmark = pytest.mark.django_db

READERS = "/admin/subscriptions/subscriber/"


def staff(*permissions: str) -> Client:
    user = User.objects.create_user(f"user{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, *rows: Any, model: str = "subscriber") -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(f"/admin/subscriptions/{model}/", data)


def test_every_page_opens(admin_client: Client) -> None:
    reader = make_reader("alice@example.net", follows=("vision",))
    notice = lifecycle.owe_notice(reader, kind=Notice.Kind.MANAGE, now=NOON, context={})
    suppression.suppress(reader, reason="complaint", source="arf", now=NOON)
    rows = {"subscriber": reader, "suppression": Suppression.objects.get(), "notice": notice}
    rows["topic"] = Topic.objects.get(slug="vision")  # type: ignore[assignment]
    for model, row in rows.items():
        assert admin_client.get(f"/admin/subscriptions/{model}/").status_code == 200
        page = admin_client.get(f"/admin/subscriptions/{model}/{row.pk}/change/")
        assert page.status_code == 200
        assert reader.unsubscribe_token not in page.content.decode()
    history = admin_client.get(f"{READERS}{reader.pk}/change/").content.decode()
    assert "marked a mail as spam" in history


def test_a_reader_is_found_by_the_whole_address_only(admin_client: Client) -> None:
    make_reader("alice@example.net")
    make_reader("bob@example.net")
    assert "alice@example.net" in admin_client.get(READERS, {"q": "Alice@Example.net"}).content.decode()
    assert "bob@example.net" not in admin_client.get(READERS, {"q": "Alice@Example.net"}).content.decode()
    for part in ("alice", "example.net", "@", "%"):
        assert "alice@example.net" not in admin_client.get(READERS, {"q": part}).content.decode()


def test_a_suppression_is_found_by_the_address_it_does_not_hold(admin_client: Client) -> None:
    suppression.suppress(make_reader("alice@example.net"), reason="bounce", source="dsn-alice", now=NOON)
    suppression.suppress(make_reader("bob@example.net"), reason="bounce", source="dsn-bob", now=NOON)
    page = admin_client.get("/admin/subscriptions/suppression/", {"q": "alice@example.net"}).content.decode()
    assert "dsn-alice" in page
    assert "dsn-bob" not in page


def test_nobody_edits_or_adds_a_reader_or_the_record(admin_client: Client) -> None:
    reader = make_reader()
    assert admin_client.get(f"{READERS}add/").status_code == 403
    assert admin_client.post(f"{READERS}{reader.pk}/change/", {"state": "confirmed"}).status_code == 403
    assert admin_client.post(f"{READERS}{reader.pk}/delete/", {"post": "yes"}).status_code == 403


def test_who_may_not_see_readers_sees_none() -> None:
    make_reader("alice@example.net")
    assert staff("change_edition", "view_edition").get(READERS).status_code == 403


def test_looking_gives_no_right_to_act() -> None:
    reader = make_reader()
    client = staff("view_subscriber")
    assert client.get(READERS).status_code == 200
    for action in ("unsubscribe_readers", "suppress_readers", "erase_readers", "mail_preferences_link"):
        act(client, action, reader)
    reader.refresh_from_db()
    assert reader.state == "confirmed"
    assert not Notice.objects.exists()


def test_acts_are_recorded_with_the_operator() -> None:
    one, other = make_reader(), make_reader()
    client = staff("view_subscriber", "change_subscriber")
    act(client, "unsubscribe_readers", one)
    act(client, "suppress_readers", other)
    assert one.consent_events.get().method == "admin"
    assert other.consent_events.get().method.startswith("admin:")
    assert Suppression.objects.get().reason == "admin"
    assert list(Subscriber.objects.mailable()) == []


def test_the_preferences_link_goes_to_the_reader_not_to_the_operator() -> None:
    reader = make_reader("alice@example.net")
    answer = act(staff("view_subscriber", "change_subscriber"), "mail_preferences_link", reader)
    assert "/preferences/" not in answer.content.decode()
    send_due_notices(now=timezone.now())
    assert [message.to for message in mail.outbox] == [["alice@example.net"]]


def test_lifting_needs_its_permission_and_subscribes_nobody() -> None:
    reader = make_reader()
    suppression.suppress(reader, reason="complaint", source="arf", now=NOON)
    row = Suppression.objects.get()
    act(staff("view_suppression"), "lift_suppressions", row, model="suppression")
    assert Suppression.objects.in_force().exists()
    act(staff("view_suppression", "change_suppression"), "lift_suppressions", row, model="suppression")
    assert not Suppression.objects.in_force().exists()
    assert not Subscriber.objects.mailable().exists()


def test_an_unknown_notice_is_sent_again_by_hand() -> None:
    notice = lifecycle.owe_notice(make_reader(), kind=Notice.Kind.MANAGE, now=NOON, context={})
    Notice.objects.update(state="unknown", settled_at=NOON)
    act(staff("view_notice", "change_notice"), "send_again", notice, model="notice")
    assert send_due_notices(now=timezone.now()) == 1
    assert len(mail.outbox) == 1


def test_an_unknown_time_zone_is_shown() -> None:
    reader = make_reader(time_zone="Mars/Olympus")
    assert "UTC (Mars/Olympus?)" in staff("view_subscriber").get(READERS).content.decode()
    assert reader.hour == 8


def test_curators_edit_topics_but_cannot_delete_them() -> None:
    topic = make_topic("vision")
    client = staff("view_topic", "change_topic", "delete_topic")
    assert client.get(f"/admin/subscriptions/topic/{topic.pk}/change/").status_code == 200
    assert client.post(f"/admin/subscriptions/topic/{topic.pk}/delete/", {"post": "yes"}).status_code == 403


def test_erasing_needs_its_permission_and_the_number_typed() -> None:
    one, other = make_reader(), make_reader()
    act(staff("view_subscriber", "change_subscriber"), "erase_readers", one)
    client = staff("view_subscriber", "delete_subscriber")
    for typed in ({}, {"typed": "1"}, {"typed": "all"}):
        data = {"action": "erase_readers", "_selected_action": [one.pk, other.pk]} | typed
        page = client.post(READERS, data)
        assert page.status_code == 200
        assert "Type 2 to confirm" in page.content.decode()
    assert Subscriber.objects.filter(state="erased").count() == 0
    client.post(READERS, data | {"typed": "2"})
    assert Subscriber.objects.filter(state="erased").count() == 2
    assert one.consent_events.get().method.startswith("admin:")
