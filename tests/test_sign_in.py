"""Guessing passwords at the desk is slow."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from newsletter.models import SignIn
from tests.builders import NOON

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-password"


def sign_in(client: Client, *, password: str, network: str) -> bool:
    answer = client.post("/admin/login/", {"username": "root", "password": password}, REMOTE_ADDR=f"{network}.1")
    return answer.status_code == 302


def test_a_network_that_guesses_is_not_let_in_even_by_the_right_password(client: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    assert not any(sign_in(client, password=f"guess {n}", network="203.0.113") for n in range(20))
    assert not sign_in(client, password=PASSWORD, network="203.0.113")


def test_somebody_elses_guessing_locks_nobody_out(client: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    for n in range(21):
        sign_in(client, password=f"guess {n}", network="203.0.113")
    assert sign_in(client, password=PASSWORD, network="198.51.100")


def test_without_trusted_proxies_a_made_up_header_buys_no_more_guesses(client: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    for n in range(20):
        client.post("/admin/login/", {"username": "root", "password": "no"}, headers={"X-Forwarded-For": f"10.{n}.0.1"})
    answer = client.post(
        "/admin/login/", {"username": "root", "password": PASSWORD}, headers={"X-Forwarded-For": "10.99.0.1"}
    )
    assert answer.status_code == 200


def tries(client: Client, addresses: list[str], *, name: str = "root") -> int:
    """How many wrong passwords were read, from these addresses."""
    before = sum(SignIn.objects.values_list("failed", flat=True))
    for number, address in enumerate(addresses):
        client.post("/admin/login/", {"username": name, "password": f"guess {number}"}, REMOTE_ADDR=address)
    return sum(SignIn.objects.values_list("failed", flat=True)) - before


def test_an_account_is_guessed_slowly_from_all_networks_together(client: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    with time_machine.travel(NOON, tick=False):
        assert tries(client, [f"10.{n}.0.1" for n in range(70)]) == 50
        assert tries(client, ["10.99.0.1"], name="somebody-else") == 1
    with time_machine.travel(NOON + timedelta(minutes=10), tick=False):
        assert tries(client, [f"10.{n}.0.1" for n in range(70)]) == 5


def test_many_networks_of_one_customer_are_one(client: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        for narrow, allowed in ((0, 40), (8, 40)):  # one /56, then others: together the share of a /48
            addresses = [f"2001:db8:7:{n << narrow:x}::1" for n in range(45)]
            assert sum(tries(client, [address], name=address) for address in addresses) == allowed
        assert tries(client, ["2001:db8:8::1"]) == 1


def test_who_signed_in_from_their_network_lately_is_not_locked_out_by_guesses_from_elsewhere(client: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    assert sign_in(client, password=PASSWORD, network="198.51.100")
    tries(client, [f"10.{n}.0.1" for n in range(60)])
    assert sign_in(client, password=PASSWORD, network="198.51.100")
    assert not sign_in(client, password=PASSWORD, network="203.0.113")


def test_failed_tries_are_logged_and_counted_without_what_was_typed(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    tries(client, ["203.0.113.7"] * 2)
    tries(client, ["203.0.113.7"], name="my-own-password")
    lines = [record.getMessage() for record in caplog.records if record.name == "newsletter.admin.sign_in"]
    assert lines == ["Sign-in of root from 203.0.113.0/24 failed"] * 2 + [
        "Sign-in of no account from 203.0.113.0/24 failed"
    ]
    rows = SignIn.objects.order_by("name").values_list("name", "network", "failed", "succeeded")
    assert list(rows) == [("", "203.0.113.0/24", 1, 0), ("root", "203.0.113.0/24", 2, 0)]
    assert SignIn.objects.guessed(now=timezone.now(), at_least=2) == [("root", 2)]
    assert SignIn.objects.guessed(now=timezone.now() + timedelta(hours=4), at_least=1) == []


def test_operators_see_who_tried_and_curators_do_not(client: Client) -> None:
    SignIn.objects.note(name="root", network="203.0.113.0/24", succeeded=False, now=timezone.now())
    for group, status in (("Operators", 200), ("Curators", 403)):
        user = User.objects.create_user(group, is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client.force_login(user)
        answer = client.get("/admin/newsletter/signin/")
        assert answer.status_code == status
        assert (b"203.0.113.0/24" in answer.content) == (status == 200)


def test_what_is_a_month_old_is_forgotten() -> None:
    for days in (1, 40):
        SignIn.objects.note(name="root", network="10.0.0.0/24", succeeded=False, now=NOON - timedelta(days=days))
    assert SignIn.objects.forget_old(now=NOON) == 1
