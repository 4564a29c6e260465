"""What researchers type into the search box: names without a field, Greek letters and powers, words of other boxes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from newsletter import search
from newsletter.catalogue import submissions
from newsletter.models import Paper, Submission
from newsletter.search.query import not_understood, parse, typed_words
from newsletter.search.tokens import words_of
from tests.builders import make_paper
from tests.test_listing import hrefs, parsed, text_of, titles

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def keep_up() -> None:
    search.keep_up(now=timezone.now(), deadline=timezone.now() + timedelta(minutes=1))


def found(text: str) -> list[str]:
    by_pk = Paper.objects.in_bulk([pk for pk, _score in search.find(text).papers])
    return [by_pk[pk].title for pk, _score in search.find(text).papers]


# --- signs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ways",
    [
        ("α", r"\alpha", r"$\alpha$", "alpha", "\u0391"),
        ("ε-greedy", r"\epsilon-greedy", r"$\varepsilon$-greedy", "epsilon-greedy", "ϵ-greedy"),
        ("αβ", r"\alpha\beta", "alpha beta"),
        ("x³", "x^3", "x^{3}", "$x^3$", "x3"),
        ("SP³", "SP^3", "SP^{3}", "sp3"),
        ("π₀", "π0", r"\pi_0", "pi0", "pi_0"),
        ("10⁻⁴", "10^-4", "10^{-4}"),
        ("ℝ³", r"\mathbb{R}^3", "R^3", "R3"),
        ("K₈(4, 2) = 23", "K_8(4,2)=23", "K_{8}(4,2) = 23"),
    ],
)
def test_a_sign_is_the_same_words_however_it_is_typed(ways: tuple[str, ...]) -> None:
    assert {parse(way).words for way in ways} == {tuple(words_of(ways[0]))}


def test_a_greek_letter_before_latin_ones_is_found_apart_and_together() -> None:
    assert words_of("μFlow") == ["mu", "flow", "muflow"]
    assert words_of("2π and ψππ") == ["2", "pi", "and", "psi", "pi", "pi"]
    assert words_of("διαφόρηση") == [], "a word of Greek is none of formulas"
    assert words_of("a_b and f_1") == ["a", "b", "and", "f1"]


def test_papers_are_found_by_their_signs() -> None:
    make_paper(title="μFlow: sampling", abstract="")
    make_paper(title="SP³ priors", abstract="On α decay.")
    make_paper(title="Flow of rivers", abstract="")
    keep_up()
    for text in ("μFlow", "muflow", r"\mu Flow"):
        assert found(text)[0] == "μFlow: sampling", text
    for text in ("SP^3", "sp3", "SP³", r"\alpha decay", "alpha decay", '"α decay"'):
        assert found(text)[0] == "SP³ priors", text


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def _papers() -> None:
    make_paper(title="Hers, older", authors=["Yéjin Choe", "Abel Stone"])
    make_paper(title="Hers, newer", authors=["Abel Stone", "Yejin Choe"])
    make_paper(title="Two other people", authors=["Yejin Stone", "Mina Choe"])
    make_paper(title="On Yejin and Choe in literature", authors=["Abel Quist"])
    make_paper(title="Robots in the fast lane", authors=["F. Lane"])
    keep_up()


@pytest.mark.usefixtures("_papers")
@pytest.mark.parametrize("text", ["yejin choe", "Yejin Choe", "Choe, Yejin", "choe yejin", '"Yejin Choe"'])
def test_a_name_finds_its_papers_first_and_its_words_after(text: str) -> None:
    result = search.find(text)
    assert found(text)[:2] == ["Hers, newer", "Hers, older"]
    assert result.author
    assert result.corrected == ()
    if '"' not in text:
        assert "On Yejin and Choe in literature" in found(text)[2:]


@pytest.mark.usefixtures("_papers")
def test_a_family_name_that_is_no_word_finds_its_papers() -> None:
    assert set(found("quist")) == {"On Yejin and Choe in literature"}
    assert search.find("quist").author == "quist"


@pytest.mark.usefixtures("_papers")
def test_words_that_are_no_name_and_an_initial_lead_nowhere_else() -> None:
    assert search.find("fast lane").author == ""
    assert found("fast lane")[0] == "Robots in the fast lane"
    assert search.find("robots").author == ""


@pytest.mark.usefixtures("_papers")
def test_a_name_goes_with_fields_and_exclusions() -> None:
    assert found("yejin choe -newer")[0] == "Hers, older"
    assert search.find("yejin choe before:2020").papers == ()


@pytest.mark.usefixtures("_papers")
def test_the_page_says_whose_papers_come_first_and_leads_to_all_of_theirs(client: Client) -> None:
    response = client.get("/search/?q=yejin+choe")
    assert titles(response)[:2] == ["Hers, newer", "Hers, older"]
    assert text_of(parsed(response).find(".//p[@class='search-read']")) == "Papers by yejin choe come first."
    assert "/author/yejin-choe/" in hrefs(response)


# --- what is not understood -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("diffusion OR video", ["OR"]),
        ("graphs AND (trees NOT forests)", ["AND", "NOT"]),
        ("диффузия models", ["диффузия"]),
        ("* robots", ["*"]),
        ("robots or cars, and more!", []),
        ("robots – on wheels", []),
        ("topic:robotics -OR", []),
    ],
)
def test_what_no_search_compares_is_named(text: str, words: list[str]) -> None:
    assert not_understood(text) == words


def test_words_are_told_from_fields_and_exclusions() -> None:
    assert typed_words('topic:vision "a phrase" word -gone author:"Ada Lovelace" x') == ["a phrase", "word", "x"]


def test_the_page_names_it_and_still_answers(client: Client) -> None:
    make_paper(title="Walking robots", authors=["Nora Quist"])
    keep_up()
    for text in ("robots+OR+cars", "nora+OR+quist"):
        response = client.get(f"/search/?q={text}")
        assert titles(response) == ["Walking robots"]
        assert "Not understood: OR." in " ".join(map(text_of, parsed(response).findall(".//p[@class='search-read']")))
    nothing = client.get("/search/?q=qwxzv+OR+blorpt").content.decode()
    assert "No papers found." in nothing
    assert "Not understood" in nothing


# --- a paper we do not have -------------------------------------------------------------------------------------------

MISSING = "2601.01234"


@pytest.fixture
def _arxiv(settings: object) -> None:
    settings.SOURCES = ["arxiv_query"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("_arxiv")
def test_a_visitor_may_suggest_a_paper_we_do_not_have_and_a_curator_decides(client: Client) -> None:
    page = parsed(client.get(f"/search/?q=arXiv:{MISSING}v2"))
    form = page.find(".//form[@method='post']")
    value = form.find("input[@name='q']").attrib["value"]

    answer = client.post(form.attrib["action"], {"q": value})

    assert answer.status_code == 303
    assert "Thank you. A curator will look" in client.get(answer.headers["Location"]).content.decode()
    waiting = Submission.objects.get()
    assert (waiting.arxiv_id, waiting.state, waiting.subscriber) == (MISSING, Submission.State.WAITING, None)
    assert not Submission.objects.wanted().exists(), "nothing is fetched before a curator says so"
    again = client.post("/search/suggest/", {"q": MISSING})
    assert "Somebody has already suggested" in client.get(again.headers["Location"]).content.decode()
    assert Submission.objects.count() == 1


@pytest.mark.usefixtures("_arxiv")
def test_what_curators_hid_or_declined_is_not_asked_again() -> None:
    now = timezone.now()
    make_paper(arxiv_id="2601.00001", is_hidden=True)
    Submission.objects.create(
        arxiv_id=MISSING, state="declined", at=now, decided_at=now, link=MISSING, note="Not about research."
    )
    assert submissions.suggest("2601.00001", client="192.0.2.1", now=now) == "hidden"
    assert submissions.suggest(MISSING, client="192.0.2.1", now=now) == "declined"
    assert submissions.suggest("9912.99999", client="192.0.2.1", now=now) == "impossible"


@pytest.mark.usefixtures("_arxiv")
def test_a_network_and_everybody_have_limits_and_a_refusal_stores_nothing() -> None:
    now = timezone.now()
    answers = [submissions.suggest(f"2601.1{n:04d}", client="192.0.2.1", now=now) for n in range(7)]
    assert answers == ["taken"] * 5 + ["enough"] * 2
    others = [submissions.suggest(f"2601.2{n:04d}", client=f"198.51.{n}.1", now=now) for n in range(60)]
    assert others.count("taken") == 45
    assert Submission.objects.count() == 50


@pytest.mark.usefixtures("_arxiv")
@pytest.mark.parametrize("data", [{}, {"q": "robots"}, {"q": "<script>"}, {"q": "x" * 5000}])
def test_what_is_no_identifier_is_not_taken(client: Client, data: dict[str, str]) -> None:
    assert client.post("/search/suggest/", data).status_code == 404
    assert client.get("/search/suggest/").status_code == 405


def test_where_arxiv_is_no_source_nothing_is_offered(client: Client, settings: object) -> None:
    settings.SOURCES = ["hf_daily"]  # type: ignore[attr-defined]
    assert parsed(client.get(f"/search/?q={MISSING}")).find(".//form[@method='post']//button") is None
    assert client.post("/search/suggest/", {"q": MISSING}).status_code == 404


# --- the API ----------------------------------------------------------------------------------------------------------


def test_programs_page_through_all_that_was_found(client: Client) -> None:
    papers = {make_paper(title=f"Walking robots, part {n}").pk for n in range(23)}
    keep_up()
    address, ids, pages = "/api/v1/search/?q=robots&limit=10", [], 0
    while address:
        response = client.get(address)
        body = response.json()
        ids += [each["paper"]["id"] for each in body["papers"]]
        assert body["found"] == 23
        assert (body["next"] is None) == ("Link" not in response.headers)
        address, pages = (
            (body["next"] or "").partition("/api/")[2] and "/api/" + body["next"].partition("/api/")[2],
            pages + 1,
        )
    assert (pages, len(ids), set(ids)) == (3, 23, papers)
    for cursor in ("x", "WyJvdGhlciIsMTBd", "WyJzZWFyY2giLC0xMF0x"):
        assert client.get(f"/api/v1/search/?q=robots&cursor={cursor}").status_code == 422
    assert client.get("/api/v1/search/?q=robots&cursor=WyJzZWFyY2giLC0xMF0").json()["papers"]


@pytest.mark.usefixtures("_papers")
def test_programs_are_told_who_was_meant_and_what_was_not_understood(client: Client) -> None:
    body = client.get("/api/v1/search/?q=yejin+choe").json()
    assert (body["author"], body["ignored"]) == ("yejin choe", [])
    assert client.get("/api/v1/search/?q=robots+OR+cars").json()["ignored"] == ["OR"]
