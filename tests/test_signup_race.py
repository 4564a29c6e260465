"""Six hundred signups at once: every address exists once and is mailed once an hour. PostgreSQL only."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.db.models import Count
from django.test import Client
from pytest_django import Settings

from subscriptions.models import Notice, Subscriber
from tests.builders import make_topic

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

ADDRESSES = [f"reader.{number}@d{number % 20}.example.net" for number in range(60)]
THREADS = 16


@pytest.fixture(autouse=True)
def _world(settings: Settings) -> None:
    """A topic, and wide limits: all but the limits per mailbox, which are what is tried here."""
    make_topic("vision")
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = settings.SIGNUPS_PER_DOMAIN_AND_HOUR = settings.SIGNUPS_PER_HOUR = 1_000_000


def in_parallel(emails: list[str]) -> Counter[int]:
    def sign_up(part: int) -> Counter[int]:
        try:
            client = Client(REMOTE_ADDR=f"10.0.{part}.1")
            wishes = {"topics": ["vision"], "cadence": "weekly"}
            return Counter(
                client.post("/subscribe/", {"email": one} | wishes).status_code for one in emails[part::THREADS]
            )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(sign_up, range(THREADS)), Counter())


def test_six_hundred_parallel_signups_of_sixty_addresses() -> None:
    emails = [email for number in range(10) for email in (ADDRESSES if number % 2 else map(str.upper, ADDRESSES))]
    random.shuffle(emails)
    assert in_parallel(emails) == {303: 600}
    assert Subscriber.objects.count() == 60
    mails = Notice.objects.values_list("subscriber").annotate(mails=Count("pk")).values_list("mails", flat=True)
    assert list(mails) == [1] * 60
    assert all(reader.preferences.count() == 0 for reader in Subscriber.objects.all())  # they wait on the request


def test_parallel_signups_of_one_mailbox_in_many_spellings_are_one_mail() -> None:
    emails = [f"re.ader+{number}@example.net" for number in range(160)]
    assert in_parallel(emails) == {303: 160}
    assert Notice.objects.count() == 1
    assert Subscriber.objects.count() == 1
