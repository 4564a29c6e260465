"""Bytes of one digest: encodings that survive any text, tokens that stay whole, headers that nothing can break."""

from __future__ import annotations

import base64
import quopri
import re
from email import message_from_string, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail import mime_encoding
from subscriptions import plain_text as mail_text

MARK, TOKEN = "0123456789abcdef01234567", "-_AZaz09-_AZaz09-_AZaz0_"
# Any text with line feeds, leaning to what trips encoders: dots, equals signs, spaces, wide and joined characters.
TEXT = st.text(
    st.one_of(st.sampled_from(" \n.=From -\t👨\u200d👩é中ع\u0301"), st.characters(exclude_categories=["Cs"])),
    max_size=400,
).map(lambda text: text.replace("\r", ""))
LINE = TEXT.map(mail_text.one_line)


def wire_is_sound(encoded: str) -> bool:
    lines = encoded.split("\r\n")
    return (
        encoded.isascii()
        and lines[-1] == ""
        and all(len(line) <= 76 and not line.startswith(".") and "\n" not in line for line in lines)
    )


@given(TEXT, TEXT)
def test_quoted_printable_pieces_join_to_the_text(first: str, second: str) -> None:
    joined = mime_encoding.quoted_printable(first) + mime_encoding.quoted_printable(second)
    assert wire_is_sound(joined)
    assert not re.search(r"[ \t]\r\n|^From ", joined, re.MULTILINE)
    assert quopri.decodestring(joined.encode()).decode() == (first + second).replace("\n", "\r\n")


@given(TEXT, TEXT)
def test_base64_pieces_join_to_the_text_but_for_a_few_spaces(first: str, second: str) -> None:
    joined = mime_encoding.base64_text(first) + mime_encoding.base64_text(second)
    assert wire_is_sound(joined)
    decoded = base64.b64decode("".join(joined.split()), validate=True).decode()
    assert decoded.replace(" ", "") == (first + second).replace("\n", "\r\n").replace(" ", "")
    assert len(decoded) - len((first + second).replace("\n", "\r\n")) <= 4


@given(TEXT, TEXT, TEXT)
def test_a_token_takes_its_marks_place_in_both_encodings(before: str, between: str, after: str) -> None:
    text = f"{before} https://example.org/{MARK}/1{between} x/{MARK}{after}"
    quoted, based = mime_encoding.encode(text, marks=(MARK,))
    quoted = quoted.replace(MARK, TOKEN)
    assert wire_is_sound(quoted)
    wanted = text.replace(MARK, TOKEN).replace("\n", "\r\n")
    assert quopri.decodestring(quoted.encode()).decode() == wanted
    assert based.count(mime_encoding.base64_mark(MARK)) >= 2
    based = based.replace(mime_encoding.base64_mark(MARK), mime_encoding.base64_mark(TOKEN))
    assert wire_is_sound(based)
    decoded = base64.b64decode("".join(based.split()), validate=True).decode()
    assert decoded.replace(" ", "") == wanted.replace(" ", "")
    assert f"https://example.org/{TOKEN}/1" in decoded


def test_a_token_without_a_space_before_it_is_refused_at_compile_time() -> None:
    with pytest.raises(ValueError, match="needs a space"):
        mime_encoding.base64_text(f"a{MARK}", marks=(MARK,))


@pytest.mark.parametrize("title", ["Plain words", "Où est le mot"])
@pytest.mark.parametrize("tail", ["+ 2 more", "+ 2 más", "\uff08另有2篇\uff09"])
def test_a_space_stands_before_the_tail_of_a_subject_which_a_wide_bracket_does_not_need(title: str, tail: str) -> None:
    raw = f"Subject: {mime_encoding.header_text(title, column=9)}{mime_encoding.header_tail(tail)}\r\n\r\n"
    subject = str(message_from_string(raw, policy=policy.default)["Subject"])
    gap = "" if tail[0] != "+" and not title.isascii() else " "
    assert subject == title + gap + tail


@given(LINE)
def test_a_subject_comes_back_as_it_was(title: str) -> None:
    header = "Subject: " + mime_encoding.header_text(title, column=9)
    for line in header.split("\r\n"):
        assert len(line) <= 76
        assert line.isascii()
        assert "\n" not in line
    for word in re.findall(r"=\?utf-8\?[^?]*\?[^?]*\?=", header):
        assert len(word) <= 75
        assert not header.isascii() or decoded_word(word) is not None  # no character is split between words
    assert str(message_from_string(header + "\r\n\r\n", policy=policy.default)["Subject"]) == title


def decoded_word(word: str) -> str:
    _, _, coding, payload, _ = word.split("?")
    if coding == "b":
        return base64.b64decode(payload).decode()
    return quopri.decodestring(payload.encode(), header=True).decode()


@pytest.mark.parametrize(
    "code", [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), 0x2066, 0x2069]
)
def test_no_control_or_bidi_character_passes_into_a_header(code: int) -> None:
    with pytest.raises(ValueError, match="control character"):
        mime_encoding.header_text(f"a{chr(code)}b", column=9)
    assert mail_text.one_line(f"a{chr(code)}b") == "a b"


@given(LINE.filter(bool))
def test_a_display_name_comes_back_as_it_was(name: str) -> None:
    phrase = mime_encoding.header_phrase(name, column=6).replace("\r\n", "")
    shown, address = parseaddr(f"{phrase} <a@example.org>")
    assert address == "a@example.org"
    # Not policy.default, which puts a space between two encoded words of a phrase (against RFC 2047 section 6.2).
    read = str(make_header(decode_header(shown))) if phrase.startswith("=?") else shown
    assert read.split() == name.split()


def test_a_mailbox_keeps_its_address_bare() -> None:
    assert mime_encoding.mailbox("Paperboy <d@example.org>", column=6) == "Paperboy <d@example.org>"
    assert mime_encoding.mailbox("d@example.org", column=6) == "d@example.org"
    assert mime_encoding.mailbox('"Papers, daily" <d@example.org>', column=6) == '"Papers, daily" <d@example.org>'
    assert parseaddr(mime_encoding.mailbox("论文 <d@example.org>", column=6))[1] == "d@example.org"
    with pytest.raises(ValueError, match="not a mail address"):
        mime_encoding.mailbox("Paperboy <dé@example.org>", column=6)
