"""The preferences page behind a mailed link: change, pause, leave, take and erase one's data."""

import html
import json
import re
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from subscriptions import gdpr, lifecycle, suppression, token_links
from subscriptions import refused_requests as refusals
from subscriptions.lifecycle import Origin
from subscriptions.models import ConsentEvent, Notice, Subscriber
from subscriptions.preference_parts import FIELDS, SAVED, TITLES
from subscriptions.preferences import Preferences, preferences_of
from subscriptions.transactional_mails import send_due_notices
from tests.builders import NOON, make_reader, make_topic

pytestmark = pytest.mark.django_db

FORM = {
    "action": "save",
    "cadence": "daily",
    "weekdays": ["0", "5"],
    "hour": "21",
    "time_zone": "Asia/Calcutta",
    "max_papers": "5",
    "thin_policy": "hold",
    "mail_format": "text",
    "wants_outside": "on",
}

MUTED_VISION = '<option value="mute" selected>'


def path_of(reader: Subscriber) -> str:
    return f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"


def test_every_wish_is_saved_and_shown(client: Client) -> None:
    vision, audio, _robotics = map(make_topic, ("vision", "speech-audio", "robotics"))
    reader = make_reader(follows=("robotics",))
    stances = {"topic-vision": "more", "topic-speech-audio": "mute", "topic-robotics": ""}
    with time_machine.travel(NOON, tick=False):
        answer = client.post(path_of(reader), FORM | stances, follow=True)
        parts = {part: client.get(f"{path_of(reader)}{part}/").content.decode() for part in SAVED}
    reader.refresh_from_db()
    assert (reader.weekdays, reader.hour, reader.time_zone) == (0b0100001, 21, "Asia/Calcutta")
    assert (reader.max_papers, reader.thin_policy, reader.mail_format) == (5, "hold", "text")
    assert dict(reader.preferences.values_list("topic__slug", "stance")) == {"vision": "more", "speech-audio": "mute"}
    page = answer.content.decode()
    assert "Saved." in page
    assert "daily · Mon, Sat · 21:00 (Asia/Calcutta)" in page
    assert "at most 5 papers · text only · English" in page
    assert escape(f"{vision.name}; without {audio.name}") in page
    assert '<option value="Asia/Calcutta" selected>' in parts["schedule"]
    assert MUTED_VISION.replace("mute", "more") in parts["topics"]
    assert '<option value="hold" selected>' in parts["digest"]


@pytest.mark.parametrize(
    ("part", "typed", "changed"),
    [
        ("topics", {"topic-vision": "mute"}, {"stances": {"vision": "mute"}}),
        ("schedule", {"cadence": "daily", "hour": "5", "weekdays": ["1"]}, {"hour": 5, "weekdays": 2}),
        ("digest", {"max_papers": "3", "thin_policy": "skip", "mail_format": "text"}, {"max_papers": 3}),
    ],
)
def test_a_part_saves_its_own_fields_and_leaves_the_others(
    client: Client, part: str, typed: dict[str, Any], changed: dict[str, Any]
) -> None:
    make_topic("vision")
    reader = make_reader(follows=("vision",), hour=8, max_papers=7, weekdays=0b11111, time_zone="UTC")
    before = preferences_of(reader)
    page = f"{path_of(reader)}{part}/"
    assert "Saved." in client.post(page, {"action": "save", **typed}, follow=True).content.decode()
    reader.refresh_from_db()
    after = preferences_of(reader)
    assert replace(before, **changed).stances == after.stances
    own = set(FIELDS.get(part, ())) | ({"stances"} if part == "topics" else set())
    assert {name for name, value in asdict(before).items() if value != asdict(after)[name]} <= own
    assert all(getattr(after, name) == value for name, value in changed.items())


def test_each_part_has_an_address_and_a_title_of_its_own_and_the_list_leads_to_it(client: Client) -> None:
    path = path_of(make_reader())
    listed = client.get(path).content.decode()
    titles = set()
    for part in TITLES:
        page = f"{path}{part}/"
        assert f'href="{page}"' in listed
        shown = client.get(page).content.decode()
        titles |= set(re.findall("<title>([^<]+)</title>", shown))
        assert f'href="{path}"' in shown
    assert len(titles) == len(TITLES)
    assert client.get(f"{path}nonsense/").status_code == 404


