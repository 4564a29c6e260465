"""An editor's words in the mail's two parts, on the site and in feeds: marks become what they say, nothing more."""

from __future__ import annotations

from typing import Any

import html5lib
import pytest
from django.test import Client
from django.utils import translation
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.mail.editors_words import line_html, line_text, note_html, note_in_mail, note_text
from newsletter.models import Edition
from subscriptions.plain_text import WIDTH, columns
from tests.builders import make_edition, make_paper
from tests.environment import examples

NOTE = """Hello. Two papers about *small memories*, and the [older one](https://example.org/a_b)
says **plainly** where it fails. The data: https://example.org/data.

- Read the first
- then the second:
  slowly

1. One
2. Two

> Not everything
> that counts

Write to <desk@example.org>."""
TEXT = """\
Hello. Two papers about small memories, and the older one
<https://example.org/a_b>
says plainly where it fails. The data: https://example.org/data.

- Read the first
- then the second:
  slowly

1. One
2. Two

> Not everything
> that counts

Write to desk@example.org."""
ALLOWED = {"p": {"dir"}, "ul": set(), "ol": {"start"}, "li": {"dir"}, "blockquote": set(), "em": set(), "br": set()}
ALLOWED |= {"strong": set(), "a": {"href", "rel"}}


def an_edition(**over: Any) -> Edition:
    return Edition(cadence="daily", **over)


def test_marks_become_what_they_say_in_html() -> None:
    html = str(note_html(an_edition(editor_note=NOTE)))

    for part in (
        "<em>small memories</em>",
        '<a href="https://example.org/a_b" rel="noreferrer">older one</a><br>',
        "<strong>plainly</strong>",
        '<a href="https://example.org/data" rel="noreferrer">https://example.org/data</a>.',
        '<li dir="auto">then the second:<br>\nslowly</li>',
        '<ol>\n<li dir="auto">One</li>',
        "<blockquote>",
        '<a href="mailto:desk@example.org" rel="noreferrer">',
    ):
        assert part in html


def test_the_text_part_keeps_lists_quotes_and_addresses() -> None:
    assert note_text(an_edition(editor_note=NOTE)) == TEXT


def test_long_lines_are_wrapped_behind_their_marks() -> None:
    text = note_text(an_edition(editor_note="- " + "word " * 40 + "\n\n> " + "word " * 40))

    lines = text.splitlines()
    assert max(map(columns, lines)) <= WIDTH
    assert [line[:2] for line in lines] == ["- ", "  ", "  ", "", "> ", "> ", "> "]


def test_a_line_under_a_title_has_emphasis_and_links_only() -> None:
    line = "*Read* [this](https://example.org/x) & <b>\n\n- no list"

    assert str(line_html(an_edition(), line)) == (
        '<em>Read</em> <a href="https://example.org/x" class="also-link">this</a> &amp; &lt;b&gt; - no list'
    )
    assert line_text(an_edition(), line) == "Read this <https://example.org/x> & <b> - no list"


def test_words_of_older_editions_look_as_before() -> None:
    edition = an_edition(editor_note="Read *this* & [that](https://e.org).\nNow\n\n- one", note_is_markdown=False)

    assert str(note_html(edition)) == "<p>Read *this* &amp; [that](https://e.org).<br>Now</p>\n\n<p>- one</p>"
    assert '<p class="note" dir="auto">Read *this* &amp; [that](https://e.org). Now</p>' in note_in_mail(edition)
    assert note_text(edition) == "Read *this* & [that](https://e.org). Now\n\n- one"
    assert line_html(edition, "*a* <b>") == "*a* &lt;b&gt;"
    assert line_text(edition, "*a* <b>") == "*a* <b>"


def test_the_note_is_signed_where_somebody_signs() -> None:
    edition = an_edition(editor_note="Hello.", signature="Ana <b> Lima")

    assert note_text(edition) == "Hello.\n\n— Ana <b> Lima"
    assert "— Ana &lt;b&gt; Lima</p>" in note_html(edition)
    assert note_html(an_edition(signature="Ana")) == note_text(an_edition(signature="Ana")) == ""


def test_a_language_has_words_of_its_own_where_somebody_wrote_them() -> None:
    edition = an_edition(editor_note="Hello.", translations={"de": {"editor_note": "Guten Tag."}})

    with translation.override("de"):
        assert note_text(edition) == "Guten Tag."
    with translation.override("fr"):
        assert note_text(edition) == "Hello."


MARKS = st.text(alphabet=st.sampled_from("*_[]()<>!`#-+.1>|\\\"'&:/ \n\tahjtpsx\u202e\x0b\u2028"), max_size=80)


@settings(max_examples=examples(60), deadline=None)
@given(MARKS)
@example("[x](javascript:alert(1)) <javascript:alert(1)> [y](data:text/html,x) [z](vbscript:x)")
@example("<script>alert(1)</script><img src=x onerror=alert(1)>![i](https://e.org/i.png)")
@example('[x](https://e.org/"onclick="alert(1) "t\\"itle")')
@example("> " * 200 + "deep")
@example("*" * 500 + "a" + "*" * 500)
def test_whatever_is_typed_only_harmless_elements_come_out(note: str) -> None:
    edition = an_edition(editor_note=note)
    for html in (str(note_html(edition)), str(line_html(edition, note)).replace(' class="also-link"', "")):
        for element in html5lib.parseFragment(html, namespaceHTMLElements=False).iter():
            if element.tag != "DOCUMENT_FRAGMENT":
                assert element.tag in ALLOWED
                assert set(element.attrib) <= ALLOWED[element.tag] | {"title"}
                assert element.attrib.get("href", "https://").lower().startswith(("https://", "http://", "mailto:"))
    assert "\u202e" not in note_text(edition)


@pytest.mark.django_db
def test_site_and_feed_show_the_same_words(client: Client) -> None:
    edition = make_edition(papers=[make_paper()], editor_note=NOTE, signature="Ana")
    edition.items.update(note="*Look* here")
    Edition.objects.update(state="done", frozen_at=edition.cutoff_at, closes_at=edition.cutoff_at)

    page = client.get(edition.get_absolute_url()).content.decode()
    feed = client.get("/feeds/editions.json").json()["items"][0]["content_html"]

    for shown in (page, feed):
        assert "<em>small memories</em>" in shown
        assert "— Ana" in shown
        assert "<em>Look</em> here" in shown
