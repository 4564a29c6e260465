"""Every word that readers see is in every other language too, and fits where it is put."""

import ast
import gettext
import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.translation.template import templatize

from newsletter.catalogue.sources import registry
from newsletter.models import Edition
from newsletter.views.period_urls import period_around
from subscriptions import token_links
from subscriptions.models import Notice, Subscriber, Topic, TopicPreference, TopicTranslation
from subscriptions.transactional_mails import build_notice, owe_notice
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

ROOT = Path(__file__).parent.parent
CATALOGUES = {
    translation.to_language(path.parts[-3]): path
    for path in sorted((ROOT / "newsletter/locale").glob("*/LC_MESSAGES/django.po"))
}
DESK = (
    ROOT / "newsletter/admin/locale/de/LC_MESSAGES/django.po"
)  # what the desk alone says: tests/test_desk_languages.py
FILES = CATALOGUES | {"de of the desk": DESK}
TEMPLATES = [
    path
    for folder in ("newsletter", "subscriptions", "emails")
    for path in sorted((ROOT / "templates" / folder).rglob("*"))
    if path.suffix in {".html", ".txt"} and not path.name.startswith("draft_waits")  # to curators: the desk's words
] + sorted((ROOT / "templates").glob("*.html"))
MODULES = [
    path for path in sorted((ROOT / "subscriptions").glob("*.py")) if not re.search("admin|desk|apps", path.stem)
]
MODULES += sorted((ROOT / "subscriptions/views").glob("*.py"))
MODULES += [
    ROOT / f"newsletter/{name}.py"
    for name in ("mail/compile_edition", "mail/reasons", "mail/subject_lines", "ranking/explain_trend")
]
MODULES += sorted((ROOT / "newsletter/views").glob("*.py"))
MODULES += sorted((ROOT / "newsletter/interests/library").glob("*.py"))
CALLS = {"_", "gettext", "gettext_lazy", "ngettext", "gettext_noop"}
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sd]|<[^>]+>")
FIELD = re.compile(r'^(msgid|msgstr)\S* (".*"(?:\n".*")*)$', re.MULTILINE)
every_language = pytest.mark.parametrize("language", CATALOGUES)
every_file = pytest.mark.parametrize("language", FILES)


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