def test_saving_one_part_is_no_conflict_with_another_that_was_saved_meanwhile(client: Client) -> None:
    reader = make_reader()
    pages = {part: f"{path_of(reader)}{part}/" for part in ("schedule", "digest")}
    seen = {part: re.findall(r'name="seen" value="(\w+)"', client.get(pages[part]).content.decode()) for part in pages}
    for part, page in pages.items():
        answer = client.post(page, FORM | {"seen": seen[part]}, follow=True)
        assert "Saved." in answer.content.decode()
    reader.refresh_from_db()
    assert (reader.hour, reader.max_papers) == (21, 5)


def test_what_was_typed_into_a_part_behind_an_expired_link_waits_there(client: Client) -> None:
    reader = make_reader("alice@example.net")
    with time_machine.travel(NOON - timedelta(days=3), tick=False):
        expired = f"{path_of(reader)}schedule/"
    typed = {"action": "save", "cadence": "daily", "hour": "17", "weekdays": ["1"]}
    with time_machine.travel(NOON, tick=False):
        client.post(expired, typed)
        path = path_of(reader)
        assert f'<a href="{path}schedule/">Go back to what you had filled in</a>' in client.get(path).content.decode()
        assert '<option value="17" selected>' in client.get(f"{path}schedule/").content.decode()
        client.post(f"{path}schedule/", typed)
        assert "not saved yet" not in client.get(path).content.decode()
    reader.refresh_from_db()
    assert reader.hour == 17


def test_who_left_cannot_open_the_pause_of_their_digests(client: Client) -> None:
    path = path_of(make_reader(state="unsubscribed", next_due_at=None))
    answer = client.get(f"{path}pause/", follow=True)
    assert answer.redirect_chain == [(path, 303)]
    assert f"{path}data/" in answer.content.decode()


def test_a_new_rhythm_moves_the_next_digest(client: Client) -> None:
    reader = make_reader(next_due_at=NOON + timedelta(hours=20))
    with time_machine.travel(NOON, tick=False):
        client.post(path_of(reader), FORM | {"cadence": "weekly", "time_zone": "UTC"})
    reader.refresh_from_db()
    assert reader.next_due_at == datetime(2026, 3, 23, 21, tzinfo=UTC)


def test_other_topics_leave_the_next_digest_where_it_is() -> None:
    make_topic("vision")
    reader = make_reader(next_due_at=NOON + timedelta(minutes=1))
    preferences = Preferences(stances={"vision": "follow"})
    assert lifecycle.change(reader, preferences=preferences, now=NOON, method="test", origin=Origin())
    reader.refresh_from_db()
    assert reader.next_due_at == NOON + timedelta(minutes=1)


def test_a_digest_that_is_owed_already_is_not_lost_by_a_new_rhythm() -> None:
    reader = make_reader(next_due_at=NOON)
    now = NOON + timedelta(seconds=30)
    lifecycle.change(reader, preferences=Preferences(hour=23), now=now, method="test", origin=Origin())
    reader.refresh_from_db()
    assert reader.next_due_at == NOON


def test_saving_the_same_again_is_no_change(client: Client) -> None:
    reader = make_reader()
    client.post(path_of(reader), FORM)
    client.post(path_of(reader), FORM)
    assert [event.kind for event in reader.consent_events.all()] == ["changed"]


@pytest.mark.parametrize(
    "bad", [{"hour": "24"}, {"time_zone": "Mars"}, {"max_papers": "0"}, {"max_papers": "51"}, {"weekdays": ["7"]}]
)
def test_a_wish_out_of_range_saves_nothing(client: Client, bad: dict[str, Any]) -> None:
    reader = make_reader()
    before = Subscriber.objects.values().get()
    answer = client.post(path_of(reader), FORM | bad)
    assert answer.status_code == 200
    assert "Nothing was saved" in answer.content.decode()
    assert Subscriber.objects.values().get() == before


def test_a_retired_topic_keeps_its_stance(client: Client) -> None:
    topic = make_topic("phrenology")
    reader = make_reader(follows=("phrenology",))
    type(topic).objects.filter(pk=topic.pk).update(is_active=False)
    client.post(path_of(reader), FORM)
    assert reader.preferences.get().topic == topic


