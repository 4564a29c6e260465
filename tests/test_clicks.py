"""Opened papers are counted for whoever agreed to it and for nobody else; the link leads on whatever happens."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from newsletter import delivery, planning
from newsletter.admin.list_counts import openings_of
from newsletter.delivery.compose_message import SCOPE
from newsletter.interests import clicks
from newsletter.mail import compile_edition as mail_compile
from newsletter.mail.assemble import Composer
from newsletter.models import Click, Delivery, Edition, EditionItem, Verdict
from subscriptions import click_consent, gdpr, lifecycle, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import ConsentEvent, Subscriber
from tests import mail_samples
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport
from tests.mail_lint import bodies, lint
from tests.test_preferences import FORM

pytestmark = pytest.mark.django_db
ACT = {"now": NOON, "method": "test", "origin": Origin()}
CODE = "https://github.com/openai/whisper"


@pytest.fixture
def tracking(settings: Any) -> None:
    settings.CLICK_TRACKING = True


def papers(count: int = 2) -> list[Any]:
    made = [make_paper(title=f"Paper {n}", score_daily=9.0 - n, code_url=CODE if n == 0 else "") for n in range(count)]
    return [assign(paper, "vision") for paper in made]


def agreeing(email: str = "", **over: Any) -> Subscriber:
    return make_reader(email, follows=("vision",), clicks_agreed_at=NOON - timedelta(days=1), **over)


def sent(*readers: Subscriber, count: int = 2) -> list[Delivery]:
    """An edition delivered to the readers at NOON."""
    make_edition(papers=papers(count), state=Edition.State.FROZEN)
    planning.plan_due(now=NOON)
    Delivery.objects.update(state=Delivery.State.SENT, sent_at=NOON, not_before=None)
    return list(Delivery.objects.order_by("pk"))


def door(row: Delivery, *, place: int = 0, kind: str = "p") -> str:
    return f"/c/{token_links.row_token(SCOPE, row.pk)}/{row.picks[place][0]}/{kind}"


def opened(client: Client, url: str, *, after: timedelta = timedelta(hours=1)) -> str:
    with time_machine.travel(NOON + after, tick=False):
        answer = client.get(url)
    assert answer.status_code == 302
    return str(answer["Location"])


# --- the mail -------------------------------------------------------------------------------------------------------


def composed(*, counts_clicks: bool, wants_html: bool = True) -> bytes:
    edition = mail_samples.make_edition()
    composer = Composer(json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON))), mail_samples.IDENTITY)
    return composer.compose(mail_samples.make_recipient(edition, counts_clicks=counts_clicks, wants_html=wants_html))


@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize("wants_html", [True, False])
def test_the_mail_of_an_agreeing_reader_links_papers_by_rows_only(settings: Any, wants_html: bool) -> None:
    raw = composed(counts_clicks=True, wants_html=wants_html)
    assert lint(raw, hosts=()) == []  # no other host is linked at all
    token = mail_samples.DELIVERY_TOKEN
    for body in bodies(raw).values():
        urls = set(re.findall(r"https://[^\s\"'<>]+", body))
        doors = {url for url in urls if "/c/" in url}
        assert len(doors) >= len(mail_samples.PAPERS)
        assert all(re.fullmatch(rf"https://papers\.example\.org/c/{token}/\d+/[pfch]", url) for url in doors)
        assert any("/u/" in url for url in urls - doors)  # leaving and preferences never go by way of it
        assert any("/d/" in url for url in urls - doors)


@pytest.mark.usefixtures("tracking")
def test_the_mails_of_all_others_are_byte_for_byte_as_without_tracking(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: "ab" * size)
    edition = mail_samples.make_edition()
    recipient = mail_samples.make_recipient(edition)
    with_tracking = Composer(mail_compile.compile_edition(edition, now=NOON), mail_samples.IDENTITY).compose(recipient)
    settings.CLICK_TRACKING = False
    compiled = mail_compile.compile_edition(edition, now=NOON)
    assert "/c/" not in json.dumps(compiled)
    assert Composer(compiled, mail_samples.IDENTITY).compose(recipient) == with_tracking


@pytest.mark.parametrize(("is_on", "agrees"), [(True, True), (True, False), (False, True)])
def test_only_who_agreed_is_sent_such_links_and_only_while_it_is_on(settings: Any, is_on: bool, agrees: bool) -> None:
    settings.CLICK_TRACKING = True
    make_edition(papers=papers(), state=Edition.State.FROZEN)
    agreeing() if agrees else make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    Delivery.objects.update(not_before=NOON, expires_at=timezone.now() + timedelta(hours=1))
    settings.CLICK_TRACKING = is_on  # an operator may switch it off with an edition under way
    transport = MemoryTransport()
    delivery.deliver(transport=transport, deadline=timezone.now() + timedelta(seconds=30))
    (message,) = transport.sent
    assert ("/c/" in bodies(message.data)["plain"]) == (is_on and agrees)


# --- the door -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tracking")
def test_the_link_leads_to_the_paper_and_is_noted_once(client: Client) -> None:
    agreeing()
    (row,) = sent()
    paper = EditionItem.objects.get(pk=row.picks[0][0]).paper
    assert opened(client, door(row)) == f"https://arxiv.org/abs/{paper.arxiv_id}"
    assert opened(client, door(row), after=timedelta(hours=2)).startswith("https://arxiv.org/")
    assert opened(client, door(row, kind="c")) == CODE
    assert opened(client, door(row, kind="f")) == paper.pdf_url
    assert list(Click.objects.order_by("kind").values_list("kind", "at")) == [
        (kind, NOON + timedelta(hours=1)) for kind in "cfp"
    ]
    assert not Verdict.objects.exists()


@pytest.mark.usefixtures("tracking")
def test_looking_without_opening_notes_nothing(client: Client) -> None:
    agreeing()
    (row,) = sent()
    for answer in (client.head(door(row)), client.get(door(row), headers={"Sec-Purpose": "prefetch"})):
        assert answer.status_code == 302
    assert client.options(door(row)).status_code == 405
    assert client.post(door(row)).status_code in {302, 405}
    assert not Click.objects.exists()


@pytest.mark.usefixtures("tracking")
def test_a_link_that_leads_nowhere_any_more_leads_to_the_paper(client: Client) -> None:
    agreeing()
    (row,) = sent()
    item = EditionItem.objects.get(pk=row.picks[0][0])
    type(item.paper).objects.update(code_url="https://evil.example/", url="javascript:alert(1)")
    assert opened(client, door(row, kind="c")) == f"https://arxiv.org/abs/{item.paper.arxiv_id}"


@pytest.mark.usefixtures("tracking")
def test_made_up_links_lead_nowhere(client: Client) -> None:
    agreeing()
    (row,) = sent()
    elsewhere = make_edition(papers=papers(1), period_on=NOON.date() - timedelta(days=1)).items.get()
    token, item = token_links.row_token(SCOPE, row.pk), row.picks[0][0]
    for path in (
        *(f"/c/{token}/{item}/x", f"/c/{token}/{elsewhere.pk}/p", f"/c/{token}/99999999/p", f"/c/{'A' * 24}/{item}/p"),
        *(f"/c/{token_links.row_token('other', row.pk)}/{item}/p", f"/c/{row.subscriber.unsubscribe_token}/{item}/p"),
    ):
        assert client.get(path).status_code == 404, path
    assert client.get(f"{door(row)}?url=https://evil.example/")["Location"].startswith("https://arxiv.org/")


@pytest.mark.usefixtures("tracking")
def test_the_answer_leaks_nothing(client: Client) -> None:
    agreeing()
    (row,) = sent()
    answer = client.get(door(row))
    assert (answer["Referrer-Policy"], answer["Cache-Control"]) == ("no-referrer", "no-store")
    assert not answer.cookies


@pytest.mark.usefixtures("tracking")
def test_after_withdrawal_leaving_or_erasure_the_link_leads_on_and_nothing_is_noted(client: Client) -> None:
    readers = [agreeing(f"{name}@example.net") for name in ("alice", "bob", "carol")]
    rows = sent()
    click_consent.withdraw(readers[0], **ACT)
    lifecycle.unsubscribe(readers[1], **ACT)
    gdpr.erase(readers[2], now=NOON, method="test")
    for row in rows:
        assert opened(client, door(row)).startswith("https://arxiv.org/")
    assert not Click.objects.exists()


def test_switched_off_the_links_of_old_mails_lead_on_and_nothing_is_noted(client: Client) -> None:
    agreeing()
    (row,) = sent()
    assert opened(client, door(row)).startswith("https://arxiv.org/")
    assert not Click.objects.exists()


# --- what counts ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tracking")
def test_what_comes_sooner_than_anybody_reads_is_kept_but_not_counted(client: Client) -> None:
    agreeing()
    (row,) = sent()
    opened(client, door(row), after=timedelta(seconds=20))
    assert Click.objects.count() == 1
    assert not Click.objects.counted().exists()
    opened(client, door(row), after=timedelta(hours=3))  # the scanner looked first, the reader later
    assert Click.objects.counted().get().at == NOON + timedelta(hours=3)


@pytest.mark.usefixtures("tracking")
def test_many_papers_in_a_second_are_a_scanner_and_one_after_the_other_a_reader(client: Client) -> None:
    agreeing("alice@example.net")
    agreeing("bob@example.net")
    fast, slow = sent(count=4)
    for place in range(4):
        opened(client, door(fast, place=place), after=timedelta(hours=1, milliseconds=200 * place))
        opened(client, door(slow, place=place), after=timedelta(hours=1, seconds=20 * place))
    assert Click.objects.count() == 8
    assert set(Click.objects.counted().values_list("delivery", flat=True)) == {slow.pk}
    assert Click.objects.counted().count() == 4


@pytest.mark.usefixtures("tracking")
def test_the_desk_shows_sums_and_only_of_enough_readers(client: Client, admin_client: Client) -> None:
    for number in range(5):
        agreeing(f"reader{number}@example.org")
    rows = sent()
    for row in rows[:2]:
        opened(client, door(row))
    opened(client, door(rows[0], kind="c"))  # the same reader, the same paper
    edition, item = rows[0].edition, rows[0].picks[0][0]
    assert openings_of(edition) == {item: 2}
    page = admin_client.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    assert "<b>2</b> opened" in page
    assert "<b>0</b> opened" in page
    click_consent.withdraw(rows[4].subscriber, **ACT)
    assert openings_of(edition) is None
    assert "opened</span>" not in admin_client.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()


# --- the reader's rights --------------------------------------------------------------------------------------------


def path_of(reader: Subscriber) -> str:
    return f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"


def test_without_tracking_the_preferences_know_nothing_of_it(client: Client) -> None:
    reader = make_reader()
    assert "counts_clicks" not in client.get(path_of(reader)).content.decode()
    assert "allowed it" not in client.get("/privacy/").content.decode()
    client.post(path_of(reader), FORM | {"counts_clicks": "on"})
    reader.refresh_from_db()
    assert reader.clicks_agreed_at is None


@pytest.mark.usefixtures("tracking")
def test_the_box_is_not_ticked_beforehand_and_consent_and_withdrawal_are_on_record(client: Client) -> None:
    reader = make_reader()
    page = client.get(path_of(reader) + "digest/").content.decode()
    assert re.search(r'<input type="checkbox" name="counts_clicks" id="id_counts_clicks">', page)
    assert "allowed it" in client.get("/privacy/").content.decode()
    client.post(path_of(reader), FORM | {"counts_clicks": "on"})
    client.post(path_of(reader), FORM | {"counts_clicks": "on"})  # said twice, recorded once
    reader.refresh_from_db()
    assert reader.clicks_agreed_at is not None
    assert 'id="id_counts_clicks" checked' in client.get(path_of(reader) + "digest/").content.decode()
    client.post(path_of(reader), FORM)
    reader.refresh_from_db()
    assert reader.clicks_agreed_at is None
    events = reader.consent_events.filter(kind__in=["counted", "uncounted"])
    assert [event.kind for event in events] == ["counted", "uncounted"]
    assert events[0].detail["words"].startswith("Count which papers I open from my emails.")


def test_a_new_confirmation_begins_without_it() -> None:
    reader = agreeing(state=Subscriber.State.UNSUBSCRIBED, left_at=NOON - timedelta(days=1))
    asked = ConsentEvent.objects.create(subscriber=reader, kind="requested", at=NOON, method="test")
    assert lifecycle.confirm(asked, preferences=None, **ACT)
    reader.refresh_from_db()
    assert reader.clicks_agreed_at is None


@pytest.mark.usefixtures("tracking")
def test_the_export_holds_what_was_noted_and_erasure_deletes_it(client: Client) -> None:
    reader = agreeing()
    (row,) = sent()
    opened(client, door(row))
    assert [click["kind"] for click in gdpr.export(reader, **ACT)["click"]] == ["p"]
    gdpr.erase(reader, now=NOON, method="test")
    assert not Click.objects.exists()


@pytest.mark.usefixtures("tracking")
def test_what_was_noted_goes_with_the_consent_and_with_time(client: Client, settings: Any) -> None:
    stays, leaves = agreeing("alice@example.net"), agreeing("bob@example.net")
    for row in sent():
        opened(client, door(row))
    click_consent.withdraw(leaves, **ACT)
    delivery.forget_details(now=NOON + timedelta(hours=2))
    assert list(Click.objects.values_list("subscriber", flat=True)) == [stays.pk]
    delivery.forget_details(now=NOON + timedelta(days=settings.RETENTION_DELIVERY_DAYS, hours=2))
    assert not Click.objects.exists()


@pytest.mark.usefixtures("tracking")
def test_opening_papers_asks_the_database_as_often_for_any_digest(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    agreeing()
    (row,) = sent(count=10)
    with django_assert_max_num_queries(8):
        client.get(door(row, place=9))


def test_a_count_that_cannot_be_kept_holds_up_nobody(client: Client, settings: Any) -> None:
    settings.CLICK_TRACKING = True
    agreeing()
    (row,) = sent()
    item = EditionItem.objects.get(pk=row.picks[0][0])
    clicks.note_click(row, item=item, kind="?", now=NOON)  # the database refuses such a row
    assert not Click.objects.exists()
    assert opened(client, door(row)).startswith("https://arxiv.org/")


def test_nobody_but_curators_sees_the_desk(client: Client) -> None:
    assert not User.objects.exists()
    edition = make_edition(papers=papers(1))
    assert client.get(f"/admin/newsletter/edition/{edition.pk}/change/").status_code == 302
