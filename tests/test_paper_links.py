"""Code, models, data, demo and project page of a paper: what counts as a link, and its rows."""

import importlib
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from newsletter.catalogue import merging, provenance
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import arxiv_query, hf_daily, hf_paper
from newsletter.catalogue.sources.paper_links import (
    ABSTRACT,
    COMMENT,
    LINKED,
    MOST,
    STATED,
    Link,
    links_in,
    links_on_page,
    stated_link,
)
from newsletter.catalogue.store_links import add_links, renew_first_links
from newsletter.mail.digest_links import LinkKind, links_of
from newsletter.models import Paper, PaperLink
from subscriptions.models import ApiKey
from tests.builders import NOON, assign, make_paper
from tests.test_arxiv import query_entry, query_feed
from tests.test_hf_daily import PAPER, answer, changed
from tests.test_hf_paper import page
from tests.test_ingest import arxiv, daily, seen

REPO, OTHER, SITE = "https://github.com/meadow/sheep", "https://gitlab.com/fence/jump", "https://meadow.github.io/sheep"


DAY = f"/date/{NOON:%Y-%m-%d}/"


def kinds(text: str) -> list[tuple[str, str]]:
    return [(link.kind, link.url) for link in links_in(text, place=COMMENT)]


@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        ("12 pages. Code: https://github.com/a/b", "code", "https://github.com/a/b"),
        ("see http://www.github.com/a/b.git.", "code", "https://github.com/a/b"),
        ("https://github.com/a/b/tree/main", "code", "https://github.com/a/b"),
        ("https://github.com/a/b/tree/main/sub", "code", "https://github.com/a/b/tree/main/sub"),
        ("https://gitlab.com/group/part/tool/-/tree/v1", "code", "https://gitlab.com/group/part/tool"),
        ("(https://gitlab.inria.fr/team/tool)", "code", "https://gitlab.inria.fr/team/tool"),
        ("codeberg.org/a/b, and", "code", "https://codeberg.org/a/b"),
        ("https://anonymous.4open.science/r/Tool-1B2C", "code", "https://anonymous.4open.science/r/Tool-1B2C"),
        ("https://huggingface.co/meadow/sheep-7b/tree/main", "model", "https://huggingface.co/meadow/sheep-7b"),
        ("https://hf.co/datasets/meadow/flock", "data", "https://huggingface.co/datasets/meadow/flock"),
        ("huggingface.co/spaces/meadow/count", "demo", "https://huggingface.co/spaces/meadow/count"),
        ("https://meadow-count.hf.space/", "demo", "https://meadow-count.hf.space/"),
        (
            "https://huggingface.co/collections/meadow/all-66aa",
            "page",
            "https://huggingface.co/collections/meadow/all-66aa",
        ),
        ("https://zenodo.org/records/123456", "data", "https://zenodo.org/records/123456"),
        ("data https://doi.org/10.5281/zenodo.7", "data", "https://doi.org/10.5281/zenodo.7"),
        ("https://meadow.github.io/sheep/", "page", "https://meadow.github.io/sheep/"),
        ("https://sites.google.com/view/sheep", "page", "https://sites.google.com/view/sheep"),
        ("Project page: https://meadow.example/sheep", "page", "https://meadow.example/sheep"),
        ("Our website is at http://sheep.example.", "page", "https://sheep.example"),
        ("Code is publicly available at https://lab.example/sheep.zip", "code", "https://lab.example/sheep.zip"),
        ("The dataset can be downloaded from https://lab.example/d", "data", "https://lab.example/d"),
        ("Pretrained models: https://lab.example/m", "model", "https://lab.example/m"),
        ("Live demo: https://lab.example/try", "demo", "https://lab.example/try"),
    ],
)
def test_the_host_or_the_words_before_an_address_say_what_it_is(text: str, kind: str, url: str) -> None:
    assert kinds(text) == [(kind, url)]