def test_pausing_stops_digests_until_the_local_morning_and_resumes_by_itself(client: Client) -> None:
    reader = make_reader(time_zone="Asia/Tokyo")
    with time_machine.travel(NOON, tick=False):
        client.post(path_of(reader), {"action": "pause", "until": "2026-04-01"})
    reader.refresh_from_db()
    assert (reader.state, reader.next_due_at) == ("paused", None)
    assert reader.paused_until == datetime(2026, 3, 31, 15, tzinfo=UTC)  # midnight in Tokyo
    assert lifecycle.resume_rested(now=reader.paused_until - timedelta(seconds=1)) == 0
    assert lifecycle.resume_rested(now=reader.paused_until) == 1
    assert lifecycle.resume_rested(now=reader.paused_until) == 0
    reader.refresh_from_db()
    assert (reader.state, reader.paused_until) == ("confirmed", None)
    assert reader.next_due_at == datetime(2026, 3, 31, 23, tzinfo=UTC)  # 08:00 on 1 April


def test_a_pause_keeps_its_day_when_the_zone_changes(client: Client) -> None:
    reader = make_reader(time_zone="Asia/Tokyo")
    with time_machine.travel(NOON, tick=False):
        client.post(path_of(reader), {"action": "pause", "until": "2026-03-30"})
        assert "Paused until 30 March 2026." in client.get(path_of(reader)).content.decode()
        client.post(path_of(reader), FORM | {"time_zone": "America/Los_Angeles"})
        assert "Paused until 30 March 2026." in client.get(path_of(reader)).content.decode()
    reader.refresh_from_db()
    assert reader.paused_until == datetime(2026, 3, 30, 7, tzinfo=UTC)  # midnight in Los Angeles


@pytest.mark.parametrize("until", ["", "2026-03-18", "2020-01-01", "2028-01-01", "soon"])
def test_a_pause_needs_a_day_within_a_year(client: Client, until: str) -> None:
    reader = make_reader()
    with time_machine.travel(NOON, tick=False):
        client.post(path_of(reader), {"action": "pause", "until": until})
    reader.refresh_from_db()
    assert reader.state == "confirmed"


def test_a_paused_reader_can_start_again_at_once(client: Client) -> None:
    reader = make_reader(state="paused", next_due_at=None, paused_until=NOON + timedelta(days=9))
    client.post(path_of(reader), {"action": "resume"})
    reader.refresh_from_db()
    assert (reader.state, reader.paused_until) == ("confirmed", None)
    assert reader.next_due_at is not None


def test_leaving_from_the_page(client: Client) -> None:
    reader = make_reader()
    page = client.post(path_of(reader), {"action": "leave"}, follow=True).content.decode()
    assert "You are not subscribed." in page
    reader.refresh_from_db()
    assert reader.state == "unsubscribed"


def test_the_export_is_everything_but_the_keys(client: Client) -> None:
    reader = make_reader("alice@example.net", follows=("vision",))
    reader.consent_events.create(kind="requested", at=NOON, method="page", ip_address="192.0.2.1")
    answer = client.post(path_of(reader), {"action": "export"})
    assert answer["Content-Disposition"] == 'attachment; filename="my-data.json"'
    data = json.loads(answer.content)
    assert data["subscriber"]["email"] == "alice@example.net"
    assert data["topics"] == {"vision": "follow"}
    assert data["consentevent"][0]["ip_address"] == "192.0.2.1"
    assert {"delivery", "verdict", "notice"} <= set(data)
    assert reader.unsubscribe_token not in answer.content.decode()
    assert [event.kind for event in reader.consent_events.all()] == ["requested", "exported"]


def test_erasing_asks_whether_you_are_sure(client: Client) -> None:
    reader = make_reader()
    client.post(path_of(reader), {"action": "erase"})
    reader.refresh_from_db()
    assert reader.state == "confirmed"
    answer = client.post(path_of(reader), {"action": "erase", "sure": "yes"})
    assert "Your data is erased" in answer.content.decode()
    reader.refresh_from_db()
    assert (reader.state, reader.email) == ("erased", None)


