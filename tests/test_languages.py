"""Every word that readers see is in the second language too, and fits where it is put."""

import ast
import gettext
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.translation.template import templatize

from newsletter.catalogue.sources import registry
from newsletter.models import Edition
from subscriptions import token_links
from subscriptions.models import Notice, Subscriber, Topic, TopicPreference, TopicTranslation
from subscriptions.transactional_mails import build_notice, owe_notice
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

ROOT = Path(__file__).parent.parent
PO = ROOT / "newsletter/locale/de/LC_MESSAGES/django.po"
TEMPLATES = [
    path
    for folder in ("newsletter", "subscriptions", "emails")
    for path in sorted((ROOT / "templates" / folder).rglob("*"))
    if path.suffix in {".html", ".txt"}
] + sorted((ROOT / "templates").glob("*.html"))
MODULES = [ROOT / "subscriptions/forms.py", *sorted((ROOT / "subscriptions/views").glob("*.py"))]
MODULES += [
    ROOT / f"newsletter/{name}.py"
    for name in ("mail/compile", "mail/reasons", "mail/subject_lines", "ranking/explain_trend")
]
MODULES += sorted((ROOT / "newsletter/views").glob("*.py"))
MODULES += sorted((ROOT / "newsletter/interests/library").glob("*.py"))
CALLS = {"_", "gettext", "gettext_lazy", "ngettext", "gettext_noop"}
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sd]|<[^>]+>")


@pytest.fixture(autouse=True)
def _language_as_before() -> Iterator[None]:
    """A request leaves its language behind in the thread, and the test client's thread is ours."""
    with translation.override("en"):
        yield