@pytest.mark.parametrize(
    "text",
    [
        "DOI: https://doi.org/10.1145/3807503",
        "a video is available here: https://youtu.be/abc",
        "the code of https://arxiv.org/abs/2603.00001 is better; code: https://arxiv.org/abs/2603.00001",
        "12 pages, see https://conference.example",
        "https://github.com/meadow",
        "https://github.com/features/actions",
        "https://notgithub.example/a/b",
        "https://huggingface.co/papers/2603.00001",
        "https://huggingface.co/docs/hub/index",
        "https://huggingface.co/spaces/meadow",
        "code: https://10.0.0.1/x",
        "code: javascript:alert(1)",
        "me@github.com/a/b",
    ],
)
def test_other_addresses_are_no_links(text: str) -> None:
    assert kinds(text) == []


def test_one_comment_gives_several_links_each_with_its_kind() -> None:
    comment = f"9 pages. Project page: {SITE} Code: {REPO}; Data: https://hf.co/datasets/m/flock, Code: {REPO.upper()}"
    assert kinds(comment) == [("page", SITE), ("code", REPO), ("data", "https://huggingface.co/datasets/m/flock")]


def test_a_survey_that_names_hundreds_gives_a_few() -> None:
    assert len(kinds(" ".join(f"https://github.com/a/b{n}" for n in range(300)))) == MOST


def test_a_project_page_tells_its_links_by_their_words() -> None:
    html = """
      <a href="https://arxiv.org/abs/2603.00001">arXiv</a>
      <a class="button" href="https://github.com/meadow/sheep"><span class="icon"><i></i></span> <span>Code</span></a>
      <a target=_blank href='https://huggingface.co/meadow/sheep-7b'>🤗 Models</a>
      <a href="https://huggingface.co/datasets/meadow/flock?x=1&amp;y=2">Our Dataset (Hugging Face)</a>
      <a href="https://huggingface.co/spaces/meadow/count">Live Demo</a>
      <a href="https://github.com/other/tool">a tool that we like</a>
      <a href="https://github.com/nerfies/nerfies.github.io">source code</a>
      <a href="https://github.com/someone/Academic-project-page-template">Code</a>
      <a href="https://meadow.example/code.zip">Code</a> <a href="javascript:alert(1)">Code</a> <a href="https://github.com/a/b
    """
    assert [(link.kind, link.url, link.place) for link in links_on_page(html)] == [
        ("code", REPO, LINKED),
        ("model", "https://huggingface.co/meadow/sheep-7b", LINKED),
        ("data", "https://huggingface.co/datasets/meadow/flock", LINKED),
        ("demo", "https://huggingface.co/spaces/meadow/count", LINKED),
    ]


def test_a_stated_address_is_a_page_where_its_host_does_not_say_otherwise() -> None:
    assert stated_link("https://meadow.example/x") == Link("page", "https://meadow.example/x", STATED)
    assert stated_link(REPO) == Link("code", REPO, STATED)
    assert stated_link("javascript:alert(1)") is None


def test_arxivs_comment_is_read_behind_the_abstract() -> None:
    entry = query_entry(
        "2603.00001v1",
        "Sheep",
        summary=f"We count sheep. Code: {REPO}",
        comment=f"8 pages. Code at {OTHER}, page: {SITE}",
    )
    [one] = arxiv_query.parse(query_feed(entry), seen_at=NOON)
    assert (one.code_url, one.project_url) == (REPO, SITE)
    assert one.links == (Link("code", REPO, ABSTRACT), Link("code", OTHER, COMMENT), Link("page", SITE, COMMENT))


def test_a_project_page_on_the_hub_that_is_a_repository_is_code() -> None:
    [one] = hf_daily.parse(answer(changed(githubRepo=None, projectPage=REPO, summary="We count.")), seen_at=NOON)
    assert (one.code_url, one.project_url) == (REPO, "")


