"""Signing up by API: only with a key, never without the owner's confirmation, and no answer tells who reads us."""

from __future__ import annotations

import hashlib
import json
import time
from io import StringIO
from typing import Any

import pytest
import schemathesis
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.management import CommandError, call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as bounds
from pytest_django import Settings
from schemathesis.pytest.lazy import get_all_tests

from subscriptions import rate_limits, signup_api
from subscriptions.models import ApiKey, ConsentEvent, Notice, Subscriber, Suppression
from subscriptions.transactional_mails import send_due_notices
from subscriptions.views.guards import LEAST_SECONDS
from tests.builders import NOON, make_reader, make_topic
from tests.environment import examples

pytestmark = pytest.mark.django_db

URL = "/api/v1/subscribers/"
WISH = {
    "email": "Ada.L+papers@Example.NET",
    "topics": ["vision", "speech-audio"],
    "follows": ["planners"],
    "cadence": "weekly",
    "hour": 0,
    "time_zone": "Asia/Kathmandu",
    "consent_words": "Send me the papers digest.",
    "source_url": "https://www.example.org/join",
    "ip": "2001:db8::7",
}


def new_key(name: str = "website") -> str:
    out = StringIO()
    call_command("create_api_key", name, stdout=out)
    return out.getvalue().strip()


@pytest.fixture
def key() -> str:
    return new_key()


