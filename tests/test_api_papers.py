"""Handing papers in by API: with a key that may, once however often, and never straight into anybody's digest."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from newsletter.api import request_checks as gateway
from newsletter.api import schemas, submissions
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.submissions import decline
from newsletter.editions import lifecycle
from newsletter.models import Edition, Paper, Sighting, Submission
from newsletter.ranking import update_trend_scores
from subscriptions.models import ApiKey, Subscriber
from tests.builders import NOON, make_edition, make_paper

pytestmark = pytest.mark.django_db

URL = "/api/v1/papers/"
ARXIV_ID = "2603.01234"
WHOLE = {
    "title": "Whispered speech from afar",
    "abstract": "We listen to whispers from across the room. It works.",
    "url": "https://proceedings.example.org/whispers",
    "authors": ["Ada Lovelace", " Alan  Turing "],
    "code_url": "https://github.com/a/b",
    "published_on": "2026-03-17",
}


def new_key(name: str = "lab", *scopes: str) -> str:
    out = StringIO()
    call_command("create_api_key", name, scope=list(scopes) or ["papers:write"], stdout=out)
    return out.getvalue().strip()


@pytest.fixture
def key() -> str:
    gateway.reads.clear()
    return new_key()


def post(key: str, body: Any, *, status: int = 200) -> Any:
    with time_machine.travel(NOON, tick=False):
        answer = Client().post(
            URL, json.dumps(body), content_type="application/json", headers={"authorization": f"Bearer {key}"}
        )
    assert answer.status_code == status, answer.content
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


# --- what comes of it -------------------------------------------------------------------------------------------------


def test_a_paper_with_words_enters_the_catalogue(key: str) -> None:
    told = post(key, WHOLE, status=201)
    assert schemas.Submitted.model_validate(told)
    paper = Paper.objects.get()
    assert (told["state"], told["paper"]["id"], told["paper"]["title"]) == ("added", paper.pk, WHOLE["title"])
    assert (paper.authors, paper.code_url) == (["Ada Lovelace", "Alan Turing"], "https://github.com/a/b")
    assert (paper.url, str(paper.published_on), paper.listed_on) == (WHOLE["url"], "2026-03-17", None)
    assert Client().get(f"/paper/{paper.pk}/").status_code == 200
    assert Sighting.objects.get().source == "api"


@pytest.mark.parametrize("body", [WHOLE, WHOLE | {"arxiv_id": ARXIV_ID}])
def test_the_same_paper_sent_again_is_the_same_row(key: str, body: dict[str, Any]) -> None:
    first = post(key, body, status=201)
    again = post(key, body | {"title": "  WHISPERED speech, from afar "}, status=200)
    assert (again["state"], again["paper"]["id"]) == ("known", first["paper"]["id"])
    assert Paper.objects.count() == 1


def test_a_paper_that_was_here_is_found_and_what_others_said_of_it_stays(key: str) -> None:
    paper = make_paper(arxiv_id=ARXIV_ID, title="Whispers", abstract="Their own words.", code_url="")
    Sighting.objects.create(paper=paper, source="arxiv_query", key=ARXIV_ID, seen_at=NOON)
    told = post(key, WHOLE | {"arxiv_id": f"https://arxiv.org/abs/{ARXIV_ID}v2"}, status=200)
    assert (told["state"], told["paper"]["id"]) == ("known", paper.pk)
    paper.refresh_from_db()
    assert (paper.title, paper.abstract) == ("Whispers", "Their own words.")
    assert paper.code_url == ""  # not even a gap is filled
    assert Sighting.objects.get(source="api").api_key == ApiKey.objects.get()
    assert post(key, {"arxiv_id": ARXIV_ID}, status=200)["paper"]["id"] == paper.pk


def test_it_never_trends_and_enters_no_draft_until_a_source_that_counts_has_seen_it(key: str) -> None:
    post(key, WHOLE | {"arxiv_id": ARXIV_ID}, status=201)
    edition = make_edition(state=Edition.State.DRAFT, cutoff_at=NOON)
    assert update_trend_scores.score_papers(now=NOON) == 0
    assert lifecycle.candidates(edition) == []
    seen = Observation(
        source="hf_daily", key=ARXIV_ID, arxiv_id=ARXIV_ID, title=WHOLE["title"], metrics={"upvotes": 3}, seen_at=NOON
    )
    ingest([seen], now=NOON)
    assert update_trend_scores.score_papers(now=NOON) == 1
    assert lifecycle.candidates(edition) == [Paper.objects.get()]


EVIL = {"title": "x takes over", "abstract": "y", "code_url": "https://evil.example/steal"}


def test_no_key_puts_a_link_or_an_identifier_on_a_paper_that_others_brought(key: str) -> None:
    known = make_paper(arxiv_id=ARXIV_ID, title="Adam", code_url="", project_url="")
    ingest([Observation(source="listing_page", key="x", title="A paper without an identifier, in a listing")], now=NOON)
    nameless = Paper.objects.get(arxiv_id=None)
    post(key, EVIL | {"arxiv_id": ARXIV_ID}, status=200)
    post(key, WHOLE | {"title": nameless.title, "arxiv_id": "2603.09999"}, status=200)
    for paper in (known, nameless):
        before = (paper.title, paper.code_url, paper.url, paper.arxiv_id, paper.abstract)
        paper.refresh_from_db()
        assert (paper.title, paper.code_url, paper.url, paper.arxiv_id, paper.abstract) == before


def test_a_key_adds_to_what_it_brought_and_another_key_does_not(key: str) -> None:
    bare = {name: value for name, value in WHOLE.items() if name != "code_url"}
    post(key, bare, status=201)
    other = new_key("other lab")
    post(other, WHOLE | {"code_url": "https://evil.example/steal"}, status=200)
    assert Paper.objects.get().code_url == ""
    assert {one.api_key.name for one in Sighting.objects.all() if one.api_key} == {"lab", "other lab"}
    Sighting.objects.filter(api_key__name="other lab").delete()
    post(key, WHOLE, status=200)
    assert Paper.objects.get().code_url == WHOLE["code_url"]
    assert Paper.objects.get().said_by["code_url"] == f"api:{ApiKey.objects.get(name='lab').pk}"


def test_an_identifier_guessed_before_arxiv_gives_it_out_leaves_no_link_behind(key: str) -> None:
    post(key, EVIL | {"arxiv_id": ARXIV_ID}, status=201)
    theirs = Observation(source="arxiv_query", key=ARXIV_ID, arxiv_id=ARXIV_ID, title="Deep learning of ducks")
    ingest([theirs], now=NOON)
    paper = Paper.objects.get()
    assert (paper.title, paper.code_url, paper.abstract) == ("Deep learning of ducks", "", "")
    assert "api" not in str(paper.said_by)


def test_a_link_of_the_paper_it_was_meant_for_stays_with_the_name_of_who_said_it(key: str) -> None:
    post(key, WHOLE | {"arxiv_id": ARXIV_ID}, status=201)
    ingest([Observation(source="arxiv_query", key=ARXIV_ID, arxiv_id=ARXIV_ID, title=WHOLE["title"])], now=NOON)
    paper = Paper.objects.get()
    assert paper.code_url == WHOLE["code_url"]
    assert paper.said_by["code_url"].startswith("api:")
    assert paper.said_by["title"] == "arxiv_query" or paper.said_by["title"].startswith("api:")


def test_curators_see_what_a_key_brought_and_take_it_back(key: str, admin_client: Client) -> None:
    post(key, WHOLE, status=201)
    post(key, WHOLE | {"title": "Another one that arXiv has", "arxiv_id": ARXIV_ID}, status=201)
    seen = Observation(source="arxiv_query", key=ARXIV_ID, arxiv_id=ARXIV_ID, title="Another one that arXiv has")
    ingest([seen], now=NOON)
    untouched = make_paper(code_url="https://github.com/c/d")
    changelist = "/admin/newsletter/paper/"
    by_key = f"{changelist}?api_key={ApiKey.objects.get().pk}"
    listed = admin_client.get(by_key).content.decode()
    assert WHOLE["title"] in listed
    assert untouched.title not in listed
    one = Paper.objects.get(title=WHOLE["title"])
    assert "API: lab" in admin_client.get(f"{changelist}{one.pk}/change/").content.decode()
    rows = {"action": "take_back", "_selected_action": list(Paper.objects.values_list("pk", flat=True))}
    admin_client.post(changelist, rows)
    states = {paper.title: (paper.code_url, paper.is_hidden) for paper in Paper.objects.all()}
    assert states == {
        WHOLE["title"]: ("", True),
        "Another one that arXiv has": ("", False),
        untouched.title: ("https://github.com/c/d", False),
    }


@pytest.mark.parametrize("more", [{}, WHOLE])
def test_what_a_curator_declined_stays_declined_for_programs(
    key: str, settings: Settings, more: dict[str, Any]
) -> None:
    settings.SOURCES = ["arxiv_query"]
    post(key, {"arxiv_id": ARXIV_ID}, status=202)
    decline(list(Submission.objects.values_list("pk", flat=True)), reason="It is an advertisement.", by=None, now=NOON)
    told = post(key, more | {"arxiv_id": ARXIV_ID}, status=200)
    assert (told["state"], told["paper"]) == ("declined", None)
    assert "It is an advertisement." in told["message"]
    assert Submission.objects.count() == 1
    assert not Paper.objects.exists()
    Submission.objects.update(decided_at=NOON - timedelta(days=31))
    assert post(key, {"arxiv_id": ARXIV_ID}, status=202)["state"] == "waiting"


def test_an_identifier_alone_waits_for_a_curator(key: str, settings: Settings) -> None:
    settings.SOURCES = ["arxiv_query"]
    for _ in range(2):
        told = post(key, {"arxiv_id": f"arXiv:{ARXIV_ID}v3"}, status=202)
        assert (told["state"], told["paper"]) == ("waiting", None)
    waiting = Submission.objects.get()
    assert (waiting.arxiv_id, waiting.state, waiting.subscriber) == (ARXIV_ID, "waiting", None)
    assert waiting.link == f"arXiv:{ARXIV_ID} (API: lab)"
    assert not Paper.objects.exists()


def test_an_identifier_alone_is_refused_where_arxiv_is_not_asked(key: str, settings: Settings) -> None:
    settings.SOURCES = []
    assert post(key, {"arxiv_id": ARXIV_ID}, status=422) == {"message": submissions.NOT_ASKED}
    assert not Submission.objects.exists()


def test_a_merged_paper_is_told_as_the_one_it_became_and_a_hidden_one_not_at_all(key: str) -> None:
    survivor = make_paper()
    make_paper(arxiv_id=ARXIV_ID, merged_into=survivor)
    assert post(key, {"arxiv_id": ARXIV_ID}, status=200)["paper"]["id"] == survivor.pk
    Paper.objects.filter(pk=survivor.pk).update(is_hidden=True)
    told = post(key, {"arxiv_id": ARXIV_ID}, status=200)
    assert (told["paper"], told["message"]) == (None, submissions.MESSAGES["hidden"])


def test_hostile_text_stays_text(key: str) -> None:
    told = post(key, WHOLE | {"title": "<script>alert(1)</script> \u202eof\x00 $x^2$"}, status=201)
    page = Client().get(f"/paper/{told['paper']['id']}/").content.decode()
    assert "<script>alert(1)" not in page
    assert not {"\x00", "\u202e"} & set(told["paper"]["title"])


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": 7}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"abstract": " \u200b"}, "abstract"),
        ({"abstract": "x" * 10_001}, "abstract"),
        ({"url": ""}, "url"),
        *(({"url": bad}, "url") for bad in ["javascript:alert(1)", "https://127.0.0.1/x", "https://localhost/", "x"]),
        ({"code_url": "https://10.0.0.1/"}, "code_url"),
        *(({"arxiv_id": bad}, "arxiv_id") for bad in ["nonsense", "9999.99999", "2613.01234", ["2603.01234"], None]),
        *(({"published_on": bad}, "published_on") for bad in ["2026-03-19", "yesterday", 0, "2026-02-30"]),
        ({"authors": "Ada"}, "authors"),
        ({"authors": ["x"] * 201}, "authors"),
        ({"score": 5}, ""),
        ({"upvotes": 5}, ""),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(key: str, over: dict[str, Any], field: str) -> None:
    assert post(key, WHOLE | over, status=422) == {"message": submissions.WHAT_TO_SEND[field]}
    assert not Paper.objects.exists()


@pytest.mark.parametrize("body", [{}, {"arxiv_id": ""}, [], None, "x"])
def test_what_names_no_paper_is_refused(key: str, body: Any) -> None:
    assert post(key, body, status=422)["message"] in {submissions.WHAT_TO_SEND["title"], submissions.WHAT_TO_SEND[""]}


def test_a_big_body_is_not_read(key: str) -> None:
    assert post(key, WHOLE | {"abstract": "x" * 20_000}, status=413) == {"message": "Send at most 16384 bytes."}


# --- who may ----------------------------------------------------------------------------------------------------------


def test_a_key_does_what_its_scopes_say_and_nothing_else(key: str) -> None:
    readers, both = new_key("site", "subscribers:write"), new_key("both", "papers:write", "subscribers:write")
    assert "papers:write" in post(readers, WHOLE, status=403)["message"]
    assert not Paper.objects.exists()
    post(both, WHOLE, status=201)
    codes = [
        Client()
        .post(
            "/api/v1/subscribers/",
            {"email": "bob@example.net"},
            content_type="application/json",
            headers={"authorization": f"Bearer {one}"},
        )
        .status_code
        for one in (key, readers, both)
    ]
    assert codes == [403, 202, 202]
    assert Subscriber.objects.count() == 1


def test_a_key_without_a_word_about_it_signs_readers_up_as_ever() -> None:
    call_command("create_api_key", "old", stdout=StringIO())
    assert ApiKey.objects.get().scopes == ["subscribers:write"]
    with pytest.raises(CommandError):
        call_command("create_api_key", "other", "--scope", "everything:write", stdout=StringIO())


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer pb_nonsense", "Basic x"])
def test_without_a_valid_key_nothing_is_taken(header: str) -> None:
    answer = Client().post(
        URL, json.dumps(WHOLE), content_type="application/json", headers={"authorization": header} if header else {}
    )
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert not Paper.objects.exists()


def test_a_revoked_key_is_refused_and_requests_are_counted(key: str, settings: Settings) -> None:
    settings.SIGNUPS_PER_API_KEY_AND_HOUR = 1
    post(key, {}, status=422)
    assert "Wait" in post(key, WHOLE, status=429)["message"]
    ApiKey.objects.all().revoke(now=NOON)
    post(key, WHOLE, status=401)