def test_the_hubs_page_gives_the_models_data_and_spaces_that_lead_its_lists() -> None:
    linked = {
        "linkedModels": [{"id": f"meadow/sheep-{n}b"} for n in range(9)],
        "linkedDatasets": [{"id": "meadow/flock"}, {"id": 7}, "x"],
        "linkedSpaces": {"id": "not/a-list"},
    }
    [one] = hf_paper.parse(page(**linked, githubRepo=None, projectPage=None), seen_at=NOON)
    assert [(link.kind, link.url.removeprefix("https://huggingface.co/")) for link in one.links] == [
        ("model", "meadow/sheep-0b"),
        ("model", "meadow/sheep-1b"),
        ("data", "datasets/meadow/flock"),
    ]
    assert PAPER["paper"]["githubRepo"]


def linked(**over: Any) -> dict[str, Any]:
    links = tuple(Link(kind, url, COMMENT) for kind, url in (("code", REPO), ("code", OTHER), ("page", SITE)))
    return {"code_url": REPO, "project_url": SITE, "links": links} | over


def rows(paper: Paper) -> list[tuple[str, str, str]]:
    return list(paper.links.values_list("kind", "url", "source"))


@pytest.mark.django_db
class TestRows:
    def test_each_address_becomes_one_row_whoever_repeats_it(self) -> None:
        ingest([arxiv(**linked())], now=NOON)
        ingest(
            [arxiv(**linked()), daily(code_url=REPO.upper().replace("HTTPS", "https"))], now=NOON + timedelta(hours=1)
        )
        paper = Paper.objects.get()
        assert rows(paper) == [
            ("code", REPO, "arxiv_query"),
            ("code", OTHER, "arxiv_query"),
            ("page", SITE, "arxiv_query"),
        ]
        assert {(row.seen_at, row.check_after, row.place) for row in paper.links.all()} == {(NOON, NOON, COMMENT)}

    def test_what_another_source_knows_comes_to_it_and_leads_where_it_is_believed_more(self) -> None:
        ingest([arxiv(**linked())], now=NOON)
        ingest([daily(code_url="https://github.com/meadow/better")], now=NOON)
        paper = Paper.objects.get()
        assert paper.code_url == "https://github.com/meadow/better"
        assert [link.url for link in paper.shown_links] == [paper.code_url, REPO, OTHER, SITE]

    @pytest.mark.parametrize("fate", ["is_gone", "is_removed"])
    def test_a_link_that_is_gone_or_was_taken_away_stays_away_and_the_next_leads(self, fate: str) -> None:
        ingest([arxiv(**linked())], now=NOON)
        paper = Paper.objects.get()
        paper.links.filter(url=REPO).update(**{fate: True})
        renew_first_links(paper)
        assert Paper.objects.get().code_url == OTHER
        ingest([arxiv(**linked()), daily(code_url=REPO)], now=NOON)
        assert Paper.objects.get().code_url == OTHER
        assert [link.url for link in Paper.objects.get().shown_links] == [OTHER, SITE]

    def test_with_its_only_repository_gone_a_paper_has_no_code(self) -> None:
        ingest([arxiv(code_url=REPO)], now=NOON)
        paper = Paper.objects.get()
        paper.links.update(is_gone=True)
        renew_first_links(paper)
        ingest([arxiv(code_url=REPO)], now=NOON)
        assert not Paper.objects.with_code().exists()

    def test_an_address_that_old_code_wrote_is_shown_without_a_row(self) -> None:
        paper = make_paper(code_url=REPO, project_url="javascript:alert(1)")
        assert [(link.kind, link.url, link.pk) for link in paper.shown_links] == [("code", REPO, None)]

    def test_a_merge_moves_links_and_its_undoing_brings_them_back(self) -> None:
        kept, double = make_paper(), make_paper()
        for paper, url in ((kept, REPO), (double, REPO), (double, OTHER)):
            PaperLink.objects.create(paper=paper, kind="code", url=url, seen_at=NOON, source="hf_daily")
        merging.merge(double, into=kept, by=None, now=NOON)
        assert [row[1] for row in rows(kept)] == [REPO, OTHER]
        merging.split(Paper.objects.get(pk=double.pk))
        assert ([row[1] for row in rows(kept)], [row[1] for row in rows(double)]) == ([REPO], [REPO, OTHER])

    def test_what_a_program_gave_goes_with_what_else_it_said(self) -> None:
        key = ApiKey.objects.create(name="Barn", key_hash="0" * 64, created_at=NOON).pk
        ingest([seen(source="api", key="1", code_url=OTHER, api_key=key)], now=NOON)
        paper = Paper.objects.get()
        PaperLink.objects.create(paper=paper, kind="code", url=REPO, seen_at=NOON, source="hf_daily")
        provenance.take_back(Paper.objects.all())
        assert [row[1] for row in rows(paper)] == [REPO]
        assert Paper.objects.get().code_url == REPO

    def test_nor_does_code_stay_that_was_found_on_a_programs_page(self) -> None:
        key = ApiKey.objects.create(name="Barn", key_hash="0" * 64, created_at=NOON).pk
        ingest([seen(source="api", key="1", links=(Link("page", SITE, STATED),), api_key=key)], now=NOON)
        paper = Paper.objects.get()
        add_links(paper, [Link("code", REPO, LINKED)], source=f"api:{key}", now=NOON)
        assert Paper.objects.get().code_url == REPO
        provenance.take_back(Paper.objects.all())
        paper = Paper.objects.get()
        assert (paper.code_url, paper.project_url, rows(paper)) == ("", "", [])

    def test_an_identifier_that_a_program_guessed_loses_its_links(self) -> None:
        key = ApiKey.objects.create(name="Barn", key_hash="0" * 64, created_at=NOON).pk
        guess = arxiv(source="api", title="A guess at what will come out one day", code_url=OTHER, api_key=key)
        ingest([guess], now=NOON)
        ingest([arxiv(code_url=REPO)], now=NOON)
        paper = Paper.objects.get()
        assert (paper.code_url, rows(paper)) == (REPO, [("code", REPO, "arxiv_query")])

    def test_papers_from_before_get_rows_for_the_links_they_have(self) -> None:
        paper = make_paper(code_url=REPO, project_url=SITE, said_by={"code_url": "hf_daily"})
        make_paper()
        migration = importlib.import_module("newsletter.migrations.0057_links_of_old_papers")
        for _ in range(2):
            migration.carry_over(apps, SimpleNamespace(connection=connection))
        assert rows(paper) == [("code", REPO, "hf_daily"), ("page", SITE, "")]
        assert PaperLink.objects.count() == 2


