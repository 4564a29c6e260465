"""When the next digest is due: wall clock, zones, and clocks that jump."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.models import EVERY_DAY, WEEKDAYS
from subscriptions.schedule import is_zone, local_day, local_midnight, next_due, next_slot

YEAR_ZONES = [
    *("Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Moscow", "Europe/Istanbul", "Europe/Lisbon"),
    *("America/New_York", "America/Chicago", "America/Los_Angeles", "America/Phoenix", "America/Sao_Paulo"),
    *("America/St_Johns", "America/Havana", "America/Santiago", "America/Asuncion", "America/Nuuk", "America/Caracas"),
    *("America/Bogota", "America/Mexico_City", "America/Anchorage", "America/Halifax", "America/Toronto"),
    *("Australia/Lord_Howe", "Australia/Sydney", "Australia/Adelaide", "Australia/Brisbane", "Australia/Eucla"),
    *("Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Honolulu", "Pacific/Fiji"),
    *("Pacific/Norfolk", "Pacific/Easter", "Pacific/Marquesas", "Pacific/Pago_Pago", "Pacific/Tongatapu"),
    *("Asia/Kathmandu", "Asia/Kolkata", "Asia/Tokyo", "Asia/Shanghai", "Asia/Tehran", "Asia/Jerusalem", "Asia/Beirut"),
    *("Asia/Gaza", "Asia/Kabul", "Asia/Yangon", "Asia/Singapore", "Asia/Dubai", "Asia/Karachi", "Asia/Kamchatka"),
    *("Africa/Casablanca", "Africa/Cairo", "Africa/Lagos", "Africa/Nairobi", "Africa/Johannesburg", "Africa/El_Aaiun"),
    *("Antarctica/Troll", "Antarctica/McMurdo", "Atlantic/Azores", "Atlantic/Reykjavik", "Indian/Mauritius", "UTC"),
]


def due(after: datetime, **over: object) -> datetime:
    preferences = {"cadence": "daily", "weekdays": EVERY_DAY, "hour": 8, "zone": "UTC"} | over
    return next_due(after=after, **preferences)  # type: ignore[arg-type]


def wall(zone: str, *parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold)  # type: ignore[misc, arg-type]


def test_a_daily_digest_comes_at_the_readers_hour_on_the_next_ticked_day() -> None:
    friday_noon = wall("Europe/Berlin", 2026, 3, 20, 12)
    assert due(friday_noon, weekdays=WEEKDAYS, zone="Europe/Berlin") == wall("Europe/Berlin", 2026, 3, 23, 8)


def test_due_is_strictly_after_the_moment_asked_about() -> None:
    eight = datetime(2026, 3, 18, 8, tzinfo=UTC)
    assert due(eight) == eight + timedelta(days=1)
    assert due(eight - timedelta(microseconds=1)) == eight


def test_a_weekly_digest_comes_on_monday_in_weeks_53_too() -> None:
    assert due(datetime(2026, 12, 28, 9, tzinfo=UTC), cadence="weekly") == datetime(2027, 1, 4, 8, tzinfo=UTC)
    assert due(datetime(2026, 12, 27, 9, tzinfo=UTC), cadence="weekly") == datetime(2026, 12, 28, 8, tzinfo=UTC)


def test_a_monthly_digest_comes_on_the_first_also_after_29_february() -> None:
    assert due(datetime(2028, 2, 29, 12, tzinfo=UTC), cadence="monthly") == datetime(2028, 3, 1, 8, tzinfo=UTC)
    assert due(datetime(2026, 12, 1, 8, tzinfo=UTC), cadence="monthly") == datetime(2027, 1, 1, 8, tzinfo=UTC)


def test_a_daily_digest_comes_on_29_february() -> None:
    assert due(datetime(2028, 2, 28, 9, tzinfo=UTC)) == datetime(2028, 2, 29, 8, tzinfo=UTC)


def test_the_hour_stays_when_the_clocks_change() -> None:
    zone = "America/New_York"
    before = due(wall(zone, 2026, 3, 7, 0), zone=zone)
    after = due(wall(zone, 2026, 3, 9, 0), zone=zone)
    assert (before.hour, after.hour) == (13, 12)


@pytest.mark.parametrize(
    ("zone", "day", "hour", "first_valid"),
    [
        ("Europe/Berlin", (2026, 3, 29), 2, datetime(2026, 3, 29, 1, tzinfo=UTC)),  # 02:00 to 03:00
        ("America/New_York", (2026, 3, 8), 2, datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("Australia/Lord_Howe", (2026, 10, 4), 2, datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # half an hour
        ("Africa/Casablanca", (2026, 3, 22), 2, datetime(2026, 3, 22, 2, tzinfo=UTC)),  # Ramadan ends
        (
            "Antarctica/Troll",
            (2026, 3, 29),
            2,
            datetime(2026, 3, 29, 1, tzinfo=UTC),
        ),  # two hours, and the middle of them
        ("Africa/Cairo", (2026, 4, 24), 0, datetime(2026, 4, 23, 22, tzinfo=UTC)),  # midnight itself is missing
    ],
)
def test_an_hour_the_clocks_jump_over_becomes_the_first_instant_after(
    zone: str, day: tuple[int, int, int], hour: int, first_valid: datetime
) -> None:
    assert due(wall(zone, *day) - timedelta(hours=3), zone=zone, hour=hour) == first_valid


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [
        ("Europe/Berlin", (2026, 10, 25), 2),
        ("America/New_York", (2026, 11, 1), 1),
        ("Africa/Casablanca", (2026, 2, 15), 2),
        ("America/Havana", (2026, 11, 1), 0),
    ],
)
def test_an_hour_that_comes_twice_counts_the_first_time_only(zone: str, day: tuple[int, int, int], hour: int) -> None:
    first, second = wall(zone, *day, hour), wall(zone, *day, hour, fold=1)
    assert second.astimezone(UTC) > first.astimezone(UTC)
    assert due(first.astimezone(UTC) - timedelta(hours=2), zone=zone, hour=hour) == first.astimezone(UTC)
    assert local_day(due(first.astimezone(UTC), zone=zone, hour=hour), zone) == date(*day) + timedelta(days=1)


def test_half_hour_fold_of_lord_howe_gives_one_digest() -> None:
    zone = "Australia/Lord_Howe"
    day = [due(wall(zone, 2026, 4, 4, 12), zone=zone, hour=1)]
    day.append(due(day[0], zone=zone, hour=1))
    assert [local_day(one, zone) for one in day] == [date(2026, 4, 5), date(2026, 4, 6)]


def test_a_day_that_a_country_skipped_has_no_digest() -> None:
    zone = "Pacific/Apia"  # went over the date line: no 30 December 2011
    assert local_day(due(wall(zone, 2011, 12, 29, 9), zone=zone), zone) == date(2011, 12, 31)


def test_quarter_hour_zones_keep_the_full_local_hour() -> None:
    assert due(datetime(2026, 3, 18, tzinfo=UTC), zone="Asia/Kathmandu") == datetime(2026, 3, 18, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "\x00", "é", "Europe/Berlin\n"])
def test_a_zone_nobody_knows_is_utc(zone: str) -> None:
    after = datetime(2026, 3, 18, 12, tzinfo=UTC)
    assert due(after, zone=zone) == datetime(2026, 3, 19, 8, tzinfo=UTC)
    assert local_day(after, zone) == date(2026, 3, 18)
    assert not is_zone(zone)


def test_local_day_is_the_readers_calendar() -> None:
    noon = datetime(2026, 3, 18, 12, tzinfo=UTC)
    assert local_day(noon, "Pacific/Kiritimati") == date(2026, 3, 19)
    assert local_day(noon, "Pacific/Pago_Pago") == date(2026, 3, 18)


def test_a_local_day_begins_at_its_own_midnight_or_when_it_first_exists() -> None:
    assert local_midnight(date(2026, 6, 1), "Europe/Berlin") == datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert local_midnight(date(2026, 4, 24), "Africa/Cairo") == datetime(2026, 4, 23, 22, tzinfo=UTC)


@pytest.mark.parametrize("hour", [0, 1, 2, 3, 8, 23])
def test_over_a_year_every_local_day_of_sixty_zones_has_exactly_one_digest(hour: int) -> None:
    assert len(YEAR_ZONES) >= 60
    for zone in YEAR_ZONES:
        start = local_midnight(date(2026, 1, 1), zone) - timedelta(seconds=1)
        end = local_midnight(date(2027, 1, 1), zone)
        days = []
        at = due(start, zone=zone, hour=hour)
        while at < end:
            days.append(local_day(at, zone))
            at = due(at, zone=zone, hour=hour)
        expected = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
        if (zone, hour) == ("America/Nuuk", 23):
            # The clocks jump from 23:00 to midnight: that evening has no 23:00 and the next day has its own.
            expected.remove(date(2026, 3, 28))
        assert days == expected, zone


def test_over_a_year_weekly_and_monthly_digests_come_once_per_week_and_month() -> None:
    for zone in YEAR_ZONES:
        for cadence, count in (("weekly", 52), ("monthly", 12)):
            at = local_midnight(date(2026, 1, 1), zone) - timedelta(seconds=1)
            end = local_midnight(date(2027, 1, 1), zone)
            days = []
            while (at := due(at, zone=zone, cadence=cadence)) < end:
                days.append(local_day(at, zone))
            assert len(days) == len(set(days)) == count, zone
            assert all(day.weekday() == 0 if cadence == "weekly" else day.day == 1 for day in days)


def test_a_cadence_nobody_knows_is_an_error_not_a_guess() -> None:
    with pytest.raises(ValueError, match="hourly"):
        due(datetime(2026, 3, 18, tzinfo=UTC), cadence="hourly")


@given(
    after=st.integers(0, 40 * 365 * 86400).map(
        lambda seconds: datetime(1995, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    zone=st.sampled_from(sorted(available_timezones())),
    weekdays=st.integers(1, 127),
    hour=st.integers(0, 23),
    cadence=st.sampled_from(["daily", "weekly", "monthly"]),
)
def test_due_lies_ahead_in_utc_and_on_a_chosen_day(
    after: datetime, zone: str, weekdays: int, hour: int, cadence: str
) -> None:
    at = next_due(cadence=cadence, weekdays=weekdays, hour=hour, zone=zone, after=after)
    assert at > after
    assert at.tzinfo is UTC
    assert at - after < timedelta(days=64)
    day = local_day(at, zone)
    if cadence == "daily":
        assert weekdays >> day.weekday() & 1
    assert local_day(at, zone) == at.astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize(
    ("cadence", "zone", "first", "had", "on"),
    [
        ("daily", "UTC", date(2026, 11, 30), [], date(2026, 11, 30)),
        ("daily", "UTC", date(2026, 11, 30), [("daily", date(2026, 11, 30))], date(2026, 12, 1)),
        ("daily", "UTC", date(2026, 11, 30), [("daily", date(2026, 12, 1))], date(2026, 11, 30)),
        ("daily", "UTC", date(2026, 11, 30), [("weekly", date(2026, 11, 30))], date(2026, 12, 1)),  # no day has two
        ("daily", "UTC", date(2026, 12, 5), [], date(2026, 12, 7)),  # a Saturday, of a reader of weekdays
        ("daily", "Pacific/Apia", date(2011, 12, 30), [], date(2012, 1, 2)),  # Samoa left the Friday out
        ("weekly", "UTC", date(2026, 11, 30), [], date(2026, 11, 30)),
        ("weekly", "UTC", date(2026, 12, 1), [], date(2026, 12, 7)),
        ("weekly", "UTC", date(2026, 11, 30), [("weekly", date(2026, 12, 6))], date(2026, 12, 7)),
        ("weekly", "UTC", date(2026, 11, 30), [("weekly", date(2026, 11, 29))], date(2026, 11, 30)),
        ("weekly", "UTC", date(2026, 11, 30), [("daily", date(2026, 11, 30))], date(2026, 12, 1)),
        ("weekly", "UTC", date(2026, 11, 30), [("daily", date(2026, 12, 1))], date(2026, 11, 30)),
        ("monthly", "UTC", date(2026, 12, 1), [], date(2026, 12, 1)),
        ("monthly", "UTC", date(2026, 12, 2), [], date(2027, 1, 1)),
        ("monthly", "UTC", date(2026, 12, 1), [("monthly", date(2026, 12, 31))], date(2027, 1, 1)),
        ("monthly", "UTC", date(2026, 12, 1), [("monthly", date(2026, 11, 30))], date(2026, 12, 1)),
        (
            *("monthly", "UTC", date(2026, 12, 1), [("daily", date(2026, 12, 1)), ("weekly", date(2026, 12, 2))]),
            date(2026, 12, 3),
        ),
    ],
)
def test_the_next_digest_is_that_of_the_first_free_day_of_a_period_without_one(
    cadence: str, zone: str, first: date, had: list[tuple[str, date]], on: date
) -> None:
    asked: dict[str, Any] = {
        "cadence": cadence,
        "weekdays": 0b11111,
        "hour": 8,
        "zone": zone,
        "first": first,
        "had": had,
    }
    slot = next_slot(**asked, now=datetime(2000, 1, 1, tzinfo=UTC))
    assert (slot.on, slot.due_at) == (on, datetime(*on.timetuple()[:3], 8, tzinfo=ZoneInfo(zone)))
    late = slot.due_at + timedelta(hours=3)
    assert next_slot(**asked, now=late) == (on, late)  # its hour has passed: due at once


def test_a_reader_without_a_digest_day_is_an_error_not_an_endless_search() -> None:
    with pytest.raises(ValueError, match="no digest day in 64 days"):
        next_slot(
            cadence="daily", weekdays=0, hour=8, zone="UTC", first=date(2026, 11, 30), now=datetime.now(UTC), had=[]
        )
