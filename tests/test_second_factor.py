"""A second factor at the desk: offered to all, a must by setting, with recovery codes and a way back when lost."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as of_site
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential
from django_otp_webauthn.utils import get_exempt_urls

from tests.builders import NOON

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-enough-password"
MINE, ASK = "/admin/auth/user/mine/second-factor/", "/admin/auth/user/second-factor/"


def person(name: str = "olga", *groups: str) -> User:
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def sign_in(name: str = "olga") -> Client:
    client = Client()
    assert client.post("/admin/login/", {"username": name, "password": PASSWORD}).status_code == 302
    return client


def code_now(user: User) -> str:
    device = TOTPDevice.objects.get(user=user)
    return f"{totp(device.bin_key):06}"


def set_up(client: Client, user: User) -> list[str]:
    """Set up an app; return the recovery codes."""
    assert "<svg" in client.get(MINE).content.decode()
    page = client.post(MINE, {"wish": "confirm", "code": code_now(user)}).content.decode()
    return re.findall(r"<li>([a-z2-7]{8})</li>", page)


def where(client: Client, address: str = "/admin/") -> str:
    answer = client.get(address)
    return answer.headers.get("Location", "") if answer.status_code == 302 else "open"


def test_who_set_up_an_app_is_asked_for_its_code_and_for_nothing_before() -> None:
    user = person("olga", "Operators")
    with time_machine.travel(NOON, tick=False) as clock:
        assert where(sign_in()) == "open"
        assert len(set_up(sign_in(), user)) == 10
        client = sign_in()
        for address in ("/admin/", "/admin/subscriptions/subscriber/", "/admin/auth/user/mine/", "/admin/nonsense/"):
            assert where(client, address) == f"{ASK}?next={address}"
        assert where(client, MINE) == f"{ASK}?next={MINE}", "a password alone cannot change it"
        export = client.post("/admin/subscriptions/subscriber/export/")
        assert (export.status_code, export["Location"][: len(ASK)]) == (302, ASK)

        clock.shift(timedelta(minutes=1))
        assert "is not right" in client.post(ASK, {"code": "000000"}).content.decode()
        clock.shift(timedelta(minutes=1))
        key = client.session.session_key
        answer = client.post(f"{ASK}?next=/admin/subscriptions/subscriber/", {"code": code_now(user)})
        assert answer["Location"] == "/admin/subscriptions/subscriber/"
        assert client.session.session_key != key
        assert where(client) == "open"

        again = sign_in()
        assert "used already" in again.post(ASK, {"code": code_now(user)}).content.decode(), "a code works once"


def test_the_way_on_leads_to_no_other_site() -> None:
    user = person()
    with time_machine.travel(NOON, tick=False) as clock:
        set_up(sign_in(), user)
        clock.shift(timedelta(minutes=1))
        answer = sign_in().post(f"{ASK}?next=https://evil.example/", {"code": code_now(user)})
    assert answer["Location"] == "/admin/"


def test_wrong_codes_wait_longer_and_longer() -> None:
    user = person()
    with time_machine.travel(NOON, tick=False) as clock:
        set_up(sign_in(), user)
        clock.shift(timedelta(minutes=1))
        client = sign_in()
        for _ in range(3):
            client.post(ASK, {"code": "000000"})
        assert "is not right" in client.post(ASK, {"code": code_now(user)}).content.decode()
        clock.shift(timedelta(minutes=1))
        assert client.post(ASK, {"code": code_now(user)}).status_code == 302


@pytest.mark.parametrize(
    ("setting", "operators", "curators"),
    [("nobody", "open", "open"), ("operators", f"{MINE}?next=/admin/", "open"), ("staff", MINE, MINE)],
)
def test_the_setting_says_who_must_have_one(settings: Any, setting: str, operators: str, curators: str) -> None:
    settings.SECOND_FACTOR = setting
    person("olga", "Operators")
    person("carl", "Curators")
    assert where(sign_in("olga")).startswith(operators)
    assert where(sign_in("carl")).startswith(curators)


def test_who_must_have_one_sets_it_up_and_goes_on(settings: Any) -> None:
    settings.SECOND_FACTOR = "operators"
    user, client = person("olga", "Operators"), None
    with time_machine.travel(NOON, tick=False) as clock:
        client = sign_in()
        assert "Your role needs a second factor" in client.get(MINE).content.decode()
        assert "is not right" in client.post(MINE, {"wish": "confirm", "code": "123456"}).content.decode()
        assert where(client) == f"{MINE}?next=/admin/"
        clock.shift(timedelta(minutes=1))
        set_up(client, user)
        assert where(client) == "open"


def test_a_recovery_code_opens_once_and_new_ones_end_the_old() -> None:
    user = person()
    with time_machine.travel(NOON, tick=False):
        codes = set_up(sign_in(), user)
        client = sign_in()
        page = client.post(ASK, {"code": f" {codes[0].upper()[:4]} {codes[0][4:]}"}, follow=True).content.decode()
        assert "9 are left" in page
        assert where(client) == "open"
        assert "is not right" in sign_in().post(ASK, {"code": codes[0]}).content.decode()

        page = client.post(MINE, {"wish": "codes"}).content.decode()
        fresh = re.findall(r"<li>([a-z2-7]{8})</li>", page)
        assert len(fresh) == StaticToken.objects.count() == 10
        assert not set(fresh) & set(codes)


def test_somebody_who_lost_both_gets_in_again_by_an_admin_or_a_command(admin_client: Client) -> None:
    user = person()
    with time_machine.travel(NOON, tick=False):
        set_up(sign_in(), user)
        fields = {"action": "forget_second_factor", "_selected_action": [user.pk]}
        page = admin_client.post("/admin/auth/user/", fields, follow=True).content.decode()
        assert "set it up anew" in page
        assert where(sign_in()) == "open"
        set_up(sign_in(), user)
        call_command("forget_second_factor", "olga")
        assert where(sign_in()) == "open"
    with pytest.raises(CommandError, match="Nobody signs in as"):
        call_command("forget_second_factor", "nobody")


def test_an_app_is_taken_away_by_its_owner_and_pages_of_readers_are_never_in_the_way() -> None:
    user = person()
    with time_machine.travel(NOON, tick=False):
        client = sign_in()
        set_up(client, user)
        unverified = sign_in()
        assert unverified.get("/").status_code == unverified.get("/subscribe/").status_code == 200
        client.post(MINE, {"wish": "remove"})
    assert not TOTPDevice.objects.exists()
    assert not StaticToken.objects.exists()


# --- passkeys; with a browser: tests/e2e/test_passkeys.py -------------------------------------------------------------


def give_passkey(user: User, name: str = "") -> WebAuthnCredential:
    return WebAuthnCredential.objects.create(user=user, name=name, credential_id=f"{user} {name}".encode())


def verified(user: User) -> Client:
    """A session that passed the second step by a recovery code."""
    client = sign_in(user.get_username())
    StaticToken.objects.create(device=user.staticdevice_set.get_or_create(name="codes")[0], token="2sesame2")
    assert client.post(ASK, {"code": "2sesame2"}).status_code == 302
    return client


@pytest.mark.parametrize("setting", ["nobody", "staff"])
def test_a_passkey_is_a_second_factor(settings: Any, setting: str) -> None:
    settings.SECOND_FACTOR = setting
    user = person()
    give_passkey(user)
    client = sign_in()
    assert where(client) == f"{ASK}?next=/admin/"
    assert where(client, MINE) == f"{ASK}?next={MINE}", "a password alone cannot change it"
    assert "passkey-verification-button" in client.get(ASK).content.decode()
    assert "is not right" in client.post(ASK, {"code": "000000"}).content.decode()
    assert where(verified(user)) == "open"


def test_only_a_right_password_leads_to_what_reads_a_passkey() -> None:
    user, stranger = person(), Client()
    User.objects.create_user("reader", password=PASSWORD)
    reader = Client()
    assert reader.login(username="reader", password=PASSWORD)
    for address in get_exempt_urls():
        for client in (stranger, reader):
            answer = client.post(address, b"\xff", content_type="application/json")
            assert answer["Location"].startswith("/admin/login/"), address
    client = sign_in()
    assert client.post(reverse("otp_webauthn:credential-registration-begin")).json()["rp"]["id"] == of_site.SITE_HOST
    give_passkey(user)
    client = sign_in()
    begin, complete, ask, _answer = get_exempt_urls()
    assert client.post(begin).status_code == client.post(complete).status_code == 403, "the first must be passed first"
    asked = client.post(ask).json()
    assert (asked["rpId"], len(asked["allowCredentials"])) == (of_site.SITE_HOST, 1)


def test_a_passkey_has_a_name_and_only_its_owner_changes_it() -> None:
    user, other = person(), person("carl")
    mine, theirs = give_passkey(user), give_passkey(other, "theirs")
    client = verified(user)
    page = client.post(MINE, {"wish": "name-passkey", "passkey": mine.pk, "name": f" Key <1> {'x' * 99}"})
    assert "Key &lt;1&gt; xxx" in page.content.decode()
    for typed in (theirs.pk, "", "x", "9" * 30, "²"):
        client.post(MINE, {"wish": "name-passkey", "passkey": typed, "name": "taken over"})
        client.post(MINE, {"wish": "remove-passkey", "passkey": typed})
    assert set(WebAuthnCredential.objects.values_list("name", flat=True)) == {"theirs", f"Key <1> {'x' * 56}"}
    client.post(MINE, {"wish": "name-passkey", "passkey": mine.pk, "name": " "})
    assert WebAuthnCredential.objects.get(user=user).name == "Passkey"


def test_recovery_codes_come_with_the_first_factor_and_go_with_the_last() -> None:
    user = person()
    with time_machine.travel(NOON, tick=False):
        client = sign_in()
        assert len(set_up(client, user)) == 10
        mine = give_passkey(user)
        page = client.post(MINE, {"wish": "name-passkey", "passkey": mine.pk, "name": "key"}).content.decode()
        assert "shown once" not in page
        client.post(MINE, {"wish": "remove"})
        assert (TOTPDevice.objects.count(), StaticToken.objects.count()) == (0, 10)
        assert where(client).startswith(ASK), "the app that opened this session is gone: the passkey opens the next"
        client = verified(user)
        client.post(MINE, {"wish": "remove-passkey", "passkey": mine.pk})
        assert not WebAuthnCredential.objects.exists()
        assert not StaticToken.objects.exists()
        assert where(client) == "open"


def test_the_way_back_takes_passkeys_too() -> None:
    give_passkey(person())
    call_command("forget_second_factor", "olga")
    assert where(sign_in()) == "open"