def test_a_link_is_dead_after_erasure(client: Client) -> None:
    reader = make_reader()
    path = path_of(reader)
    gdpr.erase(reader, now=timezone.now(), method="test")
    assert client.get(path).status_code == 410
    assert client.post(path, {"action": "export"}).status_code == 410


def test_looking_at_the_page_changes_nothing(client: Client) -> None:
    reader = make_reader()
    path = path_of(reader)
    before = Subscriber.objects.values().get()
    for _ in range(3):  # test_links_of_a_mail does it fifty times
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200
        assert client.options(path).status_code == 405
    assert Subscriber.objects.values().get() == before
    assert not ConsentEvent.objects.exists()
    assert not Notice.objects.exists()


@pytest.mark.parametrize("action", ["save", "pause", "resume", "leave", "export", "erase"])
def test_no_other_link_opens_the_page(client: Client, action: str) -> None:
    reader, other = make_reader(), make_reader()
    asked = reader.consent_events.create(kind="requested", at=timezone.now(), method="page")
    manage = token_links.manage_token(reader, now=timezone.now())
    tokens = [
        reader.unsubscribe_token,
        token_links.confirm_token(asked.pk, now=timezone.now()),
        manage.replace(f"{reader.pk}.", f"{other.pk}.", 1),
    ]
    before = list(Subscriber.objects.order_by("pk").values())
    for token in tokens:
        answer = client.post(f"/preferences/{token}/", {"action": action, "sure": "yes", "until": "2027-01-01"})
        assert answer.status_code == 410
    assert list(Subscriber.objects.order_by("pk").values()) == before


def test_the_page_does_not_leak_its_address(client: Client) -> None:
    for path in (path_of(make_reader()), "/preferences/junk/"):
        answer = client.get(path)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Robots-Tag"] == "noindex"
        assert not answer.cookies


def test_the_link_is_mailed_to_the_address_and_works(client: Client) -> None:
    reader = make_reader("alice@example.net")
    answer = client.post("/preferences/", {"email": "Alice@example.net"})
    assert answer["Location"] == "/subscribe/sent/?about=link"
    send_due_notices(now=timezone.now())
    (message,) = mail.outbox
    path = message.body.split("https://papers.example.org")[1].split()[0]
    assert reader.email in client.get(path).content.decode()


def test_asking_for_a_link_tells_nothing_about_the_address() -> None:
    make_reader("alice@example.net")
    gone = make_reader("gone@example.net")
    suppression.suppress(gone, reason="complaint", source="arf", now=NOON)
    answers = {
        (answer.status_code, answer["Location"], answer.content, str(answer.cookies))
        for name in ("alice", "gone", "nobody")
        for answer in [Client().post("/preferences/", {"email": f"{name}@example.net"})]
    }
    assert len(answers) == 1
    send_due_notices(now=timezone.now())
    assert [message.to for message in mail.outbox] == [["alice@example.net"]]


def test_the_privacy_page_says_what_the_settings_say(client: Client, settings: Any) -> None:
    settings.RETENTION_ORIGIN_DAYS = 17
    settings.PRIVACY_PROCESSORS = ["Relay Ltd., Ireland: delivers the mail"]
    page = client.get("/privacy/").content.decode()
    assert "17 days" in page
    assert "Relay Ltd., Ireland: delivers the mail" in page
    assert settings.POSTAL_ADDRESS in page


def test_pausing_twice_moves_the_date_and_is_recorded() -> None:
    reader = make_reader()
    first = datetime.combine(date(2026, 4, 1), datetime.min.time(), UTC)
    for until in (first, first, first + timedelta(days=1)):
        lifecycle.pause(reader, until=until, now=NOON, method="test", origin=Origin())
    assert [event.detail["until"] for event in reader.consent_events.all()] == ["2026-04-01", "2026-04-02"]


