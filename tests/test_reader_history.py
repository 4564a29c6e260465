from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from newsletter.delivery.bounces import ReportKind, act_on_report
from newsletter.models import Delivery
from newsletter.monitoring.reader_history import history_of, standing_of
from subscriptions import suppression
from subscriptions.models import Subscriber
from tests.builders import NOON, make_reader
from tests.test_feedback import sent, told

pytestmark = pytest.mark.django_db


def test_the_history_tells_in_order_what_happened() -> None:
    row = sent()[0]
    act_on_report.take_in(told(row, ReportKind.HARD, at=NOON + timedelta(hours=1)), now=NOON + timedelta(hours=1))
    act_on_report.act_on_events(now=NOON + timedelta(hours=2))
    lines = history_of(row.subscriber)
    assert [line.subject for line in lines] == ["delivery", "event", "consent", "suppression"]
    assert lines[0].what.endswith("sent, 1 paper")


@pytest.mark.parametrize(
    ("state", "says"), [("confirmed", "the next is due"), ("paused", "is paused"), ("pending", "is pending")]
)
def test_the_standing_says_whether_a_reader_gets_mail(state: str, says: str) -> None:
    assert says in standing_of(make_reader(state=state))


def test_the_standing_of_a_suppressed_address_says_why() -> None:
    reader = make_reader()
    suppression.suppress(reader, reason="complaint", source="test", now=NOON)
    assert "suppressed (marked as spam)" in standing_of(Subscriber.objects.get())


def test_a_skipped_digest_says_why() -> None:
    row = sent()[0]
    Delivery.objects.update(state="skipped", skip_reason="late")
    assert "too late to be news" in history_of(row.subscriber)[0].detail


def test_an_operator_asks_by_address_or_by_the_number_that_an_alarm_names() -> None:
    reader = sent()[0].subscriber
    for named in (reader.email.upper(), str(reader.pk)):
        out = StringIO()
        call_command("reader_history", named, stdout=out)
        assert "Gets daily digests" in out.getvalue()
    for named, what in (("nobody@example.net", "address"), ("9" * 18, "number")):
        with pytest.raises(CommandError, match=f"No reader has this {what}"):
            call_command("reader_history", named)
