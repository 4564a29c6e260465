"""The desk is whole in German for who wants it so, and what readers get knows nothing of it."""

from __future__ import annotations

import functools
import itertools
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import html5lib
import pytest
import time_machine
import unfold
from django.apps import apps
from django.conf import settings
from django.contrib import admin, auth
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import models, transaction
from django.test import Client
from django.urls import reverse
from django.utils.translation import override, trans_real

from newsletter import delivery, planning
from newsletter.models import Compiled, Delivery, Edition, StaffPreferences
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.test_admin import desk, pages_of  # noqa: F401  (a fixture)
from tests.test_languages import CATALOGUES, DESK, FILES, ROOT, originals_of, words_of, words_of_template
from tests.test_no_english_left import SAID
from tests.test_roles import ACTS, PAGES, POSTED

LANGUAGE = "/admin/auth/user/mine/"


def all_words(root: Path) -> set[tuple[str, ...]]:
    """Whatever is given to gettext below a folder, in code and templates."""
    texts = [path for path in root.rglob("*") if path.suffix in {".html", ".txt"} and "templates" in path.parts]
    found = {words for path in texts for words in words_of_template(path)}
    return found | {words for path in root.rglob("*.py") for words in words_of(path.read_text())}


def own_words() -> set[tuple[str, ...]]:
    return set().union(*(all_words(ROOT / name) for name in ("newsletter", "subscriptions", "templates")))


def names() -> set[str]:
    """Names of models and fields on the desk, as Django made them up or we gave them."""
    admin.autodiscover()  # no page may have been asked for yet
    with override(None):
        pages = admin.site._registry
        shown: set[type[models.Model]] = {*pages, *(one.model for page in pages.values() for one in page.inlines)}
        own = [model._meta for model in shown if model._meta.app_label in {"newsletter", "subscriptions"}]
        said = {str(name) for meta in own for name in (meta.verbose_name, meta.verbose_name_plural)}
        return said | {str(field.verbose_name) for meta in own for field in meta.fields if field.name != "id"}


def in_german(words: tuple[str, ...]) -> bool:
    catalogue = trans_real.translation("de")._catalog
    return cast(bool, ((words[0], 0) if len(words) == 2 else words[0]) in catalogue)


def test_every_word_and_name_is_said_in_german() -> None:
    """What readers see is in every language by tests/test_languages.py; all else is the desk's, and needs this one."""
    assert sorted(words for words in own_words() if not in_german(words)) == []
    assert sorted(name for name in names() if not in_german((name,))) == []


def test_the_desks_catalogue_has_nothing_that_nobody_says() -> None:
    kept = all_words(Path(unfold.__path__[0])) | all_words(Path(auth.__path__[0]))  # they lack German words
    said = {words[0] for words in own_words() | kept} | names()
    assert originals_of("de of the desk") - said == set()
    assert set(CATALOGUES) == set(FILES) - {"de of the desk"}
    assert len(originals_of("de of the desk")) > 1000, DESK


@pytest.mark.django_db
def test_the_desk_is_in_the_language_that_a_person_chose(admin_client: Client) -> None:
    def language(client: Client, **headers: str) -> str:
        return client.get("/admin/newsletter/edition/", headers=headers, follow=True)["Content-Language"]

    assert language(admin_client) == "en"
    assert language(admin_client, accept_language="de-AT") == "de"
    assert language(admin_client, accept_language="fr") == "en"
    assert language(Client(), accept_language="de") == "de", "the page to sign in"
    answer = admin_client.post(LANGUAGE, {"language": "de", "time_zone": "UTC"}, follow=True)
    assert "Mein Schreibtisch" in answer.content.decode()
    assert language(admin_client, accept_language="fr") == "de"
    assert "<h1" in admin_client.get("/", headers={"accept-language": "fr"}).content.decode()
    assert admin_client.get("/", headers={"accept-language": "fr"})["Content-Language"] == "fr"
    admin_client.post(LANGUAGE, {"language": "en", "time_zone": "UTC"})
    assert language(admin_client, accept_language="de") == "en"
    assert "choice" in admin_client.post(LANGUAGE, {"language": "xx", "time_zone": "UTC"}).content.decode()
    assert StaffPreferences.objects.get().language == "en"


