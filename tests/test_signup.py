"""Signing up: what is stored, what is owed, and that the answer never tells who reads us."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from subscriptions import lifecycle
from subscriptions import refused_requests as refusals
from subscriptions.addresses import client_address, network_of, parse_address
from subscriptions.forms import SignupForm
from subscriptions.models import Allowance, ConsentEvent, Notice, Subscriber, Suppression
from subscriptions.transactional_mails import send_due_notices
from subscriptions.views.guards import LEAST_SECONDS
from tests.builders import NOON, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db

URL = "/subscribe/"


def sign_up(client: Client, email: str, **over: Any) -> Any:
    return client.post(URL, {"email": email} | over)


def send_all() -> list[Any]:
    send_due_notices(now=timezone.now())
    return mail.outbox


def test_a_file_nobody_asked_for_never_reaches_the_disk(client: Client) -> None:
    answer = sign_up(client, "ada@example.com", extra=SimpleUploadedFile("x.bin", b"x" * 3_000_000))
    assert answer.status_code == 303
    assert [type(file) for file in answer.wsgi_request.FILES.values()] == [InMemoryUploadedFile]


def test_a_full_signup_stores_every_wish_and_owes_one_confirmation(client: Client) -> None:
    make_topic("vision")
    make_topic("speech-audio")
    answer = sign_up(
        client,
        "Alice.B+papers@Example.NET",
        topics=["vision", "speech-audio"],
        cadence="weekly",
        hour="0",
        time_zone="Asia/Kathmandu",
    )
    assert (answer.status_code, answer["Location"]) == (303, "/subscribe/sent/")
    reader = Subscriber.objects.get()
    assert reader.email == "Alice.B+papers@example.net"  # sent to as typed, the domain normalised
    assert reader.address_key == "alice.b+papers@example.net"
    assert (reader.state, reader.cadence, reader.time_zone) == ("pending", "daily", "UTC"), (
        "a stranger may have typed it"
    )
    assert not reader.preferences.exists()
    asked = lifecycle.preferences_asked(reader.consent_events.get())
    assert (asked.cadence, asked.hour, asked.time_zone) == ("weekly", 0, "Asia/Kathmandu")
    assert asked.stances == {"vision": "follow", "speech-audio": "follow"}
    assert reader.next_due_at is None
    assert [notice.kind for notice in reader.notices.all()] == ["confirm"]


def test_an_address_alone_is_enough_and_gets_the_defaults(client: Client) -> None:
    assert sign_up(client, "bob@example.net").status_code == 303
    reader = Subscriber.objects.get()
    assert (reader.cadence, reader.hour, reader.weekdays, reader.time_zone) == ("daily", 8, 0b11111, "UTC")
    assert not reader.preferences.exists()
    assert reader.consent_events.get().method == "banner"


def test_the_form_ticks_nothing_beforehand_and_shows_every_topic_with_its_line(client: Client) -> None:
    topic = make_topic("vision")
    page = client.get(URL).content.decode()
    assert topic.description in page
    assert 'name="topics" value="vision"' in page
    assert " checked" not in page


def test_the_answer_sets_no_cookie_and_needs_none() -> None:
    client = Client(enforce_csrf_checks=True)
    assert not client.get(URL).cookies
    answer = sign_up(client, "bob@example.net")
    assert answer.status_code == 303
    assert not answer.cookies
    assert Subscriber.objects.count() == 1


def test_every_state_of_an_address_gets_the_same_answer(client: Client) -> None:
    make_reader("confirmed@example.net")
    make_reader("paused@example.net", state="paused", next_due_at=None)
    make_reader("pending@example.net", state="pending", confirmed_at=None, next_due_at=None)
    make_reader("left@example.net", state="unsubscribed", next_due_at=None, left_at=NOON)
    gone = make_reader("gone@example.net", state="suppressed", next_due_at=None, left_at=NOON)
    Suppression.objects.create(address_hash=gone.address_hash, reason="complaint", first_at=NOON, last_at=NOON)
    sign_up(client, "limited@example.net")
    answers = set()
    for name in ("new", "confirmed", "paused", "pending", "left", "gone", "limited"):
        answer = Client().post(URL, {"email": f"{name}@example.net"})
        headers = tuple(sorted(one for one in answer.items() if one[0] != "X-Request-ID"))  # a new one each
        page = Client().get(answer["Location"])
        answers.add((answer.status_code, answer.content, headers, str(answer.cookies), page.content))
    assert len(answers) == 1


def test_no_state_of_an_address_is_answered_sooner_than_another(client: Client) -> None:
    """Each answer waits for the same moment; the work of the slowest case lies well before it."""
    make_reader("confirmed@example.net")
    for name in ("warm", "confirmed", "new", "new"):  # the last one is over the limit
        started = time.perf_counter()
        sign_up(client, f"{name}@example.net")
        assert time.perf_counter() - started >= LEAST_SECONDS


def test_a_signup_takes_few_statements(client: Client, django_assert_max_num_queries: Any) -> None:
    make_topic("vision")
    with django_assert_max_num_queries(20):
        sign_up(client, "new@example.net", topics=["vision"])


def test_a_confirmed_reader_is_told_so_and_nothing_of_theirs_changes(client: Client) -> None:
    make_topic("vision")
    reader = make_reader("alice@example.net", follows=("speech-audio",))
    sign_up(client, "ALICE@example.net", topics=["vision"], cadence="monthly")
    reader.refresh_from_db()
    assert (reader.cadence, reader.email) == ("daily", "alice@example.net")
    assert [one.topic.slug for one in reader.preferences.all()] == ["speech-audio"]
    assert [message.subject for message in send_all()] == ["You are already subscribed to Paperboy"]


def test_an_unconfirmed_address_gets_confirmations_only(client: Client) -> None:
    sign_up(client, "bob@example.net")
    client.post("/preferences/", {"email": "bob@example.net"})
    assert {notice.kind for notice in Notice.objects.all()} == {"confirm"}


def test_the_confirmation_holds_nothing_the_stranger_typed(client: Client) -> None:
    make_topic("vision", name="Vision of the eye")
    sign_up(
        client,
        "bob@example.net",
        topics=["vision"],
        name="Buy pills at spam.example",
        cadence="weekly",
        time_zone="Asia/Kathmandu",
    )
    (message,) = send_all()
    text = message.message().as_string() + message.body + message.alternatives[0][0]
    for typed in ("pills", "Kathmandu", "Vision of the eye"):
        assert typed not in text


def test_a_poisoned_host_header_is_refused_and_mails_nobody(client: Client) -> None:
    answer = client.post(URL, {"email": "bob@example.net"}, headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert not Notice.objects.exists()
    client.post(URL, {"email": "bob@example.net"}, headers={"x-forwarded-host": "evil.example"})
    (message,) = send_all()
    assert "evil.example" not in message.message().as_string() + message.body
    assert "https://papers.example.org/confirm/" in message.body


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nobody",
        "a@localhost",
        "ä@example.net",
        '"quoted"@example.net',
        "a@[127.0.0.1]",
        "Alice <alice@example.net>",
        "a@example.net\nBcc: b@example.net",
        "<script>alert(1)</script>@example.net",
        f"{'a' * 65}@example.net",
        "a..b@example.net",
        "a@b.test",
        "a@exa mple.net",
    ],
)
def test_an_address_nobody_can_be_reached_at_is_refused_with_a_reason(client: Client, bad: str) -> None:
    answer = sign_up(client, bad)
    assert answer.status_code == 200
    assert 'aria-invalid="true"' in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()
    assert not Subscriber.objects.exists()


def test_an_unknown_time_zone_or_topic_is_refused(client: Client) -> None:
    assert sign_up(client, "a@example.net", time_zone="Mars/Olympus").status_code == 200
    assert sign_up(client, "a@example.net", topics=["alchemy"]).status_code == 200
    assert not Subscriber.objects.exists()


def test_international_domains_are_stored_in_ascii() -> None:
    address = parse_address(" Grüße@bücher.de ".replace("Grüße", "Gruesse"))
    assert (address.email, address.key) == ("Gruesse@xn--bcher-kva.de", "gruesse@xn--bcher-kva.de")


def test_plus_tags_and_dots_are_kept_for_sending_and_folded_for_limits() -> None:
    one, other = parse_address("J.Doe+a@example.net"), parse_address("jdoe@example.net")
    assert one.key != other.key
    assert one.mailbox == other.mailbox
    assert one.email == "J.Doe+a@example.net"


def test_a_filled_hidden_field_shows_the_form_again_and_the_second_press_counts(client: Client) -> None:
    answer = sign_up(client, "bob@example.net", keep_empty="https://spam.example")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "please press the button once more" in page
    assert "<title>Error: " in page
    assert 'value="bob@example.net"' in page
    assert "spam.example" not in page
    assert not Subscriber.objects.exists()
    assert refusals.refused_since(timezone.now().date()) == {"hidden": 1}
    assert sign_up(client, "bob@example.net").status_code == 303


def test_the_hidden_field_has_no_name_that_password_managers_fill(client: Client) -> None:
    known = re.compile(r"name|mail|url|web|site|phone|tel|address|company|organi|user|login|card|zip|city|country")
    hidden = re.search(r'<div class="honeypot".*?</div>', client.get(URL).content.decode(), re.DOTALL)
    assert hidden
    (name,) = re.findall(r' name="([^"]+)"', hidden[0])
    assert not known.search(name)


def test_a_form_filled_in_faster_than_anybody_reads_asks_for_a_second_press(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        started = SignupForm.new_start()
        answer = sign_up(client, "bob@example.net", started=started)
        assert "Please press the button once more." in answer.content.decode()
        assert f'value="{started}"' in answer.content.decode()
        assert not Subscriber.objects.exists()
        assert refusals.refused_since(NOON.date()) == {"fast": 1}
        clock.shift(5)
        sign_up(client, "bob@example.net", started=started)
    assert Subscriber.objects.get().consent_events.get().method == "page"


def test_a_forged_start_is_shown_the_form_with_a_real_one(client: Client) -> None:
    page = sign_up(client, "bob@example.net", started="seen:1abcde:forged").content.decode()
    assert not Subscriber.objects.exists()
    assert "forged" not in page


def test_the_banner_is_told_too(client: Client, settings: Settings) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    sign_up(client, "a@example.net")
    answer = client.post(URL, {"email": "b@example.net"}, headers={"Accept": "application/json"})
    assert answer.status_code == 429
    assert "Please try again in an hour" in answer.json()["message"]


def test_who_meets_a_limit_that_many_share_is_told_and_counted_whatever_the_address(
    client: Client, settings: Settings
) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    make_reader("dora@example.net")
    sign_up(client, "carl@example.net")
    answers = [
        re.sub(r'name="started".*?>', "", sign_up(client, email).content.decode().replace(email, "…"))
        for email in ("carl@example.net", "dora@example.net", "emil@example.net")
    ]
    assert len(set(answers)) == 1, "the first was mailed this hour: nobody can tell"
    assert "Nothing was sent. Please try again in an hour." in answers[0]
    assert refusals.refused_since(timezone.now().date()) == {"network": 3}


def test_the_newest_request_of_an_unconfirmed_address_wins_even_when_no_mail_goes_out_for_it(client: Client) -> None:
    make_topic("vision")
    with time_machine.travel(NOON, tick=False) as clock:
        sign_up(client, "bob@example.net", topics=["vision"], hour="3")
        first = ConsentEvent.objects.get()
        for minutes in (1, 120):
            clock.shift(timedelta(minutes=minutes))
            sign_up(client, "bob@example.net", cadence="weekly", hour=str(minutes % 24))
            asked = lifecycle.preferences_asked(first)
            assert (asked.cadence, asked.hour, dict(asked.stances)) == ("weekly", minutes % 24, {})
    reader = Subscriber.objects.get()
    assert reader.consent_events.filter(kind=ConsentEvent.Kind.REQUESTED).count() == 3
    assert reader.notices.count() == 2
    assert refusals.refused_since(NOON.date()) == {"mailbox": 1}


def test_nobody_fills_the_record_of_an_unconfirmed_address(client: Client) -> None:
    for _ in range(30):
        sign_up(client, "bob@example.net")
    assert ConsentEvent.objects.count() <= 11


def test_the_client_is_known_through_trusted_proxies_only() -> None:
    forged = "6.6.6.6, 203.0.113.9, 198.51.100.7"
    assert client_address("192.0.2.1", forged, trusted_proxies=0) == "192.0.2.1"
    assert client_address("192.0.2.1", forged, trusted_proxies=1) == "198.51.100.7"
    assert client_address("192.0.2.1", forged, trusted_proxies=2) == "203.0.113.9"
    assert client_address("192.0.2.1", "", trusted_proxies=1) == "192.0.2.1"
    assert client_address("192.0.2.1", "junk", trusted_proxies=1) == "192.0.2.1"
    assert client_address("", "", trusted_proxies=0) == ""
    assert client_address("::ffff:192.0.2.1", "", trusted_proxies=0) == "192.0.2.1"


def test_a_network_is_a_24_or_a_64() -> None:
    assert network_of("203.0.113.9") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert network_of("") == "unknown"


def test_the_forwarded_address_is_recorded_as_the_settings_say(client: Client, settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    client.post(URL, {"email": "bob@example.net"}, headers={"x-forwarded-for": "6.6.6.6, 203.0.113.9"})
    assert ConsentEvent.objects.get().ip_address == "203.0.113.9"


def test_no_limit_keeps_an_address_or_network_in_the_clear(client: Client) -> None:
    sign_up(client, "bob@example.net")
    names = " ".join(Allowance.objects.values_list("name", flat=True))
    assert names
    assert not any(word in names for word in ("bob", "example", "127.0.0"))


def test_the_banner_is_answered_in_place_when_it_asks_for_json(client: Client) -> None:
    good = client.post(URL, {"email": "bob@example.net"}, headers={"accept": "application/json"})
    assert (good.status_code, good.json()["is_accepted"]) == (200, True)
    bad = client.post(URL, {"email": "nobody"}, headers={"accept": "application/json"})
    assert (bad.status_code, bad.json()["is_accepted"]) == (422, False)
    assert "@" in bad.json()["message"]
    assert Subscriber.objects.get().email == "bob@example.net"


def test_a_browser_without_javascript_gets_pages(client: Client) -> None:
    accept = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert client.post(URL, {"email": "bob@example.net"}, headers=accept).status_code == 303
    assert client.post(URL, {"email": "nobody"}, headers=accept)["Content-Type"].startswith("text/html")


def test_the_form_can_be_framed_by_other_sites_and_answers_inside_the_frame(client: Client) -> None:
    page = client.get("/embed/")
    assert "X-Frame-Options" not in page
    assert "frame-ancestors *" in page["Content-Security-Policy"]
    answer = client.post("/embed/", {"email": "bob@example.net"})
    assert answer.status_code == 200
    assert "X-Frame-Options" not in answer
    assert "We have sent you an email" in answer.content.decode()
    assert Subscriber.objects.get().consent_events.get().method == "embed"
    assert 'aria-invalid="true"' in client.post("/embed/", {"email": "nobody"}).content.decode()


def test_no_other_page_can_be_framed_by_strangers(client: Client) -> None:
    for path in (URL, "/subscribe/sent/", "/preferences/", "/privacy/"):
        page = client.get(path)
        assert page["X-Frame-Options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in page["Content-Security-Policy"]


def test_the_snippets_for_other_sites_name_our_address(client: Client) -> None:
    page = client.get("/embed/code/").content.decode()
    assert "https://papers.example.org/embed/" in page
    assert "https://papers.example.org/subscribe/" in page


def test_topics_show_two_current_papers_as_text(client: Client) -> None:
    topic = make_topic("vision")
    for number, title in enumerate(["Old news", "Seeing <b>double</b>", "Deep stereo"]):
        paper = make_paper(title=title, score_daily=number, first_seen_at=timezone.now())
        paper.paper_topics.create(topic=topic, score=0.9, is_primary=True)
    page = client.get(URL).content.decode()
    assert "Deep stereo" in page
    assert "Seeing &lt;b&gt;double&lt;/b&gt;" in page
    assert "Old news" not in page


def test_domains_the_operator_refuses_are_refused_with_all_below(client: Client, settings: Settings) -> None:
    settings.REFUSED_MAIL_DOMAINS = ["throwaway.example", " Spam.example "]
    for email in ("a@throwaway.example", "a@x.THROWAWAY.example", "a@spam.example"):
        assert "We do not send to this email domain" in sign_up(client, email).content.decode()
    assert sign_up(client, "a@notthrowaway.example").status_code == 303
    assert Subscriber.objects.get().email == "a@notthrowaway.example"


def only_with_a_stamp(request: HttpRequest) -> bool:
    return request.POST.get("stamp") == "yes"


def test_an_operators_own_guard_is_asked_and_who_fails_is_told(client: Client, settings: Settings) -> None:
    settings.SIGNUP_GUARD = f"{__name__}.only_with_a_stamp"
    refused, passed = sign_up(client, "a@example.net"), sign_up(client, "b@example.net", stamp="yes")
    assert "We could not check that you are a person." in refused.content.decode()
    assert passed.status_code == 303
    assert Subscriber.objects.get().email == "b@example.net"
