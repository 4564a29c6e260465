"""Hurried readers: double clicks, Back and send again, two tabs, links used out of order.

Each line ends in one state, and the last page says that state and what can be done next.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from subscriptions import lifecycle, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import ConsentEvent, Notice, Subscriber
from subscriptions.preferences import Preferences
from subscriptions.transactional_mails import send_due_notices
from tests.builders import NOON, make_reader, make_topic

pytestmark = pytest.mark.django_db

EMAIL = "ines@reader.example"
SAVE = {
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
ASKED = {"topics_shown": "1", "topics": ["vision"], "cadence": "weekly", "hour": "7", "time_zone": "Europe/Berlin"}
SIGN_UP = ("/subscribe/", {"email": EMAIL, "topics": ["vision"]})
CONFIRM = ("confirm", ASKED)
CONFIRM_OTHER = ("confirm", ASKED | {"topics": ["speech-audio"]})
SAVE_IT = ("manage", SAVE)
PAUSE = ("manage", {"action": "pause", "until": "2026-04-02"})
PAUSE_LONGER = ("manage", {"action": "pause", "until": "2026-05-02"})
RESUME = ("manage", {"action": "resume"})
MOVE = ("manage", {"action": "move", "new_email": "ines@new.example"})
FOLLOW = ("manage", {"action": "follow", "q": "org:deepmind"})
LEAVE_OUT = ("manage", {"action": "leave-out", "q": "org:deepmind"})
UNFOLLOW = ("manage", {"action": "unfollow", "follow": "org:deepmind"})
LEAVE_THERE = ("manage", {"action": "leave"})
ERASE = ("manage", {"action": "erase", "sure": "yes"})
LEAVE = ("leave", {"action": "leave"})
UNDO = ("leave", {"action": "undo"})
WEEKLY = ("leave", {"action": "weekly"})
REST = ("leave", {"action": "rest"})
LINK = ("leave", {"action": "link"})
LATER = timedelta(minutes=11)  # the undo is over then

NOT_SUBSCRIBED = "You are not subscribed."
GONE = "Your data is erased"
LEFT = "You are unsubscribed"

LINES: list[tuple[str, str, list[Any], str, str]] = [
    # double clicks, and Back and send again
    ("sign up twice", "nobody", [SIGN_UP, SIGN_UP], "pending", "Check your inbox"),
    ("confirm twice", "pending", [CONFIRM, CONFIRM], "confirmed", "You are subscribed"),
    ("save twice", "confirmed", [SAVE_IT, SAVE_IT], "confirmed", "Saved."),
    ("pause twice", "confirmed", [PAUSE, PAUSE], "paused", "Paused until 2 April 2026."),
    ("resume twice", "paused", [RESUME, RESUME], "confirmed", "Your digests have started again."),
    ("move twice", "confirmed", [MOVE, MOVE], "confirmed", "We have sent an email to the new address."),
    ("follow twice", "confirmed", [FOLLOW, FOLLOW], "confirmed", "Saved: you follow this"),
    ("unfollow twice", "confirmed", [FOLLOW, UNFOLLOW, UNFOLLOW], "confirmed", "Removed."),
    ("leave twice", "confirmed", [LEAVE, LEAVE], "unsubscribed", "You can undo this for 10 minutes."),
    ("leave twice on the page", "confirmed", [LEAVE_THERE, LEAVE_THERE], "unsubscribed", NOT_SUBSCRIBED),
    ("undo twice", "confirmed", [LEAVE, UNDO, UNDO], "confirmed", "Welcome back"),
    ("undo twice while paused", "paused", [LEAVE, UNDO, UNDO], "paused", "It is paused, as it was."),
    ("erase twice", "confirmed", [ERASE, ERASE], "erased", GONE),
    ("one a week twice", "confirmed", [WEEKLY, WEEKLY], "confirmed", "at most one digest a week"),
    ("four weeks off twice", "confirmed", [REST, REST], "paused", "no digests for four weeks"),
    ("the link twice", "confirmed", [LINK, LINK], "confirmed", "If this address is subscribed"),
    ("leave, undo, and both again", "confirmed", [LEAVE, UNDO, LEAVE, UNDO], "confirmed", "Welcome back"),
    # two tabs that want different things
    ("two sign-ups", "nobody", [SIGN_UP, ("/subscribe/", {"email": EMAIL})], "pending", "Check your inbox"),
    ("confirm with other topics", "pending", [CONFIRM, CONFIRM_OTHER], "confirmed", "was not taken"),
    ("two pauses", "confirmed", [PAUSE, PAUSE_LONGER], "paused", "Paused until 2 May 2026."),
    ("pause, then resume", "confirmed", [PAUSE, RESUME], "confirmed", "Your digests have started again."),
    ("follow, then leave out", "confirmed", [FOLLOW, LEAVE_OUT], "confirmed", "Saved: this is left out"),
    ("leave, then follow", "confirmed", [LEAVE_THERE, FOLLOW], "unsubscribed", NOT_SUBSCRIBED),
    ("leave, then save", "confirmed", [LEAVE_THERE, SAVE_IT], "unsubscribed", NOT_SUBSCRIBED),
    ("leave, then pause", "confirmed", [LEAVE_THERE, PAUSE], "unsubscribed", NOT_SUBSCRIBED),
    ("leave, then resume", "paused", [LEAVE_THERE, RESUME], "unsubscribed", NOT_SUBSCRIBED),
    ("leave, then move", "confirmed", [LEAVE_THERE, MOVE], "unsubscribed", NOT_SUBSCRIBED),
    ("leave, then rest", "confirmed", [LEAVE, REST], "unsubscribed", LEFT),
    ("leave, then one a week", "confirmed", [LEAVE, WEEKLY], "unsubscribed", LEFT),
    ("rest, then leave", "confirmed", [REST, LEAVE], "unsubscribed", "You can undo this"),
    ("leave by the mail, save on the page", "confirmed", [LEAVE, SAVE_IT], "unsubscribed", NOT_SUBSCRIBED),
    *((f"erase, then {one[1]['action']}", "confirmed", [ERASE, one], "erased", GONE) for one in (SAVE_IT, PAUSE, MOVE)),
    *(
        (f"erase, then {one[1]['action']}", "paused", [ERASE, one], "erased", GONE)
        for one in (RESUME, LEAVE_THERE, FOLLOW)
    ),
    # links out of order
    ("confirm after leaving", "pending", [CONFIRM, LEAVE, CONFIRM], "unsubscribed", "enter your address to get"),
    ("confirm after erasure", "pending", [CONFIRM, ERASE, CONFIRM], "erased", "enter your address to get"),
    ("confirm while paused", "pending", [CONFIRM, PAUSE, CONFIRM], "paused", "You are subscribed"),
    ("leave before confirming", "pending", [LEAVE, CONFIRM], "unsubscribed", "enter your address to get"),
    ("undo before leaving", "confirmed", [UNDO], "confirmed", "Welcome back"),
    ("undo without having confirmed", "pending", [LEAVE, UNDO], "unsubscribed", "Subscribe again"),
    ("undo too late", "confirmed", [LEAVE, LATER, UNDO], "unsubscribed", "Subscribe again"),
    ("leave long after leaving", "confirmed", [LEAVE, LATER, LEAVE], "unsubscribed", "Subscribe again"),
    ("undo after erasure", "confirmed", [ERASE, UNDO], "erased", "Subscribe again"),
    ("leave after erasure", "confirmed", [ERASE, LEAVE], "erased", "You will get no more digests"),
    ("sign up after erasure", "confirmed", [ERASE, SIGN_UP], "pending", "Check your inbox"),
    ("save after signing up again", "confirmed", [LEAVE, SIGN_UP, SAVE_IT], "unsubscribed", NOT_SUBSCRIBED),
]
PATHS = {
    "manage": lambda reader: f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/",
    "leave": lambda reader: f"/u/{reader.unsubscribe_token}",
    "confirm": lambda reader: (
        f"/confirm/{token_links.confirm_token(reader.consent_events.first().pk, now=timezone.now())}/"
    ),
}


def begin(state: str) -> dict[str, str]:
    """Bring about the state; returns the addresses of the links that the reader holds from then on."""
    for slug in ("vision", "speech-audio"):
        make_topic(slug)
    if state == "nobody":
        return {}
    reader = make_reader(EMAIL, state=state)
    if state == "pending":
        Subscriber.objects.update(confirmed_at=None)
    if state == "paused":
        Subscriber.objects.update(paused_until=NOON + timedelta(days=9), next_due_at=None)
    lifecycle.record(
        reader, ConsentEvent.Kind.REQUESTED, now=timezone.now(), method="page", origin=Origin(), detail=Preferences()
    )
    return {name: path_of(reader) for name, path_of in PATHS.items()}


@pytest.mark.parametrize(("name", "start", "steps", "state", "says"), LINES, ids=[line[0] for line in LINES])
def test_a_hurried_reader_ends_in_one_state_and_is_told_so(
    name: str, start: str, steps: list[Any], state: str, says: str, client: Client
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        held = begin(start)
        for step in steps:
            if isinstance(step, timedelta):
                clock.shift(step)
                continue
            clock.shift(timedelta(seconds=1))
            answer = client.post(held.get(step[0], step[0]), step[1], follow=True)
            assert answer.status_code in {200, 410}
    page = html.unescape(answer.content.decode())
    assert Subscriber.objects.latest("pk").state == state
    assert says in page
    main = page.partition("<main")[2].partition("</main>")[0]
    assert re.search(r"<a [^>]*href=|<button|at any time|fingerprint|one to unsubscribe", main), "says what to do next"
    assert Notice.objects.filter(kind=Notice.Kind.CONFIRM).count() <= 1
    once = [ConsentEvent.Kind.CONFIRMED, ConsentEvent.Kind.ERASED, ConsentEvent.Kind.PAUSED, ConsentEvent.Kind.CHANGED]
    if len(steps) == 2 and steps[0] == steps[1]:
        kinds = list(ConsentEvent.objects.filter(kind__in=once).values_list("kind", flat=True))
        assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    ("meanwhile", "status", "says"),
    [
        ([], 200, "Your address has been changed"),
        ([LEAVE_THERE], 410, "the change is no longer possible"),
        ([LEAVE_THERE, UNDO], 200, "Your address has been changed"),
        ([ERASE], 410, "the change is no longer possible"),
        ([timedelta(hours=token_links.CONFIRM_HOURS + 1)], 410, "Ask for it again on your preferences page"),
    ],
)
def test_the_link_that_moves_a_reader_pressed_twice_late_or_too_late(
    meanwhile: list[Any], status: int, says: str, client: Client
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        held = begin("confirmed")
        client.post(held["manage"], MOVE[1])
        path = f"/move/{token_links.move_token(Notice.objects.get(kind='move').pk, now=timezone.now())}/"
        for step in meanwhile:
            clock.shift(step if isinstance(step, timedelta) else timedelta(seconds=1))
            if not isinstance(step, timedelta):
                client.post(held[step[0]], step[1])
        answers = [client.post(path) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == status
        assert says in text_of(answer)
    assert Notice.objects.filter(kind="moved").count() == (status == 200)


# --- two tabs with the preferences ------------------------------------------------------------------------------------


def test_an_older_tab_does_not_undo_what_another_saved(client: Client) -> None:
    reader = make_reader(EMAIL)
    path = PATHS["manage"](reader) + "schedule/"
    seen = seen_on(client, path)
    assert "Saved." in text_of(client.post(path, SAVE | {"seen": seen}, follow=True))
    older = SAVE | {"seen": seen, "hour": "9"}
    page = text_of(client.post(path, older, follow=True))
    assert "have changed since you opened this page" in page
    assert '<option value="9" selected>' in page  # what they filled in is still there
    reader.refresh_from_db()
    assert reader.hour == 21
    again = re.search(r'name="seen" value="(\w+)"', page)
    assert again is not None
    assert "Saved." in text_of(client.post(path, older | {"seen": again[1]}, follow=True))
    reader.refresh_from_db()
    assert reader.hour == 9


def test_what_is_followed_elsewhere_meanwhile_is_no_conflict_and_stays(client: Client) -> None:
    reader = make_reader(EMAIL)
    path = PATHS["manage"](reader) + "schedule/"
    seen = seen_on(client, path)
    client.post(path, {"action": "follow", "q": "org:deepmind"})
    assert "Saved." in text_of(client.post(path, SAVE | {"seen": seen}, follow=True))
    assert [follow.text for follow in reader.follows.all()] == ["org:deepmind"]


def test_a_double_click_on_save_is_no_conflict(client: Client) -> None:
    path = PATHS["manage"](make_reader(EMAIL)) + "digest/"
    form = SAVE | {"seen": seen_on(client, path)}
    for _ in range(2):
        assert "Saved." in text_of(client.post(path, form, follow=True))


def seen_on(client: Client, path: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', text_of(client.get(path)))
    assert found is not None
    return found[1]


def text_of(answer: Any) -> str:
    return html.unescape(answer.content.decode())


# --- what was typed behind a link that no longer works ----------------------------------------------------------------


@pytest.fixture
def old_link() -> tuple[Subscriber, str]:
    make_topic("vision")
    reader = make_reader(EMAIL)
    with time_machine.travel(NOON - timedelta(days=3), tick=False):
        return reader, PATHS["manage"](reader)


@pytest.mark.parametrize(
    ("typed", "shown", "error"),
    [
        (SAVE | {"topic-vision": "mute"}, ['value="mute" selected', '<option value="21" selected>'], ""),
        (SAVE | {"max_papers": "99", "hour": "17"}, ['value="99"', '<option value="17" selected>'], "less than or"),
        (SAVE | {"weekdays": [], "hour": "17"}, ['<option value="17" selected>'], "Choose at least one day."),
        (SAVE | {"time_zone": "Mars/Base", "max_papers": "7"}, ['value="7"'], "We do not know this time zone."),
        ({"action": "pause", "until": "2026-04-02"}, ['value="2026-04-02"'], ""),
        ({"action": "pause", "until": "2020-01-01"}, ['value="2020-01-01"'], "Choose a day from tomorrow on"),
        ({"action": "follow", "q": "org:deepmind"}, ['value="org:deepmind"'], ""),
        ({"action": "leave-out", "q": "diffusion"}, ['value="diffusion"'], ""),
        ({"action": "move", "new_email": "ines@new.example"}, ['value="ines@new.example"'], ""),
        ({"action": "move", "new_email": "no address"}, ['value="no address"'], "New"),
    ],
)
def test_what_was_typed_behind_an_expired_link_right_or_wrong_waits_behind_the_new_one(
    typed: dict[str, Any], shown: list[str], error: str, client: Client, old_link: tuple[Subscriber, str]
) -> None:
    _reader, path = old_link
    before = Subscriber.objects.values().get()
    with time_machine.travel(NOON, tick=False):
        answer = client.post(path, typed, follow=True)
        assert "kept what you filled in" in text_of(answer)
        assert EMAIL not in text_of(answer)
        assert Subscriber.objects.values().get() == before
        send_due_notices(now=timezone.now())
        link = re.search(r"https://papers\.example\.org(/preferences/\S+)", mail.outbox[-1].body)
        assert link is not None
        page = text_of(client.get(link[1]))
        assert all(value in page for value in shown)
        assert ("Nothing was saved" in page) is bool(error)
        assert error in page if error != "New" else "email" in page
        if not error:
            assert "Your changes are not saved yet." in page
            client.post(link[1], typed)
            assert "not saved yet" not in text_of(client.get(link[1]))


def test_a_link_that_tells_nobody_shows_what_was_typed_and_how_to_get_another(
    client: Client, old_link: tuple[Subscriber, str]
) -> None:
    _reader, path = old_link
    broken = path[:-4] + "x/"  # cut and mangled by a mail program
    answer = client.post(broken, SAVE | {"topic-vision": "mute", "until": "<script>", "hour": "7"})
    page = text_of(answer)
    assert answer.status_code == 410
    assert 'Time of day: <span class="typed">07:00</span>' in page
    assert "If few papers match: " in page
    assert "<script>" not in answer.content.decode()
    assert 'href="/preferences/"' in page
    assert not Notice.objects.exists()
    assert "What you filled in" not in text_of(client.get(broken))


@pytest.mark.parametrize("hours", [token_links.CONFIRM_HOURS + 1, None])
def test_what_was_chosen_behind_a_confirmation_link_that_is_void_gets_a_new_one(
    hours: int | None, client: Client
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        path = begin("pending")["confirm"]
        if hours is None:
            path = path.replace("~", "~x")
        else:
            clock.shift(timedelta(hours=hours))
        answer = client.post(path, ASKED)
        page = text_of(answer)
        assert answer.status_code == 410
        assert "so nothing was confirmed" in page
        assert EMAIL not in page
        assert '<option value="weekly" selected>' in page
        assert re.search(r'value="vision"[^>]*checked', page)
        client.post("/subscribe/", {**ASKED, "email": EMAIL})
        asked = ConsentEvent.objects.latest("pk")
        confirm = f"/confirm/{token_links.confirm_token(asked.pk, now=timezone.now())}/"
        assert '<option value="weekly" selected>' in text_of(client.get(confirm))
        assert client.get(path).status_code == 410
        assert "This link no longer works" in text_of(client.get(path))


def test_the_reason_for_leaving_by_an_old_link_is_kept(client: Client, old_link: tuple[Subscriber, str]) -> None:
    _reader, path = old_link
    with time_machine.travel(NOON, tick=False):
        client.post(path, {"action": "leave", "reason": "too many papers"})
    assert ConsentEvent.objects.get(kind="unsubscribed").detail["reason"] == "too many papers"


@pytest.mark.parametrize("way", ["leave", "manage"])
def test_a_limit_never_names_the_address_behind_a_link(
    way: str, client: Client, old_link: tuple[Subscriber, str], settings: Any
) -> None:
    reader, expired = old_link
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    with time_machine.travel(NOON, tick=False):
        client.post("/preferences/", {"email": "a@stranger.example"})
        answer = client.post(expired if way == "manage" else PATHS["leave"](reader), {"action": "link"})
        assert "a@stranger.example" in text_of(client.post("/preferences/", {"email": "a@stranger.example"}))
    assert answer.status_code == 429
    assert EMAIL not in text_of(answer)
    assert "Please try again in an hour" in text_of(answer)
