"""The mail catcher of `make demo` and `make run`: real SMTP, files, and a page that a hostile mail cannot use."""

from __future__ import annotations

import re
import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from newsletter.management.commands.catch_mail import address
from newsletter.management.mail_catcher import MailCatcher
from tests.processes import Command
from tests.services import free_port

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    running = MailCatcher(tmp_path / "mail", ("127.0.0.1", 0), ("127.0.0.1", 0))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def browser(catcher: MailCatcher) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=catcher.url, trust_env=False) as client:
        yield client


def letter(subject: str = "Today's papers", *, html: str = "<p>Hello</p>", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Paperboy <digest@papers.example>"
    message["To"] = "alice@example.net"
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Hello, see https://papers.example/today")
    message.add_alternative(html, subtype="html")
    return message


def send(catcher: MailCatcher, message: EmailMessage | bytes, *recipients: str) -> None:
    raw = message if isinstance(message, bytes) else message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
    with smtplib.SMTP(*catcher.smtp_address) as relay:
        relay.sendmail("b+1@papers.example", recipients or ("alice@example.net",), raw)


def test_a_message_is_kept_byte_for_byte_with_its_envelope(catcher: MailCatcher) -> None:
    raw = b"Subject: dots\r\n\r\n.one\r\n..two\r\n\xc3\xa9\r\n"
    send(catcher, raw, "alice@example.net", "bob@example.net")
    (mail,) = catcher.messages
    assert mail.raw == raw
    assert mail.path.suffix == ".eml"
    assert (mail.mail_from, mail.recipients) == ("b+1@papers.example", ("alice@example.net", "bob@example.net"))
    assert (mail.subject, mail.size) == ("dots", len(raw))


def test_messages_are_there_again_after_a_restart(catcher: MailCatcher) -> None:
    send(catcher, letter("First"))
    again = MailCatcher(catcher.folder, ("127.0.0.1", 0))
    again.start()
    send(again, letter("Second"))
    again.stop()
    assert [(mail.number, mail.subject) for mail in again.messages] == [(1, "First"), (2, "Second")]


def test_the_list_shows_newest_first_and_finds_by_address_or_subject(
    catcher: MailCatcher, browser: httpx.Client
) -> None:
    send(catcher, letter("Erste Ausgabe – Überblick"), "alice@example.net")
    send(catcher, letter("Second edition"), "bob@example.net")
    page = browser.get("/").text
    assert page.index("Second edition") < page.index("Erste Ausgabe – Überblick")
    assert "alice@example.net" in page
    found = browser.get("/", params={"q": "BOB@"}).text
    assert "Second edition" in found
    assert "Erste Ausgabe" not in found


def test_an_empty_list_says_where_to_send(catcher: MailCatcher, browser: httpx.Client) -> None:
    assert f"smtp://127.0.0.1:{catcher.smtp_address[1]}" in browser.get("/").text


def test_a_message_shows_its_parts(catcher: MailCatcher, browser: httpx.Client) -> None:
    send(catcher, letter(html="<p>Bonjour é</p>"))
    assert '<iframe class="full"' in browser.get("/1/").text
    assert '<iframe class="phone"' in browser.get("/1/?view=html&width=phone").text
    assert "<p>Bonjour é</p>" in browser.get("/1/html").text
    assert 'href="https://papers.example/today"' in browser.get("/1/?view=text").text
    assert "Paperboy &lt;digest@papers.example&gt;" in browser.get("/1/?view=headers").text
    assert "Content-Type: multipart/alternative" in browser.get("/1/?view=source").text
    assert browser.get("/1/raw").content == catcher.messages[0].raw
    assert browser.get("/1/raw").headers["Content-Type"].startswith("text/plain")


def test_nothing_in_a_mail_becomes_part_of_the_page(catcher: MailCatcher, browser: httpx.Client) -> None:
    send(catcher, letter(HOSTILE, html=HOSTILE, X_Odd=HOSTILE), f'"{HOSTILE}"@example.net')
    for path in ("/", "/1/", "/1/?view=text", "/1/?view=headers", "/1/?view=source", f"/?q={HOSTILE}"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "<script" not in page.text, path


def test_the_html_of_a_mail_runs_nothing_and_loads_nothing(catcher: MailCatcher, browser: httpx.Client) -> None:
    send(catcher, letter(html=f'<html><head></head><img src="https://tracker.example/pixel">{HOSTILE}'))
    answer = browser.get("/1/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert re.search(r"sandbox (?!.*allow-(scripts|same-origin|forms|top-navigation))", policy)
    assert answer.text.startswith('<html><head><base target="_blank">')
    frame = re.search(r"<iframe[^>]*>", browser.get("/1/").text)
    assert frame
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    assert "default-src 'none'" in browser.get("/").headers["Content-Security-Policy"]


def test_a_mail_with_broken_headers_and_charset_is_shown_all_the_same(
    catcher: MailCatcher, browser: httpx.Client
) -> None:
    raw = b"Subject: =?klingon?q?x?=\r\nFrom: <<>\r\nContent-Type: text/plain; charset=klingon\r\n\r\nhello\xff\r\n"
    send(catcher, raw)
    for path in ("/", "/1/", "/1/?view=text", "/1/?view=headers", "/1/?view=source", "/1/html", "/1/raw"):
        assert browser.get(path).status_code == 200
    assert "hello" in browser.get("/1/?view=text").text


def test_the_unsubscribe_button_is_offered_as_a_mail_program_would(catcher: MailCatcher, browser: httpx.Client) -> None:
    target = "https://papers.example/u/1.token"
    send(catcher, letter(List_Unsubscribe=f"<mailto:u@papers.example>, <{target}>"))
    send(
        catcher,
        letter(List_Unsubscribe=f"<{target}>", List_Unsubscribe_Post="List-Unsubscribe=One-Click"),
    )
    assert "One-click unsubscribe" not in browser.get("/1/").text
    offered = browser.get("/2/").text
    assert f'action="{target}"' in offered
    assert 'name="List-Unsubscribe" value="One-Click"' in re.sub(r"\s+", " ", offered)


def test_a_link_that_is_not_http_is_never_a_button(catcher: MailCatcher, browser: httpx.Client) -> None:
    headers = {"List_Unsubscribe": "<javascript:alert(1)>", "List_Unsubscribe_Post": "List-Unsubscribe=One-Click"}
    send(catcher, letter(**headers))
    assert "javascript:" not in browser.get("/1/").text


def test_other_names_for_this_machine_are_refused(browser: httpx.Client) -> None:
    assert browser.get("/", headers={"Host": "rebound.example"}).status_code == 403
    assert browser.get("/", headers={"Host": "localhost:8025"}).status_code == 200


def test_unknown_pages_are_not_found(browser: httpx.Client) -> None:
    for path in ("/1/", "/7/html", "/../../etc/passwd", "/mail", "/1/attachments"):
        assert browser.get(path).status_code == 404


def test_head_answers_without_a_body(browser: httpx.Client) -> None:
    answer = browser.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_address_that_others_can_reach_is_refused_unless_meant(tmp_path: Path) -> None:
    for wanted in ({"smtp": ("0.0.0.0", 0)}, {"http": ("0.0.0.0", 0)}, {"http": ("mail.example", 0)}):
        with pytest.raises(CommandError, match="--expose"):
            call_command("catch_mail", folder=tmp_path, **wanted)


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommandError, match="Choose other ports"):
        call_command("catch_mail", folder=tmp_path, smtp=("127.0.0.1", taken.getsockname()[1]))


def test_an_address_needs_host_and_port() -> None:
    assert address("127.0.0.1:2525") == ("127.0.0.1", 2525)
    assert address("[::1]:0") == ("::1", 0)
    for wrong in ("2525", "localhost", "localhost:smtp", ":25", "localhost:70000"):
        with pytest.raises(Exception, match="not HOST:PORT"):
            address(wrong)


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    smtp, web = free_port(), free_port()
    command = Command(
        "catch_mail", "--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{web}",
        env={}, folder=tmp_path, ready="Read it at",
    )  # fmt: skip
    command.start()
    try:
        with smtplib.SMTP("127.0.0.1", smtp) as relay:
            relay.send_message(letter("Through the command"))
        assert "Through the command" in httpx.get(f"http://127.0.0.1:{web}/", trust_env=False).text
        assert len(list((tmp_path / "mail").glob("*.eml"))) == 1
        command.terminate(timeout=10)
        assert command.exit_code == 0
    finally:
        command.kill()