@pytest.mark.parametrize(
    ("preferences", "says"),
    [
        ({"cadence": "weekly"}, "Monday, 23 March, 07:00 (UTC), the edition of 23 March."),
        ({"cadence": "monthly"}, "Wednesday, 1 April, 07:00 (UTC), the edition of 1 April."),
        ({"time_zone": "Pacific/Auckland"}, "Friday, 20 March, 07:00 (Pacific/Auckland), the edition of 19 March."),
    ],
)
def test_the_page_says_when_the_next_digest_comes_and_which_one_it_is(
    client: Client, preferences: dict[str, Any], says: str
) -> None:
    form = FORM | {"hour": 7, "time_zone": "UTC", "weekdays": range(7)} | preferences
    reader = make_reader(hour=7, **preferences)
    reader.next_due_at = lifecycle.next_due_of(reader, after=NOON + timedelta(hours=9))
    reader.save()
    with time_machine.travel(NOON + timedelta(hours=9), tick=False):
        assert f"Your next digest: {says}" in client.get(path_of(reader)).content.decode()
        assert f"Your next digest: {says}" in client.post(path_of(reader), form, follow=True).content.decode()


def test_unticking_every_day_is_an_error_that_is_announced_and_linked(client: Client) -> None:
    reader = make_reader(weekdays=0b1100000)
    page = client.post(path_of(reader), FORM | {"cadence": "daily", "weekdays": []}).content.decode()
    assert "<title>Error: Your preferences" in page
    assert '<a href="#id_weekdays">On which days: Choose at least one day.</a>' in page
    assert 'id="id_weekdays"' in page
    reader.refresh_from_db()
    assert reader.weekdays == 0b1100000
    client.post(path_of(reader), FORM | {"cadence": "weekly", "weekdays": []})
    reader.refresh_from_db()
    assert (reader.cadence, reader.weekdays) == ("weekly", 0b1100000)


def test_every_error_leads_to_a_field_that_is_on_the_page(client: Client) -> None:
    reader = make_reader()
    make_topic("vision")
    bad = FORM | {"hour": "25", "cadence": "hourly", "time_zone": "X", "max_papers": "99", "topic-vision": "hate"}
    for data in (
        bad,
        {"action": "pause", "until": "2020-01-01"},
        {"action": "move", "new_email": "x"},
        {"action": "erase"},
    ):
        page = client.post(path_of(reader), data).content.decode()
        fields = re.findall(r'<a href="#(id_[^"]+)">', page)
        assert fields
        assert all(f'id="{field}"' in page for field in fields), fields
        assert 'tabindex="-1" autofocus' in page


@pytest.fixture
def old_link() -> tuple[Subscriber, str]:
    reader = make_reader("alice@example.net", follows=("vision",))
    with time_machine.travel(NOON - timedelta(days=3), tick=False):
        return reader, path_of(reader)


def test_an_old_link_can_always_leave(client: Client, old_link: tuple[Subscriber, str]) -> None:
    reader, path = old_link
    with time_machine.travel(NOON, tick=False):
        answer = client.get(path)
        assert answer.status_code == 410
        assert 'name="action" value="leave"' in answer.content.decode()
        assert "alice@example.net" not in answer.content.decode()
        assert "You are unsubscribed" in client.post(path, {"action": "leave"}).content.decode()
    reader.refresh_from_db()
    assert reader.state == "unsubscribed"


def test_an_old_link_does_nothing_else(client: Client, old_link: tuple[Subscriber, str]) -> None:
    reader, path = old_link
    before = Subscriber.objects.values().get()
    with time_machine.travel(NOON, tick=False):
        for action in ("save", "pause", "resume", "export", "erase", "move"):
            answer = client.post(
                path, FORM | {"action": action, "sure": "yes", "until": "2026-03-30", "new_email": "b@x.org"}
            )
            assert answer.status_code == 303, action
    assert Subscriber.objects.values().get() == before
    assert [one.kind for one in reader.notices.all()] == ["manage"]


