"""Doors that stay shut: what the desk may run, hidden columns, the catcher's page; where to report a hole."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from newsletter.editions import share_card_cache as kept_cards
from newsletter.editions import share_cards
from newsletter.management.mail_catcher import MailCatcher
from tests.builders import make_paper, make_reader
from tests.test_settings import settings_of

pytestmark = pytest.mark.django_db


def policy(client: Client, path: str) -> dict[str, str]:
    header = client.get(path)["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/newsletter/paper/"])
def test_the_desk_runs_scripts_of_our_own_origin_only(admin_client: Client, path: str) -> None:
    said = policy(admin_client if "login" not in path else Client(), path)
    assert said["default-src"] == said["base-uri"] == "'none'"
    assert said["script-src"] == "'self' 'unsafe-eval'"  # Alpine evaluates its attributes
    assert said["form-action"] == said["frame-ancestors"] == said["frame-src"] == said["connect-src"] == "'self'"


def test_pages_for_everybody_keep_the_strict_policy(client: Client) -> None:
    said = policy(client, "/")
    assert (said["script-src"], said["style-src"]) == ("'self'", "'self'")


@pytest.mark.parametrize(
    "address",
    [
        "subscriptions/subscriber/?email__icontains=example",
        "subscriptions/subscriber/?unsubscribe_token__startswith=a",
        "subscriptions/subscriber/?address_key__startswith=a",
        "subscriptions/notice/?context__to__startswith=a",
        "subscriptions/apikey/?key_hash__startswith=a",
        "subscriptions/suppression/?address_hash__startswith=a",
        "newsletter/webhookendpoint/?secret__startswith=a",
    ],
)
def test_hidden_columns_cannot_be_guessed_sign_by_sign(admin_client: Client, address: str) -> None:
    assert admin_client.get(f"/admin/{address}").status_code == 400


@pytest.mark.parametrize(
    "address", ["subscriptions/subscriber/?state__exact=confirmed", "subscriptions/notice/?kind__exact=manage"]
)
def test_what_a_list_offers_still_narrows_it(admin_client: Client, address: str) -> None:
    make_reader("alice@example.net")
    assert admin_client.get(f"/admin/{address}").status_code == 200


def test_the_catchers_page_opens_by_known_names_only_however_it_is_started(tmp_path: Path) -> None:
    catcher = MailCatcher(tmp_path, ("127.0.0.1", 0), ("127.0.0.1", 0), allowed_hosts=frozenset({"mail.test"}))
    catcher.start()
    try:
        for host, status in (("evil.example", 403), ("mail.test:8025", 200), ("localhost:8025", 200), ("", 403)):
            assert httpx.get(catcher.url, headers={"Host": host}).status_code == status, host
        assert httpx.get(f"{catcher.url}?page={'9' * 5000}").status_code == 200
    finally:
        catcher.stop()


def test_a_share_card_is_drawn_once_and_kept_for_all_processes(
    client: Client, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path
    paper = make_paper(title="Cards that last")
    first = client.get(f"/paper/{paper.pk}/share.png")
    monkeypatch.setattr(share_cards, "draw", lambda *_said: pytest.fail("drawn a second time"))
    again = client.get(f"/paper/{paper.pk}/share.png")
    assert first.content == again.content == next((tmp_path / "share-cards").iterdir()).read_bytes()


def test_cards_of_new_papers_are_drawn_before_anybody_asks(
    client: Client, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path
    now = timezone.now()
    paper = make_paper(title="News of today", first_seen_at=now)
    make_paper(title="News of last week", first_seen_at=now - timedelta(days=8))
    assert kept_cards.draw_ahead(now=now, deadline=now) == 0, "the time is up"
    assert kept_cards.draw_ahead(now=now, deadline=now + timedelta(minutes=1)) == 1
    assert kept_cards.draw_ahead(now=now, deadline=now + timedelta(minutes=1)) == 0, "it is kept"
    monkeypatch.setattr(share_cards, "draw", lambda *_said: pytest.fail("drawn in a request"))
    answer = client.get(f"/paper/{paper.pk}/share.png", headers={"Accept-Language": "de"})
    assert answer["Content-Type"] == "image/png"


def test_share_cards_are_drawn_where_nothing_can_be_kept_and_the_oldest_go(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "missing"
    assert kept_cards.card("A title", "Vision")
    settings.VAR_DIR = tmp_path
    for number in range(3):
        kept_cards.card(f"Title {number}", "Vision")
    assert kept_cards.forget_oldest(kept=2) == 1
    assert len(list((tmp_path / "share-cards").iterdir())) == 2


def test_the_site_says_where_to_report_a_hole(client: Client, settings: Settings) -> None:
    settings.SECURITY_CONTACT = "https://example.org/report"
    answer = client.get("/.well-known/security.txt")
    assert answer["Content-Type"].startswith("text/plain")
    said = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())
    assert said["Contact"] == "https://example.org/report"
    assert said["Canonical"].endswith("/.well-known/security.txt")
    expires = datetime.fromisoformat(said["Expires"])
    assert timedelta(days=30) < expires - timezone.now() < timedelta(days=366)


@pytest.mark.parametrize("secret", ['"a"', '":"', '"a:"', '["a:b", "c"]', "7"])
def test_a_webhook_secret_without_its_colon_stops_the_start(secret: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="user:password"):
        settings_of(ANYMAIL=f'{{"WEBHOOK_SECRET": {secret}}}')


def test_a_contact_that_is_no_address_stops_the_start() -> None:
    with pytest.raises(ImproperlyConfigured, match="SECURITY_CONTACT must begin with"):
        settings_of(SECURITY_CONTACT="security@example.org")
