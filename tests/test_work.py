"""One round of `manage.py work`: whatever one step meets, the others are done."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, ProgrammingError, connection

from newsletter.management.commands.work import work
from newsletter.models import Delivery, Edition, Heartbeat
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db


def failing(error: type[Exception], *, verb: str, table: str) -> Callable[..., Any]:
    """Every statement of that verb on that table fails, as after a botched migration or under a lock."""

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(verb) and table in sql:
            raise error(f"no {table} today")
        return execute(sql, params, many, context)

    return wrapper


@time_machine.travel(NOON, tick=False)
def test_a_round_whose_scoring_fails_still_keeps_house_and_plans() -> None:
    make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    make_reader()
    with (
        connection.execute_wrapper(failing(ProgrammingError, verb="SELECT", table="newsletter_signal")),
        pytest.raises(ProgrammingError),
    ):
        work(threading.Event(), once=True)
    assert Heartbeat.objects.filter(name="tick").exists()
    assert Delivery.objects.get().state == Delivery.State.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_one_step_of_the_tick_meets_holds_up_none_of_the_others() -> None:
    with connection.execute_wrapper(failing(OperationalError, verb="UPDATE", table="newsletter_edition")):
        work(threading.Event(), once=True)
    assert Heartbeat.objects.filter(name="tick").exists()
    assert Heartbeat.objects.filter(name="forget").exists()
