"""Which mail of ours a letter is about: marks under tags, in odd headers and in text parts."""

from __future__ import annotations

import email
import email.policy

import pytest

from newsletter.delivery.bounces import parse
from newsletter.delivery.bounces.original_message_ids import marks_of

VERP = "b+1f.0123456789abcdef0123@papers.example.org"
MESSAGE_ID = "31.89abcdef0123456789ab@papers.example.org"
TOKEN = "AbCdEfGhIjKlMnOpQrStUvWx"
LIST_UNSUBSCRIBE = (
    f"List-Unsubscribe: <https://papers.example.org/u/{TOKEN}>,\n"
    f" <mailto:leave@papers.example.org?subject=unsubscribe%20{TOKEN}>"
)
STATUS = "\n".join(
    [
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        "",
        "--b",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example.net",
        "{per_message}",
        "",
        "Final-Recipient: rfc822; reader@example.net",
        "Action: failed",
        "Status: 5.1.1",
        "",
        "--b--",
        "",
    ]
)


def report(*, header: str = "X: y", per_message: str = "X: y") -> bytes:
    return f"Return-Path: <>\n{header}\n{STATUS.format(per_message=per_message)}".encode()


@pytest.mark.parametrize(
    "header",
    [
        f"To: {VERP}",
        f"Delivered-To: prvs=190694bd6d={VERP}",
        f"Delivered-To: btv1==190694bd6d8==={VERP}",
        f"Delivered-To: msprvs1=17abc={VERP}",
        "To: <SRS0=Hs3x=T7=papers.example.org=b+1f.0123456789abcdef0123@forwarder.example>",
        "To: SRS1=Hs3x=first.example==Hs3x=T7=papers.example.org=b+1f.0123456789abcdef0123@second.example",
        "X-Original-To: owner-b+1f.0123456789abcdef0123=papers.example.org@lists.example",
        f"X-Forwarded-To: {VERP}",
        f"X-Real-To: {VERP}",
        f"Received: from mx.example.net by in.papers.example.org\n for <{VERP}>; Sun, 29 Nov 2026 10:00:00 +0000",
    ],
)
def test_the_bounce_address_is_found_under_tags_and_in_the_headers_of_forwarders(header: str) -> None:
    event = parse.parse(report(header=header))
    assert event is not None
    assert (event.bounce_address, event.tied_by) == (VERP, "verp")


def test_the_bounce_address_is_read_from_postfixs_field_in_the_report() -> None:
    event = parse.parse(report(per_message=f"X-Postfix-Sender: rfc822; {VERP}"))
    assert event is not None
    assert event.bounce_address == VERP


@pytest.mark.parametrize("quote", ["", "> ", "    "])
def test_marks_of_a_mail_returned_inside_a_text_are_found(quote: str) -> None:
    returned = f"Return-Path: <{VERP}>\nMessage-ID: <{MESSAGE_ID}>\n{LIST_UNSUBSCRIBE}\nSubject: Papers"
    quoted = "\n".join(quote + line for line in returned.splitlines())
    letter = f"From: MAILER-DAEMON@mx.example.net\nMessage-ID: <own@mx.example.net>\n\nNot delivered.\n\n{quoted}\n"
    marks = marks_of(email.message_from_string(letter, policy=email.policy.compat32))
    assert (marks.bounce_address, marks.message_id, marks.unsubscribe_hint) == (VERP, MESSAGE_ID, TOKEN)


def test_our_message_id_is_preferred_to_another_in_the_text() -> None:
    letter = f"From: MAILER-DAEMON@mx.example.net\n\nMessage-ID: <own@mx.example.net>\nMessage-ID: <{MESSAGE_ID}>\n"
    assert marks_of(email.message_from_string(letter, policy=email.policy.compat32)).message_id == MESSAGE_ID


def test_our_message_id_is_taken_from_what_the_report_answers() -> None:
    event = parse.parse(report(header=f"In-Reply-To: <{MESSAGE_ID}>"))
    assert event is not None
    assert (event.message_id, event.tied_by) == (MESSAGE_ID, "message-id")


def test_a_complaint_without_ids_is_tied_by_the_returned_list_unsubscribe_and_is_no_wish_to_leave() -> None:
    letter = "\n".join(
        [
            "From: fbl@provider.example",
            "Content-Type: multipart/report; report-type=feedback-report; boundary=b",
            "",
            "--b",
            "Content-Type: message/feedback-report",
            "",
            "Feedback-Type: abuse",
            "User-Agent: x/1",
            "",
            "--b",
            "Content-Type: message/rfc822",
            "",
            "From: digest@papers.example.org",
            LIST_UNSUBSCRIBE,
            "",
            "Papers.",
            "--b--",
        ]
    )
    event = parse.parse(letter.encode())
    assert event is not None
    assert (event.unsubscribe_hint, event.unsubscribe_token, event.tied_by) == (TOKEN, "", "list-unsubscribe")


def test_a_token_outside_a_returned_list_unsubscribe_is_no_mark() -> None:
    letter = f"From: MAILER-DAEMON@mx.example.net\n\nhttps://papers.example.org/u/{TOKEN}\n"
    assert marks_of(email.message_from_string(letter, policy=email.policy.compat32)).unsubscribe_hint == ""


def test_without_any_mark_nothing_ties_a_report() -> None:
    event = parse.parse(report())
    assert event is not None
    assert event.tied_by == ""