def post(key: str, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return Client(enforce_csrf_checks=True).post(
        URL, content, content_type="application/json", headers={"authorization": f"Bearer {key}"} | headers
    )


# --- signing up -------------------------------------------------------------------------------------------------------


def test_a_program_signs_a_reader_up_and_the_owner_has_to_confirm(key: str) -> None:
    make_topic("vision")
    make_topic("speech-audio")
    answer = post(key, WISH)
    assert (answer.status_code, answer.json()) == (202, {"message": signup_api.ACCEPTED})
    reader = Subscriber.objects.get()
    assert (reader.email, reader.address_key) == ("Ada.L+papers@example.net", "ada.l+papers@example.net")
    assert (reader.state, reader.cadence, reader.preferences.count()) == ("pending", "daily", 0), "until confirmed"
    send_due_notices(now=timezone.now())
    (message,) = mail.outbox
    assert message.to == ["Ada.L+papers@example.net"]
    assert "https://papers.example.org/confirm/" in message.body
    path = message.body.partition("https://papers.example.org")[2].split()[0]
    assert Client().post(path).status_code == 200
    reader.refresh_from_db()
    assert (reader.state, reader.cadence, reader.hour, reader.time_zone) == ("confirmed", "weekly", 0, "Asia/Kathmandu")
    followed = {(one.topic.slug, one.stance) for one in reader.preferences.all()}
    assert followed == {("vision", "follow"), ("speech-audio", "follow")}


def test_the_consent_record_says_which_program_asked_with_what_words(key: str) -> None:
    post(key, WISH | {"topics": []})
    event = ConsentEvent.objects.get()
    assert (event.kind, event.method, event.form_version) == ("requested", "api", "api-1")
    assert (event.source_url, event.ip_address) == ("https://www.example.org/join", "2001:db8::7")
    assert event.detail["words"] == "Send me the papers digest."
    assert event.detail["api_key"] == "website"


def test_an_address_alone_is_enough(key: str) -> None:
    assert post(key, {"email": "bob@example.net"}).status_code == 202
    reader = Subscriber.objects.get()
    assert (reader.cadence, reader.hour, reader.time_zone) == ("daily", 8, "UTC")
    event = ConsentEvent.objects.get()
    assert (event.ip_address, event.source_url) == (None, "")
    assert "words" not in event.detail  # what our own page would have shown, this reader never saw


def test_the_language_of_the_request_is_that_of_the_mails(key: str) -> None:
    post(key, {"email": "bob@example.net"}, **{"accept-language": "de"})
    send_due_notices(now=timezone.now())
    assert mail.outbox[0].subject.startswith("Bitte bestätigen")


def test_nothing_the_program_sent_is_in_the_confirmation(key: str) -> None:
    make_topic("vision", name="Vision of the eye")
    pills = "Buy pills at https://spam.example"
    post(key, WISH | {"topics": ["vision"], "consent_words": pills, "source_url": "https://spam.example/x"})
    send_due_notices(now=timezone.now())
    (message,) = mail.outbox
    text = message.message().as_string() + message.body + message.alternatives[0][0]
    for typed in ("pills", "spam.example", "Kathmandu", "Vision of the eye"):
        assert typed not in text


def test_the_sender_is_woken_after_the_commit_and_nobody_waits_for_a_broker(
    key: str, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody listens there
    with django_capture_on_commit_callbacks(execute=True) as rings:
        assert post(key, {"email": "bob@example.net"}).status_code == 202
    assert [step.__name__ for step in rings] == ["wake_sender"]
    assert Notice.objects.get().state == "queued"


# --- who may ----------------------------------------------------------------------------------------------------------


def test_only_the_hash_of_a_key_is_kept(key: str) -> None:
    row = ApiKey.objects.get()
    assert key.startswith("pb_")
    assert len(key) == 3 + 43  # 32 bytes
    assert row.key_hash == hashlib.sha256(key.encode()).hexdigest()
    assert key not in str(ApiKey.objects.values())
    assert new_key("other") != key


@pytest.mark.parametrize("name", ["website", "", "x" * 81, "two\nlines"])
def test_a_name_that_is_taken_or_no_name_makes_no_key(key: str, name: str) -> None:
    with pytest.raises(CommandError):
        new_key(name)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "header",
    [
        *("", "Bearer", "Bearer ", "Bearer pb_wrong", "Bearer \xff", "Bearer {hash}", "Bearer {key}x"),
        *("Basic {key}", "{key}"),
    ],
)
def test_without_the_right_key_nothing_happens(key: str, header: str) -> None:
    value = header.format(key=key, hash=ApiKey.objects.get().key_hash)
    headers = {"authorization": value} if value else {}
    for body in ({"email": "bob@example.net"}, {}):
        answer = Client().post(URL, json.dumps(body), content_type="application/json", headers=headers)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["message"]
    assert not Subscriber.objects.exists()
    assert ApiKey.objects.get().last_used_at is None


def test_a_revoked_key_is_refused_at_once_and_others_are_not(key: str) -> None:
    other = new_key("other")
    assert ApiKey.objects.filter(name="website").revoke(now=NOON) == 1
    assert ApiKey.objects.filter(name="website").revoke(now=timezone.now()) == 0
    assert ApiKey.objects.get(name="website").revoked_at == NOON
    assert post(key, {"email": "bob@example.net"}).status_code == 401
    assert post(other, {"email": "bob@example.net"}).status_code == 202


def test_the_last_use_is_noted_at_most_once_a_minute(key: str) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for seconds, noted in ((0, 0), (59, 0), (1, 60)):
            clock.shift(seconds)
            post(key, {})
            last_used_at = ApiKey.objects.get().last_used_at
            assert last_used_at is not None
            assert (last_used_at - NOON).total_seconds() == noted


def test_a_session_is_no_key(admin_client: Client) -> None:
    answer = admin_client.post(URL, {"email": "bob@example.net"}, content_type="application/json")
    assert answer.status_code == 401


def test_operators_revoke_keys_and_nobody_adds_or_changes_one_by_form(key: str) -> None:
    user = User.objects.create_user("op", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_apikey", "change_apikey"]))
    client = Client()
    client.force_login(user)
    path, row = "/admin/subscriptions/apikey/", ApiKey.objects.get()
    assert row.name in client.get(path).content.decode()
    page = client.get(f"{path}{row.pk}/change/").content.decode()
    assert row.key_hash not in page
    assert client.get(f"{path}add/").status_code == 403
    assert client.post(f"{path}{row.pk}/change/", {"name": "other"}).status_code == 403
    client.post(path, {"action": "revoke_keys", "_selected_action": [row.pk]})
    assert ApiKey.objects.get().revoked_at is not None
    assert LogEntry.objects.get().object_id == str(row.pk)


def test_who_may_only_look_cannot_revoke(key: str) -> None:
    user = User.objects.create_user("onlooker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    client = Client()
    client.force_login(user)
    row = ApiKey.objects.get()
    client.post("/admin/subscriptions/apikey/", {"action": "revoke_keys", "_selected_action": [row.pk]})
    assert ApiKey.objects.valid().exists()


# --- answers that tell nothing ----------------------------------------------------------------------------------------


def test_every_state_of_an_address_gets_the_same_answer(key: str) -> None:
    make_reader("confirmed@example.net")
    make_reader("paused@example.net", state="paused", next_due_at=None)
    make_reader("pending@example.net", state="pending", confirmed_at=None, next_due_at=None)
    make_reader("left@example.net", state="unsubscribed", next_due_at=None, left_at=NOON)
    gone = make_reader("gone@example.net", state="suppressed", next_due_at=None, left_at=NOON)
    Suppression.objects.create(address_hash=gone.address_hash, reason="complaint", first_at=NOON, last_at=NOON)
    post(key, {"email": "limited@example.net"})
    answers = set()
    for name in ("new", "confirmed", "paused", "pending", "left", "gone", "limited"):
        started = time.perf_counter()
        answer = post(key, {"email": f"{name}@example.net"})
        assert time.perf_counter() - started >= LEAST_SECONDS
        assert not answer.cookies
        del answer.headers["X-Request-ID"]  # of each request another
        answers.add((answer.status_code, answer.content, tuple(sorted(answer.items()))))
    assert len(answers) == 1
    (status, _content, headers), *_rest = answers
    assert status == 202
    assert ("Cache-Control", "no-store") in headers


def test_a_confirmed_reader_keeps_what_they_chose(key: str) -> None:
    reader = make_reader("alice@example.net", follows=("vision",))
    post(key, {"email": "ALICE@example.net", "cadence": "monthly"})
    reader.refresh_from_db()
    assert (reader.state, reader.cadence, reader.preferences.count()) == ("confirmed", "daily", 1)
    assert Notice.objects.get().kind == "already"


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_mailbox_gets_one_mail_an_hour_whoever_asks(key: str) -> None:
    Client().post("/subscribe/", {"email": "bob@example.net"})
    for other in (key, new_key("other")):
        assert post(other, {"email": "b.o.b+x@example.net"}).json() == {"message": signup_api.ACCEPTED}
    assert Notice.objects.count() == 1


@pytest.mark.parametrize("limit", ["SIGNUPS_PER_DOMAIN_AND_HOUR", "SIGNUPS_PER_HOUR"])
def test_over_the_limit_of_a_domain_or_of_all_the_program_is_told_and_no_mail_follows(
    key: str, settings: Settings, limit: str
) -> None:
    setattr(settings, limit, 1)
    first, second, again = (post(key, {"email": f"{name}@example.net"}) for name in "aba")
    assert (first.status_code, second.status_code) == (202, 429)
    assert (again.status_code, again.content) == (second.status_code, second.content), "whatever the address"
    assert second.json() == {"message": signup_api.TOO_MANY}
    assert Notice.objects.get().subscriber.email == "a@example.net"


def test_the_programs_network_and_the_ip_it_names_are_not_limited(key: str, settings: Settings) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    for name in "abc":
        post(key, {"email": f"{name}@example.net", "ip": "203.0.113.9"})
    assert Notice.objects.count() == 3
    Client().post("/subscribe/", {"email": "d@example.net"}, REMOTE_ADDR="203.0.113.9")
    assert Notice.objects.count() == 4


def test_a_key_may_ask_so_often_only_whatever_it_asks(key: str, settings: Settings) -> None:
    settings.SIGNUPS_PER_API_KEY_AND_HOUR = 2
    make_reader("known@example.net")
    with time_machine.travel(NOON, tick=False) as clock:
        assert [post(key, body).status_code for body in ({}, {"email": "a@example.net"})] == [422, 202]
        refused = [post(key, {"email": f"{name}@example.net"}) for name in ("known", "new")]
        assert {(one.status_code, one.content, one["Retry-After"]) for one in refused} == {
            (429, refused[0].content, "1800")
        }
        assert "Wait" in refused[0].json()["message"]
        assert post(new_key("other"), {"email": "b@example.net"}).status_code == 202
        clock.shift(rate_limits.seconds_per_ask())
        assert post(key, {"email": "c@example.net"}).status_code == 202


# --- what is refused --------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        *(("email", one) for one in ["", "nobody", HOSTILE, f"{HOSTILE}@example.net", "a@b.net\nBcc: c@d.net"]),
        *(("email", one) for one in [None, 7, ["a@example.net"], "a\x00@example.net", "\ud800@example.net", "a" * 255]),
        *(("topics", one) for one in [["alchemy"], [HOSTILE], "vision", [7], None, ["vision"] * 101, ["\x00"]]),
        *(("cadence", one) for one in ["hourly", "", None, HOSTILE]),
        *(("hour", one) for one in [24, -1, "8", 8.5, True, None, 10**400]),
        *(("time_zone", one) for one in ["Mars/Olympus", HOSTILE, "../../etc/passwd", "UTC\x00", 7]),
        *(("consent_words", one) for one in ["x" * 1001, 7, None, "\ud800"]),
        *(("source_url", one) for one in ["javascript:alert(1)", f"https://x.example/ {HOSTILE}", "x", "\ud800"]),
        *(("ip", one) for one in ["nowhere", "999.1.1.1", "1.2.3.4, 5.6.7.8", 16909060, HOSTILE, "\x00"]),
        *((one, "x") for one in ["website", "state", HOSTILE, "__class__"]),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence_that_says_what_to_do(key: str, field: str, bad: Any) -> None:
    make_topic("vision")
    answer = post(key, {"email": "bob@example.net"} | {field: bad})
    assert answer.status_code == 422
    assert answer["Content-Type"].startswith("application/json")
    assert answer.json() == {"message": signup_api.WHAT_TO_SEND.get(field, signup_api.WHAT_TO_SEND[""])}
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"email=bob%40example.net", b"[", b"null", b"7", b'"x"', b"[]", b"\xff\xfe", b"[" * 9000, b'{"email": NaN}'],
)
def test_what_is_no_json_object_is_refused(key: str, body: bytes) -> None:
    answer = post(key, body)
    assert answer.status_code in {400, 422}
    assert answer.json()["message"] in signup_api.WHAT_TO_SEND.values()


def test_a_domain_the_operator_refuses_is_refused(key: str, settings: Settings) -> None:
    settings.REFUSED_MAIL_DOMAINS = ["throwaway.example"]
    answer = post(key, {"email": "a@x.throwaway.example"})
    assert (answer.status_code, answer.json()["message"]) == (422, signup_api.WHAT_TO_SEND["email"])


def test_what_no_log_can_show_is_left_out_of_the_record(key: str) -> None:
    words = "I agree\x00\u202e to it"
    body = {"email": "a@example.net", "consent_words": words, "source_url": "https://x.example/\x00"}
    assert post(key, body | {"ip": f"fe80::1%{HOSTILE}"}).status_code == 202
    event = ConsentEvent.objects.get()
    assert (event.detail["words"], event.source_url) == ("I agree to it", "https://x.example/")
    assert event.ip_address == "fe80::1"


def test_a_big_body_is_not_read(key: str) -> None:
    body = json.dumps({"email": "bob@example.net", "consent_words": "x" * signup_api.BODY_BYTES_MAX})
    answer = post(key, body)
    assert (answer.status_code, answer.json()) == (413, {"message": "Send at most 16384 bytes."})


def test_only_posting_is_allowed() -> None:
    for method in ("get", "put", "delete", "patch"):
        answer = getattr(Client(), method)(URL)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")


# --- the description --------------------------------------------------------------------------------------------------


def test_the_description_names_the_address_the_key_and_every_answer() -> None:
    described = Client().get("/api/v1/openapi.json").json()
    post_of_it = described["paths"][URL]["post"]
    assert set(post_of_it["responses"]) == {"202", "400", "401", "403", "413", "422", "429", "500"}
    assert described["components"]["securitySchemes"]["KeyAuth"] == {"type": "http", "scheme": "bearer"}
    assert post_of_it["security"] == [{"KeyAuth": []}]
    fields = described["components"]["schemas"]["Signup"]
    assert set(fields["properties"]) == set(WISH)
    assert fields["required"] == ["email"]


def test_there_is_no_page_that_loads_scripts_from_elsewhere() -> None:
    assert Client().get("/api/v1/docs").status_code == 404


description = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
# Bad data may also be too big: 413 refuses it as rightly as 400 or 422 (RFC 9110 §15.5.14).
rejection = description.config.checks.negative_data_rejection
rejection.expected_statuses = [*rejection.expected_statuses, "413"]
PATHS: dict[str, dict[str, Any]] = description.raw_schema["paths"]


@pytest.fixture
def patient_key(settings: Settings) -> str:
    settings.SIGNUPS_PER_API_KEY_AND_HOUR = settings.API_READS_PER_MINUTE = 1_000_000
    out = StringIO()
    call_command("create_api_key", "patient", scope=["subscribers:write", "papers:write"], stdout=out)
    return out.getvalue().strip()


def _keeps_to_its_description(case: schemathesis.Case, patient_key: str) -> None:
    # Which mail addresses, topics and time zones there are is more than a schema can say.
    case.call_and_validate(
        headers={"Authorization": f"Bearer {patient_key}"},
        excluded_checks=[schemathesis.checks.positive_data_acceptance],
    )


BOUNDS = bounds(max_examples=examples(15), derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.more_examples
@pytest.mark.django_db(transaction=True)  # the application itself, as gunicorn calls it, closes its connections
@pytest.mark.parametrize("label", [f"{verb.upper()} {path}" for path, by in PATHS.items() for verb in by])
def test_the_application_keeps_to_its_description(label: str, patient_key: str) -> None:
    """Schemathesis makes up requests, good and bad, with and without a key, and checks every answer.

    It makes them up here: `@description.parametrize()` would do so in every worker that collects this file.
    """
    made = get_all_tests(
        schema=description.include(name=label), test_func=_keeps_to_its_description, settings=BOUNDS, given_kwargs=None
    )
    ((_operation, test),) = [result.ok() for result in made]
    test(patient_key=patient_key)
