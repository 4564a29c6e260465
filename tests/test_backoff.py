"""One rule for the wait between two tries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from subscriptions.retry_backoff import backoff

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(("tries", "minutes"), [(-1, 1), (0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (10**9, 60)])
def test_it_doubles_up_to_the_longest(tries: int, minutes: int) -> None:
    assert backoff(tries, first=MINUTE, most=HOUR) == timedelta(minutes=minutes)
