from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from newsletter.delivery.bounces.relay_log import Fate, fates
from newsletter.delivery.compose import message_id
from newsletter.models import Delivery
from tests.test_feedback import sent

POSTFIX = """\
Nov 22 08:00:01 relay postfix/cleanup[311]: 4F1B2: message-id=<{first}>
Nov 22 08:00:01 relay postfix/qmgr[9]: 4F1B2: from=<b+1.ab@papers.example.org>, size=41022, nrcpt=1 (queue active)
Nov 22 08:00:02 relay postfix/smtp[312]: 4F1B2: to=<a@example.net>, relay=mx, dsn=2.0.0, status=sent (250 Ok)
Nov 22 08:00:02 relay postfix/cleanup[311]: 5A0C3: message-id=<{second}>
Nov 22 08:00:03 relay postfix/smtp[312]: 5A0C3: to=<b@example.net>, dsn=4.4.1, status=deferred (timed out)
something else entirely
"""


def test_a_postfix_log_tells_what_became_of_each_message() -> None:
    log = POSTFIX.format(first="1.a@x", second="2.b@x").splitlines()
    assert list(fates(log)) == [Fate("1.a@x", "sent", "250 Ok"), Fate("2.b@x", "deferred", "timed out")]


def test_json_lines_are_understood_and_broken_ones_passed_over() -> None:
    lines = ['{"message_id": "<1.a@x>", "status": "sent"}', '{"message_id": 5}', "{broken", "[]"]
    assert list(fates(lines)) == [Fate("1.a@x", "sent")]


@pytest.mark.django_db
def test_what_the_relay_took_over_is_sent_and_the_rest_stays_unknown(tmp_path: Path) -> None:
    first, second, third = sent(3)
    Delivery.objects.update(state=Delivery.State.UNKNOWN, sent_at=None)
    log = tmp_path / "mail.log"
    log.write_text(POSTFIX.format(first=message_id(first.pk), second=message_id(second.pk)))
    out = StringIO()
    call_command("settle_unknown", log=log, stdout=out)
    assert out.getvalue() == "2 sent, 0 failed, 1 still unknown\n"
    assert Delivery.objects.get(pk=third.pk).state == Delivery.State.UNKNOWN
    call_command("settle_unknown", log=log, absent_failed=True, stdout=out)
    assert Delivery.objects.get(pk=third.pk).state == Delivery.State.FAILED
    assert Delivery.objects.get(pk=first.pk).state == Delivery.State.SENT


@pytest.mark.django_db
def test_a_message_id_that_is_not_ours_settles_nothing(tmp_path: Path) -> None:
    row = sent()[0]
    Delivery.objects.update(state=Delivery.State.UNKNOWN)
    log = tmp_path / "mail.log"
    log.write_text(POSTFIX.format(first=f"{row.pk}.forged@papers.example.org", second="x@y"))
    call_command("settle_unknown", log=log, stdout=StringIO())
    assert Delivery.objects.get().state == Delivery.State.UNKNOWN


@pytest.mark.django_db
def test_a_log_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("settle_unknown", log=tmp_path / "missing")