def words_of(source: str) -> list[tuple[str, ...]]:
    """The literals given to gettext and its kin, one or two (singular and plural)."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            texts = [one.value for one in node.args[:2] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if texts:
                found.append(tuple(texts if node.func.id == "ngettext" else texts[:1]))
    return found


def words_of_template(path: Path) -> list[tuple[str, ...]]:
    """Django turns a template into calls of gettext among noise; the calls are picked out."""
    code = templatize(path.read_text())
    calls = re.findall(
        r"(n?gettext|\b_)\((u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\")(?:,\s*(u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\"))?",
        code,
    )
    return [tuple(ast.literal_eval(text) for text in (one, other) if text) for _name, one, other in calls]


def catalogue() -> gettext.GNUTranslations:
    with PO.with_suffix(".mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def translated(words: tuple[str, ...], german: gettext.GNUTranslations) -> str | None:
    known = german._catalog  # type: ignore[attr-defined]
    text = known.get((words[0], 0)) if len(words) == 2 else known.get(words[0])
    return text if isinstance(text, str) else None


@pytest.mark.parametrize("path", [*TEMPLATES, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_readers_see_is_translated(path: Path) -> None:
    words = words_of(path.read_text()) if path.suffix == ".py" else words_of_template(path)
    german = catalogue()
    assert [one for one in words if not translated(one, german)] == []


def test_the_search_for_words_finds_them() -> None:
    assert sum(len(words_of_template(path)) for path in TEMPLATES) > 300
    assert sum(len(words_of(path.read_text())) for path in MODULES) > 50


def test_the_choices_readers_make_are_translated() -> None:
    groups = [Subscriber.Cadence, Subscriber.MailFormat, Subscriber.ThinPolicy, TopicPreference.Stance]
    labels = [str(one.label) for group in groups for one in group]
    assert [label for label in labels if not translated((label,), catalogue())] == []


def test_translations_keep_placeholders_and_markup() -> None:
    for source, text in catalogue()._catalog.items():  # type: ignore[attr-defined]
        original = source if isinstance(source, str) else source[0]
        if original:
            expected = sorted(PLACEHOLDER.findall(original))
            if isinstance(source, str):
                assert sorted(PLACEHOLDER.findall(text)) == expected, original


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', PO.read_text(), flags=re.MULTILINE)
    german = catalogue()
    assert len(pairs) > 250
    for source, text in pairs:
        assert german.gettext(ast.literal_eval(f'"{source}"')) == ast.literal_eval(f'"{text}"'), source


def test_no_translation_is_left_over() -> None:
    used = {words[0] for path in TEMPLATES for words in words_of_template(path)}
    used |= {words[0] for path in (ROOT / "newsletter").rglob("*.py") for words in words_of(path.read_text())}
    used |= {words[0] for path in (ROOT / "subscriptions").rglob("*.py") for words in words_of(path.read_text())}
    used |= {origin.LABEL for origin in registry.origins().values()}
    keys = {key if isinstance(key, str) else key[0] for key in catalogue()._catalog}  # type: ignore[attr-defined]
    assert keys - used - {""} == set()


@pytest.mark.django_db
def test_a_browser_that_prefers_german_gets_german_pages(client: Client) -> None:
    page = client.get("/subscribe/", headers={"accept-language": "de-AT,de;q=0.9,en;q=0.5"})
    assert page["Content-Language"] == "de"
    assert '<html lang="de"' in page.content.decode()
    assert "Welche Themen?" in page.content.decode()
    assert "Accept-Language" in page["Vary"]
    assert client.get("/subscribe/", headers={"accept-language": "fr"})["Content-Language"] == "en"


@pytest.mark.django_db
def test_who_signs_up_in_german_is_written_to_in_german(client: Client) -> None:
    client.post("/subscribe/", {"email": "bob@example.net"}, headers={"accept-language": "de"})
    assert Subscriber.objects.get().language == "en", "that of the site, until the mailbox's owner confirms"
    notice = Notice.objects.select_related("subscriber").get()
    message = build_notice(notice, now=NOON)
    assert message.subject == "Bitte bestätigen: Arbeiten von Paperboy"
    assert "Sie werden dann nicht angemeldet" in message.body
    assert 'lang="de"' in message.alternatives[0][0]
    path = token_links.confirm_token(notice.context["request"], now=timezone.now())
    client.post(f"/confirm/{path}/")
    assert Subscriber.objects.get().language == "de"


@pytest.mark.django_db
def test_a_language_nobody_speaks_here_is_english() -> None:
    notice = owe_notice(make_reader(language="xx"), kind=Notice.Kind.MANAGE, now=NOON, context={})
    assert build_notice(notice, now=NOON).subject == "Your preferences at Paperboy"
    assert translation.get_language() == "en"


def test_a_slip_in_an_address_is_told_in_the_readers_language(client: Client, db: None) -> None:
    page = client.post("/subscribe/", {"email": "nobody@@example"}, headers={"Accept-Language": "de"})
    assert "Das sieht nicht wie eine Mailadresse aus" in page.content.decode()


def test_the_reason_of_a_paper_is_told_in_the_readers_language(client: Client, db: None) -> None:
    parts = {"daily": {"upvotes_gain": 41, "hours": 24, "cohort_median": 6.0}}
    paper = make_paper(score_daily=1.0, score_parts=parts)
    in_a_list = client.get("/", headers={"Accept-Language": "de"}).content.decode()
    assert "+41 in 24 Std." in in_a_list
    page = client.get(paper.get_absolute_url(), headers={"Accept-Language": "de"}).content.decode()
    assert "+41 Stimmen in 24 Std. (Median der Vergleichsgruppe 6)" in page


def test_the_admin_is_in_one_language_whatever_the_browser_prefers(admin_client: Client) -> None:
    answer = admin_client.get("/admin/newsletter/edition/", headers={"Accept-Language": "de"})
    assert answer["Content-Language"] == "en"
    assert "Abmelden" not in answer.content.decode()
    assert "Log out" in answer.content.decode()
    assert admin_client.get("/topics/", headers={"Accept-Language": "de"})["Content-Language"] == "de"


# --- topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_default_topic_has_a_german_name_and_description() -> None:
    with translation.override("de"):
        topics = list(Topic.objects.all())  # of all fields
        assert len(topics) == 59
        assert all(topic.local_description != topic.description for topic in topics)
        assert {topic.local_name for topic in topics} >= {"Maschinelles Sehen", "Sprachmodelle"}
    with translation.override("en"):
        assert all(topic.local_name == topic.name for topic in topics)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/topics/", "/topic/vision/", "/subscribe/", "/", "/feeds/topic/vision.atom"])
def test_pages_name_topics_in_the_readers_language(client: Client, path: str) -> None:
    assign(make_paper(), "vision")
    assert "Maschinelles Sehen" in client.get(path, headers={"Accept-Language": "de"}).content.decode()
    assert "Maschinelles Sehen" not in client.get(path).content.decode()


@pytest.mark.django_db
def test_a_digest_names_topics_in_its_readers_language() -> None:
    make_reader(language="de", follows=("vision",))
    edition = make_edition(papers=[assign(make_paper(), "vision")], state=Edition.State.FROZEN)
    compiled = edition.compiled.fragments
    assert "Maschinelles Sehen" in json.dumps(compiled["languages"]["de"])
    assert "Maschinelles Sehen" not in json.dumps({**compiled, "languages": {}})


@pytest.mark.django_db
def test_a_topic_without_translation_keeps_its_own_words() -> None:
    topic = make_topic("shoes", name="Shoes", description="All about shoes.")
    with translation.override("de"):
        assert (topic.local_name, topic.local_description) == ("Shoes", "All about shoes.")
        TopicTranslation.objects.create(topic=topic, language="de", name="Schuhe")
        assert (topic.local_name, topic.local_description) == ("Schuhe", "All about shoes.")


@pytest.mark.django_db
def test_one_query_reads_all_translations_and_the_next_page_none(
    client: Client,
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            client.get("/topics/", headers={"Accept-Language": "de"})
        return len(caught)

    assert queries() == queries() + 1


def test_curators_translate_topics_in_the_admin(client: Client, db: None) -> None:
    user = User.objects.create_user("carla", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client.force_login(user)
    topic = Topic.objects.get(slug="vision")
    row = topic.translations.get(language="de")
    fields = {"name": topic.name, "slug": topic.slug, "description": topic.description, "keywords": "", "position": 0}
    rows = {
        **{f"translations-{name}": count for name, count in {"TOTAL_FORMS": 1, "INITIAL_FORMS": 1}.items()},
        **{f"translations-0-{name}": value for name, value in {"id": row.pk, "topic": topic.pk}.items()},
        **{"translations-0-language": "de", "translations-0-name": "Bildverstehen"},
    }
    answer = client.post(f"/admin/subscriptions/topic/{topic.pk}/change/", fields | rows | {"is_active": "on"})
    assert answer.status_code == 302
    assert "Bildverstehen" in client.get("/topics/", headers={"Accept-Language": "de"}).content.decode()
