"""From a search, a paper or a topic to a follow by mail: for strangers on their request, for readers by their link."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from newsletter import search
from subscriptions import token_links
from subscriptions.models import ConsentEvent, Follow, Notice, Subscriber
from tests.builders import NOON, assign, make_paper, make_reader

pytestmark = pytest.mark.django_db
QUIST = 'author:"Nora Quist"'
IN_A_LINK = "author%3A%22Nora%20Quist%22"


def sign_up(client: Client, email: str, **data: str) -> None:
    answer = client.post("/subscribe/", {"email": email, **data})
    assert (answer.status_code, answer["Location"]) == (303, "/subscribe/sent/")


def confirm_page(reader: Subscriber) -> str:
    asked = reader.consent_events.get(kind=ConsentEvent.Kind.REQUESTED)
    return token_links.confirm_url(asked.pk, now=timezone.now()).removeprefix("http://localhost:8000")


def page_of(reader: Subscriber) -> str:
    return f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"


def text_of(client: Client, address: str) -> str:
    return html.unescape(client.get(address).content.decode())


def test_a_search_leads_to_the_sign_up_form_with_the_query_and_what_it_would_have_brought(client: Client) -> None:
    now = timezone.now()
    make_paper(title="A walk", authors=["Nora Quist"], first_seen_at=now - timedelta(days=2))
    search.keep_up(now=now, deadline=now + timedelta(minutes=5))
    page = client.get("/search/", {"q": QUIST}).content.decode()
    address = f"/subscribe/?follow={IN_A_LINK}"
    assert f'href="{address}"' in page
    form = text_of(client, address)
    assert f'name="follow" maxlength="300" autocomplete="off" aria-describedby="follow-hint" value="{QUIST}"' in form
    assert "1 paper in the last 30 days, about 0.2 a week." in form
    assert "A walk" in form
    assert "Follow this by mail" not in text_of(client, "/search/")
    assert "Follow this by mail" not in text_of(client, "/search/?q=topic:nowhere")


def test_what_a_stranger_wants_to_follow_waits_on_the_request_until_it_is_confirmed(client: Client) -> None:
    sign_up(client, "alice@lovelace.example", follow=QUIST)
    alice = Subscriber.objects.get()
    assert not Follow.objects.exists()
    address = confirm_page(alice)
    page = text_of(client, address)
    assert f'name="follows" value="{QUIST}" checked' in page
    client.post(address, {"topics_shown": "1", "follows": [QUIST, "never asked"]})
    assert not Follow.objects.exists(), "that was not asked"
    client.post(address, {"topics_shown": "1", "follows": [QUIST]})
    assert [(one.subscriber, one.text, one.stance) for one in Follow.objects.all()] == [(alice, QUIST, "follow")]
    confirmed = alice.consent_events.get(kind=ConsentEvent.Kind.CONFIRMED)
    assert confirmed.detail["wishes"]["follows"] == {QUIST: "follow"}


def test_the_mailboxs_owner_unticks_what_somebody_else_asked_for(client: Client) -> None:
    sign_up(client, "alice@lovelace.example", follow=QUIST)
    client.post(confirm_page(Subscriber.objects.get()), {"topics_shown": "1"})
    assert Subscriber.objects.get().state == Subscriber.State.CONFIRMED
    assert not Follow.objects.exists()


def test_confirming_without_the_form_follows_what_was_asked(client: Client) -> None:
    sign_up(client, "alice@lovelace.example", follow=QUIST)
    client.post(confirm_page(Subscriber.objects.get()))
    assert Follow.objects.get().text == QUIST


def test_a_query_that_cannot_be_followed_is_told_at_sign_up(client: Client) -> None:
    page = client.post("/subscribe/", {"email": "alice@lovelace.example", "follow": "-image"}).content.decode()
    assert "This only says what to leave out." in page
    assert not Subscriber.objects.exists()
    assert "This only says what to leave out." in text_of(client, "/subscribe/?follow=-image")


def test_a_reader_is_offered_what_was_asked_with_their_address_and_nothing_changes_before(client: Client) -> None:
    alice = make_reader("alice@lovelace.example", next_due_at=NOON)
    sign_up(client, "alice@lovelace.example", follow=QUIST)
    sign_up(client, "alice@lovelace.example", follow="planners")
    notice = Notice.objects.get(subscriber=alice)
    assert notice.kind == Notice.Kind.ALREADY, "one mail an hour, and its link leads to both"
    assert not Follow.objects.exists()
    page = text_of(client, page_of(alice))
    for query in (QUIST, "planners"):
        assert f'<input type="hidden" name="q" value="{query}">' in page
    client.post(page_of(alice), {"action": "follow", "q": QUIST})
    assert Follow.objects.get().text == QUIST
    page = text_of(client, page_of(alice))
    assert f'<input type="hidden" name="q" value="{QUIST}">' not in page
    assert '<input type="hidden" name="q" value="planners">' in page


def test_a_paper_links_its_authors_to_their_pages_and_offers_the_first_and_the_last_to_follow(client: Client) -> None:
    paper = make_paper(authors=["Nora Quist", "Rui <b> Song", "Ada Lovelace"])
    page = client.get(paper.get_absolute_url()).content.decode()
    assert '<a href="/author/nora-quist/">Nora Quist</a>' in page
    assert '<a href="/author/rui-b-song/">Rui &lt;b&gt; Song</a>' in page
    assert page.count("/subscribe/?follow=author:") == 2
    assert client.get("/subscribe/?follow=author:%22Ada%20Lovelace%22").status_code == 200


def test_a_topic_is_followed_by_its_box_ticked(client: Client) -> None:
    assign(make_paper(), "robotics")
    page = client.get("/topic/robotics/").content.decode()
    assert 'href="/subscribe/?topics=robotics"' in page
    form = client.get("/subscribe/?topics=robotics&topics=nowhere").content.decode()
    assert form.count('name="topics" value="robotics"') == 1
    assert 'value="robotics" checked' in form