def catalogue(language: str) -> gettext.GNUTranslations:
    with FILES[language].with_suffix(".mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def messages(language: str) -> dict[str | tuple[str, int], str]:
    """The compiled catalogue but its header: by text, or by the singular and the number of the form."""
    return {key: text for key, text in catalogue(language)._catalog.items() if key}  # type: ignore[attr-defined]


def entries(language: str) -> Iterator[tuple[list[str], list[str]]]:
    """Each entry of the source but the header: the original, one or two texts, and what is said for it."""
    for block in FILES[language].read_text().split("\nmsgid ")[2:]:
        said: dict[str, list[str]] = {"msgid": [], "msgstr": []}
        for name, lines in FIELD.findall(f"msgid {block}"):
            said[name].append("".join(ast.literal_eval(line) for line in lines.splitlines()))
        yield said["msgid"], said["msgstr"]


def originals_of(language: str) -> set[str]:
    return {originals[0] for originals, _forms in entries(language)}


def untranslated(found: Iterable[tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """Those of the words that a language does not have, with the language."""
    return [
        (language, words)
        for language, known in {language: messages(language) for language in CATALOGUES}.items()
        for words in found
        if not known.get((words[0], 0) if len(words) == 2 else words[0])
    ]


def test_every_language_that_is_offered_has_a_catalogue_and_the_other_way_round() -> None:
    assert {code for code, _name in settings.LANGUAGES} == {"en", *CATALOGUES}


@pytest.mark.parametrize("path", [*TEMPLATES, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_readers_see_is_translated(path: Path) -> None:
    words = words_of(path.read_text()) if path.suffix == ".py" else words_of_template(path)
    assert untranslated(words) == []


def test_the_search_for_words_finds_them() -> None:
    assert sum(len(words_of_template(path)) for path in TEMPLATES) > 300
    assert sum(len(words_of(path.read_text())) for path in MODULES) > 50


def test_the_choices_readers_make_are_translated() -> None:
    groups = [Subscriber.Cadence, Subscriber.MailFormat, Subscriber.ThinPolicy, TopicPreference.Stance]
    labels = [str(one.label) for group in groups for one in group]
    assert untranslated((label,) for label in labels) == []


@every_file
def test_translations_keep_placeholders_and_markup(language: str) -> None:
    for originals, forms in entries(language):
        allowed = {mark for text in originals for mark in PLACEHOLDER.findall(text)}
        for form in forms[:-1]:  # one thing may be told without its number
            assert set(PLACEHOLDER.findall(form)) <= allowed, form
        assert sorted(PLACEHOLDER.findall(forms[-1])) == sorted(PLACEHOLDER.findall(originals[-1])), forms[-1]


@every_file
def test_there_is_a_form_for_every_number(language: str) -> None:
    """As many as the rule in the header tells apart, and each of them said."""
    form_of = catalogue(language).plural  # type: ignore[attr-defined]
    told_apart = {form_of(number) for number in range(1001)}
    assert told_apart == set(range(len(told_apart)))
    for originals, forms in entries(language):
        assert len(forms) == (1 if len(originals) == 1 else len(told_apart)), originals
        assert all(forms), originals


@every_file
def test_the_compiled_catalogue_is_that_of_the_source(language: str) -> None:
    assert "#, fuzzy" not in FILES[language].read_text()
    expected: dict[str | tuple[str, int], str] = {}
    for originals, forms in entries(language):
        if len(originals) == 1:
            expected[originals[0]] = forms[0]
        else:
            expected |= {(originals[0], number): form for number, form in enumerate(forms)}
    assert len(originals_of(language)) == len(list(entries(language))) > 900, "none twice"
    assert messages(language) == expected


@every_language
def test_no_translation_is_left_over(language: str) -> None:
    used = {words[0] for path in TEMPLATES for words in words_of_template(path)}
    used |= {words[0] for path in (ROOT / "newsletter").rglob("*.py") for words in words_of(path.read_text())}
    used |= {words[0] for path in (ROOT / "subscriptions").rglob("*.py") for words in words_of(path.read_text())}
    used |= {origin.LABEL for origin in registry.origins().values()}
    assert originals_of(language) - used == set()


@every_language
def test_no_language_says_less_than_another(language: str) -> None:
    """What the search for words does not find, such as names of a model's choices."""
    assert set().union(*map(originals_of, CATALOGUES)) - originals_of(language) == set()


def test_dates_are_written_as_a_language_writes_them() -> None:
    """Only what machines read has a format of its own in a template."""
    formats = {match for path in TEMPLATES for match in re.findall(r'\|date:"([^"]+)"', path.read_text())}
    assert formats <= {"c", "Y-m-d", "Y-m", "H:i", "l"}


@pytest.mark.parametrize(
    ("language", "month", "week", "over_the_month", "over_the_year"),
    [
        ("en", "March 2026", "16–22 March 2026", "23 February – 1 March 2026", "28 December 2026 – 3 January 2027"),
        ("de", "März 2026", "16.–22. März 2026", "23. Februar – 1. März 2026", "28. Dezember 2026 – 3. Januar 2027"),
        ("zh-hans", "2026年3月", "2026年3月16日至3月22日", "2026年2月23日至3月1日", "2026年12月28日至2027年1月3日"),
        ("ja", "2026年3月", "2026年3月16日〜3月22日", "2026年2月23日〜3月1日", "2026年12月28日〜2027年1月3日"),
    ],
)
def test_spans_of_days_say_the_year_once(
    language: str, month: str, week: str, over_the_month: str, over_the_year: str
) -> None:
    monday = date(2026, 3, 16)
    with translation.override(language):
        assert period_around("month", monday).name == month
        assert period_around("week", monday).span == week
        assert period_around("week", date(2026, 3, 1)).span == over_the_month
        assert period_around("week", date(2027, 1, 1)).span == over_the_year


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "weekday"), [("zh-hans", "星期三"), ("ja", "水曜日")])
def test_days_begin_with_the_year_where_a_language_says_so(client: Client, language: str, weekday: str) -> None:
    make_paper(listed_on=date(2026, 3, 18))
    page = client.get("/date/2026-03-18/", headers={"accept-language": language}).content.decode()
    assert re.search(rf"2026年3月18日</span>.?{weekday}", page)


@pytest.mark.django_db
def test_a_browser_that_prefers_german_gets_german_pages(client: Client) -> None:
    page = client.get("/subscribe/", headers={"accept-language": "de-AT,de;q=0.9,en;q=0.5"})
    assert page["Content-Language"] == "de"
    assert '<html lang="de"' in page.content.decode()
    assert "Welche Themen?" in page.content.decode()
    assert "Accept-Language" in page["Vary"]
    assert client.get("/subscribe/", headers={"accept-language": "nl"})["Content-Language"] == "en"


@pytest.mark.django_db
def test_who_signs_up_in_german_is_written_to_in_german(client: Client) -> None:
    client.post("/subscribe/", {"email": "bob@example.net"}, headers={"accept-language": "de"})
    assert Subscriber.objects.get().language == "en", "that of the site, until the mailbox's owner confirms"
    notice = Notice.objects.select_related("subscriber").get()
    message = build_notice(notice, now=NOON)
    assert message.subject == "Bitte bestätigen: Arbeiten von Paperboy"
    assert "Sie werden dann nicht angemeldet" in " ".join(str(message.body).split())
    assert 'lang="de"' in message.alternatives[0][0]
    path = token_links.confirm_token(notice.context["request"], now=timezone.now())
    client.post(f"/confirm/{path}/")
    assert Subscriber.objects.get().language == "de"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "faces"), [("zh-hans", "'PingFang SC', "), ("ja", "'Hiragino Sans', "), ("en", "serif")]
)
def test_mails_name_typefaces_for_the_characters_of_their_language(language: str, faces: str) -> None:
    notice = owe_notice(make_reader(language=language), kind=Notice.Kind.MANAGE, now=NOON, context={})
    html = build_notice(notice, now=NOON).alternatives[0][0]
    assert f"Georgia,'Times New Roman',{faces}" in html


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


@pytest.mark.parametrize(
    ("language", "told"), [("de", ("1.250", "6,5")), ("fr", ("1\u00a0250", "6,5")), ("en", ("1,250", "6.5"))]
)
def test_numbers_are_written_as_the_language_writes_them(
    client: Client, db: None, language: str, told: tuple[str, str]
) -> None:
    parts = {"daily": {"upvotes_gain": 1250, "hours": 24, "cohort_median": 6.5}}
    paper = make_paper(score_daily=1.0, score_parts=parts)
    page = client.get(paper.get_absolute_url(), headers={"Accept-Language": language}).content.decode()
    assert f"+{told[0]} " in page
    assert re.search(rf"[\s(]{re.escape(told[1])}\)", page)


# --- topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@every_language
def test_every_default_topic_has_a_name_and_description_in_it(language: str) -> None:
    with translation.override(language):
        topics = list(Topic.objects.all())  # of all fields
        assert len(topics) == 59
        assert [topic.slug for topic in topics if topic.local_description == topic.description] == []
        assert len({topic.local_name for topic in topics}) == 59
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
