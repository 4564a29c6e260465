"""Links of papers are asked once, politely, whether they answer; forges for licence and stars."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from newsletter import tasks
from newsletter.catalogue import check_links
from newsletter.catalogue.http_client import FetchPolicy
from newsletter.management.commands import work
from newsletter.models import Paper, PaperLink, SourceHost
from tests.builders import NOON, make_paper
from tests.replay import Replay, Reply, replaying

pytestmark = pytest.mark.django_db
LOCAL = FetchPolicy(scheme="http", public_only=False)
FAR = datetime(2100, 1, 1, tzinfo=NOON.tzinfo)
GITHUB, HUB = "https://github.com/meadow/sheep", "https://huggingface.co/"

# The documented shapes, cut down to what stands around the fields that are read.
GITHUB_ANSWER = {
    "id": 1296269,
    "full_name": "meadow/sheep",
    "private": False,
    "stargazers_count": 80,
    "archived": False,
    "license": {"key": "mit", "name": "MIT License", "spdx_id": "MIT", "url": "https://api.github.com/licenses/mit"},
}
MODEL_ANSWER = {
    "id": "meadow/sheep-7b",
    "private": False,
    "gated": False,
    "likes": 12,
    "downloads": 4000,
    "tags": ["transformers", "license:apache-2.0", "region:us"],
    "cardData": {"license": "apache-2.0"},
}
GITLAB_ANSWER = {
    "id": 7,
    "path_with_namespace": "group/part/tool",
    "star_count": 3,
    "license": {"key": "gpl-3.0", "name": "GNU General Public License v3.0"},
}
CODEBERG_ANSWER = {"full_name": "a/b", "stars_count": 5, "licenses": ["EUPL-1.2", "MIT"], "archived": False}


@pytest.fixture(autouse=True)
def _on(settings: Any) -> None:
    settings.CHECK_LINKS = True


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def link(url: str, *, paper: Paper | None = None, **over: Any) -> PaperLink:
    fields = {"kind": "code", "source": "hf_daily", "seen_at": NOON, "check_after": NOON} | over
    return PaperLink.objects.create(paper=paper or make_paper(code_url=url), url=url, **fields)


def check(web: Replay, *, now: datetime = NOON) -> int:
    """Ask the forges at the local server: their hosts are the first part of its paths."""
    SourceHost.objects.all().delete()  # each forge has a host of its own, and here they are one
    local = [replace(one, api=one.api.replace("https://", f"http://{web.address}/")) for one in check_links.forges()]
    return check_links.check_due(now=now, deadline=FAR, known=local, rules=LOCAL, sleep=lambda _seconds: None)


def answer(**facts: Any) -> Reply:
    return Reply(json.dumps(facts).encode())


@pytest.mark.parametrize(
    ("url", "asked", "facts", "licence", "stars"),
    [
        (f"{GITHUB}/tree/main/sub", "/api.github.com/repos/meadow/sheep", GITHUB_ANSWER, "MIT", 80),
        (f"{HUB}meadow/sheep-7b", "/huggingface.co/api/models/meadow/sheep-7b", MODEL_ANSWER, "apache-2.0", 12),
        (f"{HUB}datasets/m/flock", "/huggingface.co/api/datasets/m/flock", MODEL_ANSWER, "apache-2.0", 12),
        (f"{HUB}spaces/m/count", "/huggingface.co/api/spaces/m/count", {"likes": 0, "tags": []}, "", 0),
        ("https://codeberg.org/a/b", "/codeberg.org/api/v1/repos/a/b", CODEBERG_ANSWER, "EUPL-1.2", 5),
        (
            "https://gitlab.com/group/part/tool",
            "/gitlab.com/api/v4/projects/group%2Fpart%2Ftool",
            GITLAB_ANSWER,
            "GNU General Public License v3.0",
            3,
        ),
        (GITHUB, "/api.github.com/repos/meadow/sheep", GITHUB_ANSWER | {"license": None}, "", 80),
        (GITHUB, "/api.github.com/repos/meadow/sheep", {"license": {"spdx_id": "NOASSERTION"}}, "", None),
        (GITHUB, "/api.github.com/repos/meadow/sheep", {"license": "MIT", "stargazers_count": -1}, "", None),
        (f"{HUB}meadow/sheep-7b", "/huggingface.co/api/models/meadow/sheep-7b", {"tags": 7, "likes": True}, "", None),
    ],
)
def test_a_forge_is_asked_once_for_licence_and_stars(
    web: Replay, url: str, asked: str, facts: dict[str, Any], licence: str, stars: int | None
) -> None:
    row = link(url)
    web.on(asked, answer(**facts))
    assert (check(web), check(web, now=NOON + timedelta(days=30))) == (1, 0)
    row.refresh_from_db()
    assert (row.is_gone, row.licence, row.stars, row.check_after) == (False, licence, stars, None)
    assert row.checked_at is not None
    assert [path.partition("?")[0] for path, _headers in web.asked] == [asked]
    assert web.asked[0][1]["user-agent"].startswith("Paperboy/")


@pytest.mark.parametrize(
    ("url", "asked", "status"),
    [
        (GITHUB, "/api.github.com/repos/meadow/sheep", 404),
        (GITHUB, "/api.github.com/repos/meadow/sheep", 451),
        (f"{HUB}meadow/sheep-7b", "/huggingface.co/api/models/meadow/sheep-7b", 401),
    ],
)
def test_what_its_forge_does_not_have_is_gone_and_asked_for_weekly_for_two_months(
    web: Replay, url: str, asked: str, status: int
) -> None:
    row = link(url)
    web.on(asked, Reply(status=status))
    check(web)
    row.refresh_from_db()
    assert (row.is_gone, row.check_after and round((row.check_after - NOON) / timedelta(days=1))) == (True, 7)
    assert Paper.objects.get().code_url == ""
    assert check(web, now=NOON + timedelta(days=61)) == 1
    row.refresh_from_db()
    assert row.check_after is None


def test_a_repository_that_is_opened_later_is_the_papers_code_again_and_news(web: Replay) -> None:
    row = link(GITHUB)
    path = "/api.github.com/repos/meadow/sheep"
    web.on(path, Reply(status=404), answer(**GITHUB_ANSWER))
    check(web)
    check(web, now=NOON + timedelta(days=8))
    paper = Paper.objects.get()
    assert (paper.code_url, paper.shown_links) == (GITHUB, [row])
    assert paper.coded_at is not None
    assert paper.coded_at >= NOON + timedelta(days=8)


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_forge_in_trouble_says_nothing_of_a_link_and_is_left_in_peace(web: Replay, status: int) -> None:
    older, row = link("https://github.com/older/one"), link(GITHUB)
    web.on("/api.github.com/repos/meadow/sheep", Reply(status=status, headers={"Retry-After": "7200"}))
    assert check(web) == 0
    row.refresh_from_db()
    older.refresh_from_db()
    assert (row.checked_at, row.is_gone, older.check_after) == (None, False, NOON)
    assert row.check_after is not None
    assert row.check_after >= NOON + timedelta(hours=2)
    assert len(web.asked) == 1
    assert Paper.objects.filter(code_url=GITHUB).exists()


def test_without_a_token_github_is_asked_once_a_minute_and_with_one_more_often(web: Replay, settings: Any) -> None:
    link("https://github.com/older/one")
    link(GITHUB)
    for path in ("meadow/sheep", "older/one"):
        web.on(f"/api.github.com/repos/{path}", answer(**GITHUB_ANSWER))
    assert check(web) == 1
    settings.GITHUB_TOKEN = "ghp_sheep"
    assert check(web) == 1
    assert [headers.get("authorization") for _path, headers in web.asked] == [None, "Bearer ghp_sheep"]
    assert check_links.forges()[0].spacing < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("reply", "gone"),
    [
        (Reply(b"<html>", kind="text/html"), False),
        (Reply(b"%PDF", kind="application/pdf"), False),
        (Reply(b"x" * 600_000, kind="text/html"), False),
        (Reply(status=404), True),
        (Reply(status=410), True),
    ],
)
def test_any_other_page_is_asked_itself(web: Replay, reply: Reply, gone: bool) -> None:
    row = link(web.on("/page", reply), kind="page")
    assert check(web) == 1
    row.refresh_from_db()
    assert (row.is_gone, row.licence, row.stars) == (gone, "", None)


def test_a_project_page_is_read_for_what_it_calls_its_code_and_data(web: Replay) -> None:
    html = f"""<a href="{GITHUB}">Code</a> <a href="{HUB}datasets/meadow/flock">Dataset</a> <a href="{GITHUB}">us</a>"""
    address = web.on("/page", Reply(html.encode(), kind="text/html"))
    paper = make_paper(project_url=address)
    link(address, paper=paper, kind="page", source="arxiv_query")
    check(web)
    paper.refresh_from_db()
    assert paper.code_url == GITHUB
    assert [(each.kind, each.url, each.source, each.place) for each in paper.links.all()[1:]] == [
        ("code", GITHUB, "arxiv_query", "linked"),
        ("data", f"{HUB}datasets/meadow/flock", "arxiv_query", "linked"),
    ]
    assert paper.links.filter(check_after__isnull=False).count() == 2


def test_a_page_that_is_code_is_not_read_for_links(web: Replay) -> None:
    address = web.on("/page", Reply(f'<a href="{GITHUB}">Code</a>'.encode(), kind="text/html"))
    link(address, kind="code")
    check(web)
    assert PaperLink.objects.count() == 1


def test_a_page_may_redirect_to_another_host(web: Replay) -> None:
    elsewhere = web.on("/there", Reply(kind="text/html")).replace("127.0.0.1", "localhost")
    link(web.on("/page", Reply(status=301, headers={"Location": elsewhere})), kind="page")
    assert check(web) == 1
    assert not PaperLink.objects.get().is_gone


def test_a_page_whose_host_is_away_is_tried_for_a_week_and_never_called_gone() -> None:
    with replaying() as away:
        address = away.url("/page")
    row = link(address, kind="page")
    with replaying() as web:
        assert check(web) == 0
        row.refresh_from_db()
        assert row.check_after is not None
        assert row.check_after > NOON
        assert check(web, now=NOON + timedelta(days=8)) == 0
    row.refresh_from_db()
    assert (row.check_after, row.checked_at, row.is_gone) == (None, None, False)


def test_an_address_inside_the_network_is_never_asked() -> None:
    row = link("https://127.0.0.1/page", kind="page")
    assert check_links.check_due(now=NOON, deadline=FAR) == 0
    row.refresh_from_db()
    assert row.checked_at is None


def test_links_are_asked_until_the_deadline_and_none_where_it_is_switched_off(web: Replay, settings: Any) -> None:
    link(web.on("/page", Reply(kind="text/html")), kind="page")
    assert check_links.check_due(now=NOON, deadline=NOON, rules=LOCAL) == 0
    assert check_links.check_due(now=NOON, deadline=FAR, rules=LOCAL, should_stop=lambda: True) == 0
    settings.CHECK_LINKS = False
    assert check(web) == 0
    assert web.asked == []


@pytest.mark.django_db(transaction=True)  # the process closes its connection
def test_the_task_and_the_plain_process_check_links() -> None:
    for url, step in (("https://127.0.0.1/page", tasks.check_links), ("https://10.0.1.2/page", work.Gatherer().run)):
        row = link(url, kind="page")
        step()
        row.refresh_from_db()
        assert row.check_after != NOON
