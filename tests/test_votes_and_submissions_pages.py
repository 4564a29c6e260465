"""A reader's own view of the week: votes, papers handed in, and who may not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from newsletter import planning
from newsletter.catalogue import submissions
from newsletter.delivery.compose_message import SCOPE
from newsletter.models import Delivery, Edition, Paper, Submission, Verdict, Vote
from subscriptions import gdpr, token_links
from subscriptions.log_redaction import redact
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _arxiv_is_asked(settings: Settings) -> None:
    settings.SOURCES = ["arxiv_query"]


def page_of(reader: Subscriber) -> str:
    return f"/r/{token_links.manage_token(reader, now=timezone.now())}/papers/"


def text(client: Client, address: str, *, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_week_is_shown_with_a_vote_for_each_paper(client: Client) -> None:
    make_paper(title="A fresh one")
    make_paper(title="Six days ago", listed_on=NOON.date() - timedelta(days=6))
    make_paper(title="Long gone", listed_on=NOON.date() - timedelta(days=7))
    make_paper(title="Kept out", is_hidden=True)
    page = text(client, page_of(make_reader()))
    assert "A fresh one" in page
    assert "Six days ago" in page
    assert "Long gone" not in page
    assert "Kept out" not in page
    assert page.count('value="vote"') == 2


def test_a_vote_is_given_shown_and_taken_back(client: Client) -> None:
    reader, paper = make_reader(), make_paper()
    address = page_of(reader)
    answer = client.post(address, {"action": "vote", "paper": paper.pk})
    assert (answer.status_code, answer["Location"]) == (303, f"{address}#paper-{paper.pk}")
    assert Vote.objects.get().paper == paper
    assert "You upvoted this paper." in text(client, address)
    assert paper.title in text(client, f"{address}?show=voted")
    client.post(address, {"action": "unvote", "paper": paper.pk})
    assert not Vote.objects.exists()
    assert "You have not voted yet." in text(client, f"{address}?show=voted")


def test_my_topics_are_those_the_reader_follows(client: Client) -> None:
    assign(make_paper(title="Seen"), "vision")
    assign(make_paper(title="Heard"), "speech-audio")
    page = text(client, f"{page_of(make_reader(follows=('vision',)))}?show=mine")
    assert "Seen" in page
    assert "Heard" not in page


def test_looking_changes_nothing_and_leaks_nothing(client: Client) -> None:
    make_paper()
    address = page_of(make_reader())
    for method in (client.get, client.head):
        answer = method(address)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Robots-Tag"] == "noindex"
        assert not answer.cookies
    assert not Vote.objects.exists()
    assert redact(f"GET {address} 200") == "GET /r/…/papers/ 200"


def test_an_old_link_offers_a_new_one(client: Client) -> None:
    reader = make_reader()
    old = f"/r/{token_links.manage_token(reader, now=timezone.now() - timedelta(hours=25))}/papers/"
    assert "/preferences/" in text(client, old, status=410)
    paper = make_paper()
    assert client.post(old, {"action": "vote", "paper": paper.pk}).status_code == 410
    assert not Vote.objects.exists()


def test_no_other_link_opens_it(client: Client) -> None:
    reader = make_reader()
    for token in ("x", token_links.confirm_token(1, now=timezone.now()), reader.unsubscribe_token):
        text(client, f"/r/{token}/papers/", status=410)
    address = page_of(reader)
    gdpr.erase(reader, now=timezone.now(), method="test")
    text(client, address, status=410)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("pending", "confirm your address first"),
        ("unsubscribed", "You have unsubscribed"),
        ("suppressed", "can no longer send to"),
    ],
)
def test_who_may_not_take_part_is_told_why(client: Client, state: str, why: str) -> None:
    reader, paper = make_reader(state=state), make_paper()
    page = text(client, page_of(reader))
    assert why in page
    assert 'value="vote"' not in page
    assert 'value="submit"' not in page
    assert client.post(page_of(reader), {"action": "vote", "paper": paper.pk}).status_code == 403
    assert client.post(page_of(reader), {"action": "submit", "link": "2403.01234"}).status_code == 403
    assert not Vote.objects.exists()
    assert not Submission.objects.exists()


@pytest.mark.parametrize("paper", ["", "0", "x", "9" * 40, "²", "-1", "1\0"])
def test_nonsense_changes_nothing(client: Client, paper: str) -> None:
    assert client.post(page_of(make_reader()), {"action": "vote", "paper": paper}).status_code == 303
    assert not Vote.objects.exists()


def test_a_vote_that_is_not_taken_says_so(client: Client) -> None:
    address = page_of(make_reader())
    answer = client.post(address, {"action": "vote", "paper": make_paper(is_hidden=True).pk}, follow=True)
    assert "Your vote was not counted" in answer.content.decode()


def test_a_withdrawn_paper_has_no_button(client: Client) -> None:
    make_paper(withdrawn_at=NOON)
    assert 'value="vote"' not in text(client, page_of(make_reader()))


def test_the_page_costs_the_same_however_many_papers_it_shows(client: Client) -> None:
    address = page_of(make_reader())

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            text(client, address)
        return len(queries)

    assign(make_paper(), "vision")
    few = cost()
    for _ in range(20):
        assign(make_paper(), "vision", "generation")
    assert cost() == few


def test_the_preferences_page_leads_here_and_only_active_readers(client: Client) -> None:
    reader = make_reader()
    token = token_links.manage_token(reader, now=timezone.now())
    assert f'href="/r/{token}/papers/"' in text(client, f"/preferences/{token}/")
    Subscriber.objects.filter(pk=reader.pk).update(state="unsubscribed")
    assert "/papers/" not in text(client, f"/preferences/{token}/")


def test_public_pages_show_the_number_and_nobody(client: Client) -> None:
    paper = make_paper()
    Paper.objects.filter(pk=paper.pk).update(reader_votes=5)
    for address, words in ((f"/paper/{paper.pk}/", "Our readers' votes</dt><dd>5<"), ("/", "5 readers' votes")):
        answer = client.get(address)
        assert words in answer.content.decode()
        assert 'value="vote"' not in answer.content.decode()
        assert not answer.cookies


# --- handing in -----------------------------------------------------------------------------------------------------


def hand_in(client: Client, reader: Subscriber, link: str) -> str:
    answer = client.post(page_of(reader), {"action": "submit", "link": link}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_link_is_handed_in_and_its_way_is_told(client: Client) -> None:
    reader = make_reader()
    page = hand_in(client, reader, "https://arxiv.org/abs/2403.01234v2")
    assert "Thank you. A curator will look at it" in page
    assert "waiting for a curator</span>" in " ".join(page.split()).replace(" </span>", "</span>")
    submission = Submission.objects.get()
    submissions.accept([submission.pk], by=None, now=NOON)
    assert "being fetched from arXiv" in text(client, page_of(reader))
    make_paper(arxiv_id="2403.01234", title="Found at last")
    submissions.settle(now=NOON)
    page = text(client, page_of(reader))
    assert "accepted and listed" in page
    assert "Found at last" in page


def test_a_curators_reason_is_told(client: Client) -> None:
    reader = make_reader()
    hand_in(client, reader, "2403.01234")
    submissions.decline(
        Submission.objects.values_list("pk", flat=True), reason="Not <b>research</b>.", by=None, now=NOON
    )
    assert "declined: Not &lt;b&gt;research&lt;/b&gt;." in text(client, page_of(reader))


def test_a_paper_we_have_is_offered_for_a_vote(client: Client) -> None:
    reader, paper = make_reader(), make_paper(arxiv_id="2403.01234", title="Known", listed_on=None)
    page = hand_in(client, reader, "arxiv.org/abs/2403.01234")
    assert "This paper is already listed" in page
    assert f'id="paper-{paper.pk}"' in page
    assert not Submission.objects.exists()


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("hello", "This is not a link to a paper on arXiv"),
        ("", "This is not a link to a paper on arXiv"),
        ("2413.01234", "This arXiv number does not exist"),
        ("<script>alert(1)</script>", "This is not a link to a paper on arXiv"),
    ],
)
def test_what_cannot_be_taken_gets_a_sentence_and_stays_in_the_field(client: Client, link: str, words: str) -> None:
    page = hand_in(client, make_reader(), link)
    assert words in page
    assert "<script>alert" not in page
    assert not Submission.objects.exists()


def test_a_second_reader_is_told_that_it_waits(client: Client) -> None:
    hand_in(client, make_reader(), "2403.01234")
    assert "Someone has already suggested this paper" in hand_in(client, make_reader(), "2403.01234")


def test_a_site_that_does_not_ask_arxiv_takes_nothing(client: Client, settings: Settings) -> None:
    settings.SOURCES = []
    reader = make_reader()
    page = text(client, page_of(reader))
    assert 'value="submit"' not in page
    assert "Suggestions are closed" in page
    hand_in(client, reader, "2403.01234")
    assert not Submission.objects.exists()


# --- the digest -----------------------------------------------------------------------------------------------------


@pytest.fixture
def row() -> Delivery:
    papers = [assign(make_paper(score_daily=2.0), "vision")]
    make_edition(papers=papers, state=Edition.State.FROZEN)
    make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    Delivery.objects.update(due_at=timezone.now())
    return Delivery.objects.get()


def address(row: Delivery) -> str:
    return f"/d/{token_links.row_token(SCOPE, row.pk)}/{row.picks[0][0]}"


def test_a_digest_takes_a_vote_beside_the_verdict_and_gives_it_back(client: Client, row: Delivery) -> None:
    page = text(client, address(row))
    assert "An upvote counts for everybody and is anonymous." in page
    client.post(address(row), {"word": "vote"})
    assert Vote.objects.get().subscriber == row.subscriber
    assert not Verdict.objects.exists()
    assert "You upvoted this paper." in text(client, address(row))
    client.post(address(row), {"word": "unvote"})
    assert not Vote.objects.exists()


def test_the_digest_of_somebody_who_left_takes_no_vote(client: Client, row: Delivery) -> None:
    Subscriber.objects.update(state="unsubscribed", left_at=NOON)
    assert "Only subscribed readers can upvote." in text(client, address(row))
    client.post(address(row), {"word": "vote"})
    assert not Vote.objects.exists()


def test_a_paper_merged_since_shows_the_vote_for_its_other_name(client: Client, row: Delivery) -> None:
    kept = make_paper()
    Paper.objects.filter(edition_items__pk=row.picks[0][0]).update(merged_into=kept)
    client.post(address(row), {"word": "vote"})
    assert Vote.objects.get().paper == kept
    assert "You upvoted this paper." in text(client, address(row))