@pytest.mark.django_db
def test_a_desk_in_german_sends_the_same_mails(
    admin_client: Client, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is previewed, frozen and planned from the desk is for readers: bytes and rows, whoever pressed a button."""
    own = StaffPreferences.objects.create(user=admin_user)
    for language in ("en", "de", "fr"):
        make_reader(f"{language}@example.net", language=language, follows=("vision",))
    edition = make_edition(papers=[assign(make_paper(abstract="Whales sing."), "vision"), make_paper()])

    def sent(language: str) -> list[Any]:
        StaffPreferences.objects.filter(pk=own.pk).update(language=language)
        page = f"/admin/newsletter/edition/{edition.pk}/"
        numbers = itertools.count()
        cache.clear()  # of compiled previews
        monkeypatch.setattr(secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}")
        with time_machine.travel(NOON, tick=False), transaction.atomic():
            previews = [admin_client.get(f"{page}preview/mail/?papers={number}").content for number in (1, 5, 9)]
            answer = admin_client.post(f"{page}act/freeze/", {"key": "k"}, follow=True)
            assert answer["Content-Language"] == language
            planning.plan_now(Edition.objects.get(pk=edition.pk), now=NOON)
            compiled = Compiled.objects.get().fragments
            rows = list(Delivery.objects.order_by("subscriber").values("subscriber", "picks", "state", "skip_reason"))
            transaction.set_rollback(True)
        assert len(rows) == 3
        return [previews, compiled, rows]

    assert sent("de") == sent("en")


# --- nothing is left in English ---------------------------------------------------------------------------------------


def said_on(html: str) -> Iterator[str]:
    """Each text, label and description of a page, but what papers and readers say, code, and the names of icons."""
    todo = [html5lib.parse(html, namespaceHTMLElements=False)]
    while todo:
        element = todo.pop()
        is_data = element.get("dir") == "auto" or element.tag in {"head", "script", "style", "code", "pre", "textarea"}
        is_data = is_data or str(element.get("name")).endswith("permissions")  # rows of Django's, in English
        if not is_data and "material-symbols" not in element.get("class", ""):
            texts = [*(element.get(name, "") for name in SAID), element.text, *(child.tail for child in element)]
            yield from (" ".join(text.split()) for text in texts if text)
            todo += [child for child in element if isinstance(child.tag, str)]


def our_words() -> Callable[[str], str]:
    """A function of a text: the words left without what somebody typed in any row, addresses and times."""
    found = {settings.SITE_NAME, settings.VERSION, delivery.CONFIRM_STREAM, *dict(settings.LANGUAGES).values()}
    found |= {"Ada Lovelace, Alan Turing", "esc", "CSV", "UTC", "arXiv", "subscribers:write", "webhook-id", "test"}
    for model in apps.get_models():
        typed = [field for field in model._meta.fields if isinstance(field, models.CharField | models.TextField)]
        if names := [field.name for field in typed if not field.choices]:
            found |= {str(value) for row in model._base_manager.values_list(*names) for value in row if value}
    longest_first = sorted(map(re.escape, found), key=len, reverse=True)
    data = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)|\S+[@/]\S+|\w+[._]\w+", re.IGNORECASE)
    return functools.cache(lambda text: " ".join(re.findall(r"[^\W\d_]{2,}", data.sub(" ", text))))


@pytest.mark.django_db
def test_no_page_of_the_desk_says_anything_in_english(desk: dict[str, Any], admin_client: Client) -> None:  # noqa: F811
    """A text that the English page and the German one share was never given to gettext, or is the same in German."""
    same = {text.casefold() for _key, text in trans_real.translation("de")._catalog.items()}
    ours, left = our_words(), dict[str, str]()
    pages = [
        page for page in pages_of(desk) if not re.search(r"preview/mail/", page)
    ]  # mails: in their reader's language
    for page in dict.fromkeys(pages + further_pages_of(desk)):
        english, german = (admin_client.get(page, headers={"accept-language": code}) for code in ("en", "de"))
        if english.status_code == 200:
            both = set(said_on(english.content.decode())) & set(said_on(german.content.decode()))
            left |= {words: page for words in map(ours, both) if words and words.casefold() not in same}
    assert "; ".join(f"{words} ({page})" for words, page in left.items()) == ""


def further_pages_of(desk: dict[str, Any]) -> list[str]:  # noqa: F811
    rows = {name: desk[name].pk for name in desk}
    acts = [(name, rows[label], verb) for name, (label, verbs) in ACTS.items() for verb in verbs]
    pages = [reverse(f"admin:{name}", args=[pk, verb]) for name, pk, verb in acts]
    lists = [reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add") for model in admin.site._registry]
    named = [
        (name, row) for name, (_who, row) in PAGES.items() if name not in POSTED | {"newsletter_edition_preview_mail"}
    ]
    return pages + lists + [reverse(f"admin:{name}", args=[rows.get(one, one) for one in row]) for name, row in named]
