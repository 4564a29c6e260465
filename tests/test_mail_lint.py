"""The lint of mails finds what it is there to find: each fault put into a good mail is named."""

from __future__ import annotations

import pytest
from django.conf import settings

from newsletter.mail import compile_edition as mail_compile
from newsletter.mail.assemble import Composer
from tests import mail_clients
from tests.builders import NOON
from tests.mail_lint import bodies, lint
from tests.mail_samples import IDENTITY, PAPERS, make_edition, make_recipient

HOSTS = tuple(settings.PAPER_LINK_HOSTS)


@pytest.fixture
def good(db: None) -> bytes:
    edition = make_edition(PAPERS[:2])
    raw = Composer(mail_compile.compile_edition(edition, now=NOON), IDENTITY).compose(make_recipient(edition))
    assert lint(raw, hosts=HOSTS) == []
    return raw


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"\r\n\r\n", b"\n\r\n", "a bare"),
        (b"List-Post: NO\r\n", b"List-Post: NO\r\nList-Post: NO\r\n", "List-Post"),
        (b"List-Post: NO\r\n", b"", "List-Post"),
        (b"List-Post: NO\r\n", b"List-Post: NO\r\nX-Evil: 1\r\n", "unexpected header X-Evil"),
        (b"Subject: ", b"Subject: =?utf-8?b?Cwo=?= ", "Subject"),
        (b"Subject: ", b"Subject:\r\n ", "Subject"),
        (b"Message-ID: <", b"Message-ID: <a b", "Message-ID is no dot-atom"),
        (b"auto-generated", b"no", "Auto-Submitted"),
        (b">\r\nSubject", b">, <https://papers.example.org/x>\r\nSubject", "List-Unsubscribe holds"),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=yes", "List-Unsubscribe-Post"),
        (b":daily:paperboy", b":paperboy", "Feedback-ID"),
        (b"text/plain", b"text/enriched", "parts:"),
        (b"quoted-printable", b"8bit", "encoding:"),
        (b"https://github.com", b"http://github.com", "not https"),
        (b"https://github.com", b"https://bit.ly", "host"),
        (b"https://github.com", b"https://papers.example.org/c/x?url=", "a counted link"),
        (b"2026\r\n\r\n- ", b"2026 =\xff\r\n\r\n- ", "a byte"),
        (b"2026\r\n\r\n- ", b"x" * 80 + b"\r\n\r\n- ", "a line"),
        (b"2026\r\n\r\n- ", b"2026 \r\n\r\n- ", "quoted-printable with a loose space"),
        (b"2026\r\n\r\n- ", b"2026=0B\r\n\r\n- ", "the plain part holds"),
        (b"2026\r\n\r\n- ", b"2026" + b" long" * 12 + b"=\r\n more\r\n\r\n- ", "a line of the text part is not"),
        (b"https://papers.example.org/u/", b"https://papers.example.org/v/", "the text part has no unsubscribe"),
        (b"<!DOCTYPE", b"<!XOCTYPE", "no doctype"),
        (b"</h1>", b"</h1><h1>b</h1>", "headings"),
        (b"</h1>", b"</h1><h4>b</h4>", "headings"),
        (b"</h1>", b"</h1><form></form>", "elements ['form']"),
        (b"</h1>", b"</h1></div>", "</div>"),
        (b"</h1>", b"</h1><img>", "an image without alt"),
        (b'role=3D"presentation"', b'role=3D"none"', "a table"),
        (b"display:none", b"display:block", "the preheader shows"),
        (b"</h1>", b'</h1><p style=3D"font-size:11px">', "11px"),
        (b"</h1>", b'</h1><p style=3D"display:flex"></p>', "client support: display"),
        (b"</h1>", b'</h1><p style=3D"gap:1px"></p>', "client support: property gap is not"),
        (b"</h1>", b'</h1><p style=3D"padding:1px"></p>', "client support: padding"),
        (b"</h1>", b"</h1><ruby></ruby>", "client support: element ruby"),
    ],
)
def test_each_fault_is_named(good: bytes, old: bytes, new: bytes, fault: str) -> None:
    broken = good.replace(old, new)
    assert broken != good
    assert any(found.startswith(fault) for found in lint(broken, hosts=HOSTS)), lint(broken, hosts=HOSTS)


def test_the_style_sheet_of_the_head_is_checked_as_well() -> None:
    page = "<html><head><style>{}</style></head></html>".format
    assert mail_clients.faults(page("@media (max-width: 480px) { .a { padding: 0 !important; } }")) == []
    for style, fault in {
        ".a > .b { color: red }": "selector combined",
        "/* x */ .a { color: red }": "a comment",
        ".a { color: red!important }": "needs a space",
        "@font-face { font: x }": "at-rule font-face",
        "#a { color: red }": "selector id",
    }.items():
        assert any(fault in found for found in mail_clients.faults(page(style))), style


def test_a_part_over_the_limit_is_named(good: bytes) -> None:
    long = good.replace(b"</h1>", b"</h1>" + (b"x" * 70 + b"=\r\n") * 1200)
    assert any(found.startswith("the HTML part takes") for found in lint(long, hosts=HOSTS))
    assert "x" * 70 in bodies(long)["html"]