@pytest.fixture
def several() -> Paper:
    """A paper with code, two models, data, and a demo that is gone."""
    paper = assign(make_paper(code_url=REPO), "vision")
    hub = "https://huggingface.co/"
    rows = [
        PaperLink(kind="code", url=REPO, licence="MIT", stars=1200, checked_at=NOON),
        PaperLink(kind="model", url=f"{hub}m/sheep-7b"),
        PaperLink(kind="model", url=f"{hub}m/sheep-70b"),
        PaperLink(kind="data", url=f"{hub}datasets/m/flock", is_removed=True),
        PaperLink(kind="data", url=f"{hub}datasets/m/herd"),
        PaperLink(kind="demo", url=f"{hub}spaces/m/count", is_gone=True, checked_at=NOON),
    ]
    for row in rows:
        row.paper, row.seen_at, row.source = paper, NOON, "hf_daily"
    PaperLink.objects.bulk_create(rows)
    return paper


@pytest.mark.django_db
class TestShown:
    def test_the_page_names_each_kind_once_and_lists_them_all_with_what_is_known(
        self, client: Client, several: Paper
    ) -> None:
        text = client.get(several.get_absolute_url()).content.decode()
        buttons = re.findall(r'button is-quiet" href="([^"]+)" rel="nofollow">(\w+)<', text)
        assert buttons == [
            (REPO, "Code"),
            ("https://huggingface.co/m/sheep-7b", "Model"),
            ("https://huggingface.co/datasets/m/herd", "Data"),
        ]
        assert f'<a href="{REPO}" rel="nofollow">github.com/meadow/sheep</a> · MIT · 1,200 stars' in text
        assert ">huggingface.co/m/sheep-70b</a>" in text
        assert "datasets/m/flock" not in text
        assert 'href="https://huggingface.co/spaces/m/count"' not in text
        assert "huggingface.co/spaces/m/count, " in text
        assert "asked on 18 March 2026" in text

    def test_a_list_has_one_word_for_each_kind(self, client: Client, several: Paper) -> None:
        text = client.get(DAY).content.decode()
        assert re.findall(r'<li><a href="[^"]+" rel="nofollow">(\w+)</a>', text) == ["Code", "Model", "Data"]

    def test_lists_ask_for_links_once(self, client: Client, several: Paper) -> None:
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as asked:
                client.get(DAY)
            counts.append(sum("newsletter_paperlink" in query["sql"] for query in asked))
            for _ in range(5):
                paper = make_paper()
                PaperLink.objects.create(paper=paper, kind="code", url=REPO, seen_at=NOON, source="hf_daily")
        assert counts == [1, 1]

    def test_the_api_gives_them_all_with_licence_stars_and_whether_they_answered(
        self, client: Client, several: Paper
    ) -> None:
        given = client.get(f"/api/v1/papers/{several.pk}/").json()
        assert given["code_url"] == REPO
        assert given["links"][0] == {
            "kind": "code",
            "url": REPO,
            "place": "stated",
            "answered_at": NOON.isoformat(),
            "licence": "MIT",
            "stars": 1200,
        }
        assert [(each["kind"], each["answered_at"]) for each in given["links"][1:]] == [
            ("model", None),
            ("model", None),
            ("data", None),
        ]

    @pytest.mark.parametrize("kind", ["atom", "json"])
    def test_feeds_lead_to_them(self, client: Client, several: Paper, kind: str) -> None:
        text = client.get(f"/feeds/today.{kind}").content.decode()
        assert ("huggingface.co/m/sheep-70b" in text) == (kind == "atom")
        assert "spaces/m/count" not in text

    def test_a_mails_card_links_to_the_first_of_each_kind(self, several: Paper) -> None:
        assert links_of(several) == {
            LinkKind.PAPER: f"https://arxiv.org/abs/{several.arxiv_id}",
            LinkKind.FILE: f"https://arxiv.org/pdf/{several.arxiv_id}",
            LinkKind.CODE: REPO,
            LinkKind.MODEL: "https://huggingface.co/m/sheep-7b",
            LinkKind.DATA: "https://huggingface.co/datasets/m/herd",
        }

    def test_a_curator_takes_one_away_and_the_next_leads(self, admin_client: Client) -> None:
        ingest([arxiv(**linked())], now=NOON)
        paper = Paper.objects.get()
        save(admin_client, paper, **{"links-0-is_removed": "on"})
        paper.refresh_from_db()
        assert (paper.code_url, [link.url for link in paper.shown_links]) == (OTHER, [OTHER, SITE])

    @pytest.mark.parametrize(("written", "shown"), [(f"{REPO}-right", f"{REPO}-right"), ("", OTHER)])
    def test_what_a_curator_writes_replaces_the_address_for_good(
        self, admin_client: Client, written: str, shown: str
    ) -> None:
        ingest([arxiv(**linked())], now=NOON)
        save(admin_client, Paper.objects.get(), code_url=written)
        ingest([arxiv(**linked()), daily(code_url=REPO)], now=NOON)
        paper = Paper.objects.get()
        assert paper.code_url == shown
        assert REPO not in [link.url for link in paper.shown_links]


def save(client: Client, paper: Paper, **over: str) -> None:
    """Send the desk's form of a paper back as a browser would, with these changes."""
    path = f"/admin/newsletter/paper/{paper.pk}/change/"
    form = client.get(path).context["adminform"].form
    sent = {name: form[name].value() for name in form.fields}
    sent |= {"authors": "\n".join(paper.authors), "categories": "\n".join(paper.categories)}
    for formset in (one.formset for one in client.get(path).context["inline_admin_formsets"]):
        for each in (formset.management_form, *formset.forms):
            sent |= {each[name].html_name: each[name].value() for name in each.fields}
    answer = client.post(path, {name: value for name, value in (sent | over).items() if value not in (None, False)})
    assert answer.status_code == 302, answer.context["errors"]
