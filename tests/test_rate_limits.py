"""Limits on the mail that strangers can make us send."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from subscriptions.addresses import parse_address
from subscriptions.models import Allowance, Notice, Subscriber
from subscriptions.rate_limits import Limit, empty_buckets, forget_full_buckets, mail_refusal, take
from tests.builders import NOON, make_reader

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

HOUR = timedelta(hours=1)


def sign_up(email: str, *, ip: str = "192.0.2.1") -> int:
    return Client(REMOTE_ADDR=ip).post("/subscribe/", {"email": email}).status_code


def test_an_address_gets_one_confirmation_an_hour_and_three_a_day() -> None:
    granted: list[datetime] = []
    with time_machine.travel(NOON, tick=False) as clock:
        for minute in range(0, 30 * 60, 30):
            clock.move_to(NOON + timedelta(minutes=minute))
            before = Notice.objects.count()
            assert sign_up("bob@example.net") == 303
            if Notice.objects.count() > before:
                granted.append(NOON + timedelta(minutes=minute))
    assert granted[:3] == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert all(later - earlier >= HOUR for earlier, later in pairwise(granted))
    for start in granted:
        assert sum(start <= at < start + timedelta(days=1) for at in granted) <= 3


@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.integers(0, 20), min_size=5, max_size=40))
def test_whenever_somebody_asks_no_day_has_more_than_three(gaps: list[int]) -> None:
    Allowance.objects.all().delete()
    at, granted = NOON, []
    for gap in gaps:
        at += timedelta(hours=gap)
        if not mail_refusal(parse_address("bob@example.net"), about="signup", client="192.0.2.1", now=at):
            granted.append(at)
    assert all(sum(start <= one < start + timedelta(days=1) for one in granted) <= 3 for start in granted)
    assert max(Counter(granted).values()) == 1


def test_variants_of_one_mailbox_share_its_limit() -> None:
    for email in ("b.ob+1@example.net", "bob@example.net", "BOB+two@example.net"):
        assert sign_up(email) == 303
    assert Notice.objects.count() == 1


def test_a_network_may_ask_so_often_and_its_neighbours_still_may(settings: Settings) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 3
    for number in range(6):
        assert sign_up(f"a{number}@example.net", ip=f"192.0.2.{number}") == (303 if number < 3 else 429)
    assert Notice.objects.count() == 3
    assert Subscriber.objects.count() == 3
    sign_up("b@example.net", ip="198.51.100.1")
    assert Notice.objects.count() == 4


def test_a_household_of_ipv6_is_one_network(settings: Settings) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    sign_up("a@example.net", ip="2001:db8:1:2::1")
    sign_up("b@example.net", ip="2001:db8:1:2:ffff::9")
    sign_up("c@example.net", ip="2001:db8:1:3::1")
    assert Notice.objects.count() == 2


def test_one_recipient_domain_cannot_be_flooded(settings: Settings) -> None:
    settings.SIGNUPS_PER_DOMAIN_AND_HOUR = 2
    for number in range(4):
        sign_up(f"a{number}@example.net", ip=f"10.0.{number}.1")
    sign_up("a@example.org", ip="10.0.9.1")
    assert sorted(Notice.objects.values_list("subscriber__domain", flat=True)) == [
        "example.net",
        "example.net",
        "example.org",
    ]


def test_everybody_together_is_limited(settings: Settings) -> None:
    settings.SIGNUPS_PER_HOUR = 2
    for number in range(4):
        assert sign_up(f"a@d{number}.example", ip=f"10.0.{number}.1") == (303 if number < 2 else 429)
    assert Notice.objects.count() == 2


def test_who_is_turned_away_with_a_crowd_may_ask_again_without_waiting_an_hour(settings: Settings) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 1
    sign_up("alice@example.net")
    sign_up("bob@example.net")  # the same network: too many
    assert Subscriber.objects.count() == 1
    sign_up("bob@example.net", ip="198.51.100.1")
    assert Subscriber.objects.count() == 2


def test_limits_hold_for_known_readers_too() -> None:
    make_reader("alice@example.net")
    sign_up("alice@example.net")
    sign_up("alice@example.net")
    assert [notice.kind for notice in Notice.objects.all()] == ["already"]


def test_asking_for_links_is_limited_on_its_own() -> None:
    make_reader("alice@example.net")
    sign_up("alice@example.net")
    for _ in range(2):
        assert Client().post("/preferences/", {"email": "alice@example.net"}).status_code == 303
    assert sorted(notice.kind for notice in Notice.objects.all()) == ["already", "manage"]


def test_a_refusal_costs_nothing_of_the_bucket() -> None:
    limit = Limit("tries", 1, HOUR)
    assert take(limit, whom="x", now=NOON)
    for minute in range(1, 60):
        assert not take(limit, whom="x", now=NOON + timedelta(minutes=minute))
    assert take(limit, whom="x", now=NOON + HOUR)


def test_a_bucket_holds_its_burst_and_refills_one_by_one() -> None:
    limit = Limit("burst", 3, HOUR)
    assert [take(limit, whom="x", now=NOON) for _ in range(5)] == [True, True, True, False, False]
    assert [take(limit, whom="x", now=NOON + HOUR) for _ in range(2)] == [True, False]
    assert [take(limit, whom="x", now=NOON + 10 * HOUR) for _ in range(4)] == [True, True, True, False]


def test_full_buckets_are_forgotten_and_nothing_else() -> None:
    take(Limit("a", 1, HOUR), whom="x", now=NOON)
    take(Limit("a", 1, HOUR), whom="y", now=NOON + HOUR)
    assert forget_full_buckets(now=NOON + HOUR) == 1
    assert not take(Limit("a", 1, HOUR), whom="y", now=NOON + HOUR)


def test_a_customer_of_many_networks_has_four_households_share_of_sign_ups(settings: Settings) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 3
    with time_machine.travel(NOON, tick=False):
        for number in range(40):
            sign_up(f"a{number}@d{number}.example", ip=f"2001:db8:1:{number << 8:x}::1")
        assert Notice.objects.count() == 12
        sign_up("b@example.net", ip="2001:db8:2::1")
    assert Notice.objects.count() == 13


def test_strangers_who_use_up_a_domain_keep_no_reader_from_their_link(settings: Settings) -> None:
    settings.SIGNUPS_PER_DOMAIN_AND_HOUR, settings.SIGNUPS_PER_HOUR = 3, 5
    make_reader("alice@example.net")
    with time_machine.travel(NOON, tick=False):
        for number in range(20):
            sign_up(f"a{number}@example.net", ip=f"10.0.{number}.1")
            sign_up(f"a{number}@example.org", ip=f"10.0.{number}.1")
        assert set(empty_buckets(now=NOON)) == {"domain", "everybody"}
        Client(REMOTE_ADDR="10.9.9.1").post("/preferences/", {"email": "alice@example.net"})
    assert Notice.objects.filter(kind="manage").count() == 1


@pytest.mark.parametrize("ahead", [timedelta(minutes=90), timedelta(days=2), timedelta(days=4000)])
@pytest.mark.parametrize("burst", [1, 30])
def test_a_clock_that_was_ahead_locks_nobody_out(ahead: timedelta, burst: int) -> None:
    limit = Limit("ahead", burst, HOUR / burst)
    while take(limit, whom="x", now=NOON + ahead):
        pass
    assert [take(limit, whom="x", now=NOON) for _ in range(burst + 1)] == [True] * burst + [False]


@pytest.mark.parametrize("apart", [timedelta(milliseconds=1), timedelta(seconds=30)])
def test_clocks_a_little_apart_give_no_second_bucket(apart: timedelta) -> None:
    limit = Limit("apart", 5, HOUR / 5)
    while take(limit, whom="x", now=NOON):
        pass
    assert not take(limit, whom="x", now=NOON - apart)


def test_empty_buckets_are_told_by_the_name_of_their_limit_and_fill_up_again(settings: Settings) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 2
    assert empty_buckets(now=NOON) == {}
    with time_machine.travel(NOON, tick=False):
        for number in range(3):
            sign_up(f"a{number}@d{number}.example", ip="10.0.0.1")
            sign_up(f"b{number}@d{number}.example", ip="10.0.1.1")
    assert empty_buckets(now=NOON) == {"network": 2}
    assert empty_buckets(now=NOON + HOUR / 2) == {}
