"""Guessing passwords at the desk is slow."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-password"


@pytest.fixture(autouse=True)
def fast_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


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