def test_what_was_filled_in_behind_an_old_link_waits_behind_the_fresh_one(
    client: Client, old_link: tuple[Subscriber, str]
) -> None:
    reader, path = old_link
    with time_machine.travel(NOON, tick=False) as clock:
        answer = client.post(path, FORM | {"hour": "17", "topic-vision": "mute"})
        assert answer["Location"] == "/subscribe/sent/?about=kept"
        assert "kept what you filled in" in client.get(answer["Location"]).content.decode()
        clock.shift(timedelta(minutes=5))
        client.post(path, FORM | {"hour": "18", "topic-vision": "mute"})  # no second mail, the newest counts
        page = client.get(path_of(reader)).content.decode()
        assert "Your changes are not saved yet." in page
        assert '<option value="18" selected>' in page
        assert MUTED_VISION in page
        reader.refresh_from_db()
        assert reader.hour == 8
        client.post(path_of(reader), FORM | {"hour": "18", "topic-vision": "mute"})
        assert "not saved yet" not in client.get(path_of(reader)).content.decode()
    reader.refresh_from_db()
    assert reader.hour == 18
    assert reader.notices.count() == 1


def hidden_fields_of(page: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        fields.setdefault(name, []).append(html.unescape(value))
    return fields


@pytest.mark.parametrize(
    ("typed", "shown", "name"),
    [
        (FORM | {"hour": "17", "topic-vision": "mute"}, "17:00", "topic-vision"),
        ({"action": "move", "new_email": "b@lab.example.org"}, "b@lab.example.org", "new_email"),
        ({"action": "pause", "until": "30. Februar"}, "30. Februar", "until"),
        ({"action": "follow", "q": 'author:"A <b> Čech" & co'}, "author:", "q"),
    ],
)
def test_a_limit_behind_an_old_link_loses_nothing_that_was_typed(
    client: Client, old_link: tuple[Subscriber, str], settings: Any, typed: dict[str, Any], shown: str, name: str
) -> None:
    reader, path = old_link
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    with time_machine.travel(NOON, tick=False) as clock:
        client.post("/preferences/", {"email": "somebody@example.net"})
        answer = client.post(path, typed)
        page = html.unescape(answer.content.decode())
        assert (answer.status_code, reader.notices.count()) == (429, 0)
        assert "try again in an hour" in page
        assert shown in page
        assert "alice@example.net" not in page
        fields = hidden_fields_of(answer.content.decode())
        assert fields[name] == [typed[name]]
        assert f'name="action" value="{typed["action"]}"' in page
        clock.shift(timedelta(hours=1))
        client.post(path, {"action": typed["action"], **fields})
        kept = reader.notices.get().context["kept"]
        assert kept == {"action": typed["action"], "fields": fields}


def test_another_link_an_hour_later_still_brings_what_was_filled_in(
    client: Client, old_link: tuple[Subscriber, str]
) -> None:
    reader, path = old_link
    with time_machine.travel(NOON, tick=False) as clock:
        client.post(path, FORM | {"hour": "17"})
        clock.shift(timedelta(hours=2))
        client.post("/preferences/", {"email": "alice@example.net"})
        assert reader.notices.count() == 2
        assert '<option value="17" selected>' in client.get(path_of(reader)).content.decode()


def test_a_limit_on_the_unsubscribe_page_asks_for_the_link_again_and_unsubscribes_nobody(
    client: Client, settings: Any
) -> None:
    reader = make_reader("alice@example.net")
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    client.post("/preferences/", {"email": "somebody@example.net"})
    answer = client.post(f"/u/{reader.unsubscribe_token}", {"action": "link"})
    assert answer.status_code == 429
    assert '<form method="post" action="/preferences/"' in answer.content.decode()


@pytest.mark.parametrize(("reason", "is_sent"), [("bounce", True), ("complaint", False), ("admin", False)])
def test_a_suppressed_reader_reaches_their_data_where_we_may_write(
    client: Client, reason: str, is_sent: bool, settings: Any
) -> None:
    reader = make_reader("alice@example.net")
    suppression.suppress(reader, reason=reason, source="test", now=timezone.now())
    answer = client.post("/preferences/", {"email": "alice@example.net"}, follow=True)
    send_due_notices(now=timezone.now())
    assert len(mail.outbox) == is_sent
    assert settings.REPLY_TO_EMAIL in html.unescape(answer.content.decode())
    counted = refusals.refused_since(timezone.now().date())
    assert counted == ({} if is_sent else {"suppressed": 1})
    if is_sent:
        assert "alice@example.net" in client.post(path_of(reader), {"action": "export"}).content.decode()
        client.post(path_of(reader), {"action": "erase", "sure": "yes"})
        reader.refresh_from_db()
        assert reader.state == "erased"
