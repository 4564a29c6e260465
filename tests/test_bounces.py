"""What comes back by mail, read from letters written after the manner of the mail systems out there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.delivery.bounces import ReportKind, parse
from newsletter.delivery.bounces import failure_kind as status_codes

FOLDER = Path(__file__).parent / "data" / "bounces"
VERP = "b+1f.0123456789abcdef0123@papers.example.org"
MESSAGE_ID = "31.89abcdef0123456789ab@papers.example.org"


def read(name: str) -> bytes:
    return (FOLDER / f"{name}.eml").read_bytes()


REPORTS = [
    ("postfix-unknown-user", ReportKind.HARD, "550 5.1.1"),
    ("postfix-delayed", ReportKind.DEFERRED, "4.4.1"),
    ("postfix-delivered", ReportKind.DELIVERED, "250 2.0.0"),
    ("mailbox-full", ReportKind.SOFT, "552 5.2.2"),
    ("mailbox-full-exchange-words", ReportKind.SOFT, "554 5.2.2"),
    ("account-disabled", ReportKind.SOFT, "550 5.2.1"),
    ("policy-blocklist", ReportKind.POLICY, "554 5.7.1"),
    ("policy-authentication", ReportKind.POLICY, "550 5.7.515"),
    ("policy-vague-code", ReportKind.POLICY, "550 5.0.0"),
    ("vague-code-no-such-user", ReportKind.SOFT, "550 5.0.0"),
    ("vague-code-better-diagnostic", ReportKind.HARD, "550 5.1.1"),
    ("cisco-unknown-address", ReportKind.HARD, "550 5.1.1"),
    ("exchange-online-not-found", ReportKind.HARD, "550 5.1.10"),
    ("exchange-online-access-denied", ReportKind.HARD, "550 5.4.1"),
    ("host-not-found", ReportKind.HARD, "5.4.4"),
    ("sendmail-host-unknown", ReportKind.HARD, "550 5.1.2"),
    ("expired-in-queue", ReportKind.SOFT, "4.4.7"),
    ("greylisted-until-expired", ReportKind.POLICY, "451 4.7.1"),
    ("message-too-large", ReportKind.POLICY, "552 5.3.4"),
    ("null-mx", ReportKind.HARD, "556 5.1.10"),
    ("sender-refused", ReportKind.POLICY, "553 5.1.8"),
    ("alias-one-of-two-fails", ReportKind.DELIVERED, "250 2.0.0"),
    ("action-missing", ReportKind.HARD, "550 5.1.1"),
    ("status-with-words", ReportKind.HARD, "550 5.1.1"),
    ("multipart-mixed", ReportKind.HARD, "550 5.1.1"),
    ("no-message-id", ReportKind.HARD, "550 5.1.1"),
    ("broken-bytes", ReportKind.HARD, "550 5.1.1"),
    ("truncated", ReportKind.HARD, "550 5.1.1"),
    ("complaint", ReportKind.COMPLAINED, "abuse"),
    ("complaint-headers-only", ReportKind.COMPLAINED, "abuse"),
    ("complaint-other", ReportKind.COMPLAINED, "other"),
    ("complaint-opt-out", ReportKind.UNSUBSCRIBED, "opt-out"),
    ("qmail", ReportKind.HARD, "550 5.1.1"),
    ("qmail-full", ReportKind.SOFT, "552 5.2.2"),
    ("exim-old-style", ReportKind.HARD, "550"),
]
SILENT = [
    "postfix-relayed",
    "no-recipient-blocks",
    "complaint-not-spam",
    "complaint-auth-failure",
    "out-of-office",
    "vacation-old-style",
    "answer-from-a-person",
    "spam",
    "leave-without-token",
    "empty",
    "not-a-mail",
]
IDENTIFIED_ELSEWHERE = {
    "delivered-to-names-it",
    "only-the-returned-mail-names-it",
    "verp-in-capitals",
    "complaint-blacked-out",
    "leave-by-mail",
}


def test_every_letter_of_the_collection_is_expected_to_mean_something_or_nothing() -> None:
    names = {path.stem for path in FOLDER.glob("*.eml")}
    assert names == {name for name, *_ in REPORTS} | set(SILENT) | IDENTIFIED_ELSEWHERE


@pytest.mark.parametrize(("name", "kind", "code"), REPORTS)
def test_a_report_is_read(name: str, kind: ReportKind, code: str) -> None:
    event = parse.parse(read(name))
    assert event is not None
    assert (event.kind, event.code) == (kind, code)
    assert event.bounce_address == VERP


@pytest.mark.parametrize("name", SILENT)
def test_what_says_nothing_to_us_is_no_event(name: str) -> None:
    assert parse.parse(read(name)) is None


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("delivered-to-names-it", VERP),
        ("only-the-returned-mail-names-it", VERP),
        ("verp-in-capitals", VERP.upper()),
        ("complaint-blacked-out", ""),
    ],
)
def test_the_delivery_is_named_by_what_we_wrote_ourselves(name: str, address: str) -> None:
    event = parse.parse(read(name))
    assert event is not None
    assert event.bounce_address == address


def test_a_blacked_out_complaint_is_still_known_by_its_message_id() -> None:
    event = parse.parse(read("complaint-blacked-out"))
    assert event is not None
    assert (event.kind, event.message_id) == (ReportKind.COMPLAINED, MESSAGE_ID)


def test_an_unsubscribe_mail_carries_its_token() -> None:
    event = parse.parse(read("leave-by-mail"))
    assert event is not None
    assert (event.kind, event.source, event.unsubscribe_token) == (
        ReportKind.UNSUBSCRIBED,
        "mailto",
        "AbCdEfGhIjKlMnOpQrStUvWx",
    )


def test_the_moment_is_the_reports_own_and_a_senseless_one_is_left_open() -> None:
    bounced, complained, broken = (parse.parse(read(n)) for n in ("postfix-unknown-user", "complaint", "broken-bytes"))
    assert bounced is not None
    assert complained is not None
    assert broken is not None
    assert bounced.at == datetime(2026, 3, 18, 8, 0, 5, tzinfo=UTC)
    assert complained.at == datetime(2026, 3, 18, 9, 30, tzinfo=UTC)
    assert broken.at is None


@pytest.mark.parametrize("name", [name for name, *_ in REPORTS])
def test_a_report_read_twice_is_the_same_event_and_no_other(name: str) -> None:
    data = read(name)
    first, again = parse.parse(data), parse.parse(b"Received: from elsewhere\r\n" + data)
    others = {parse.parse(read(other)).event_id for other, *_ in REPORTS if other != name}  # type: ignore[union-attr]
    assert first is not None
    assert again is not None
    if name != "no-message-id":
        assert first.event_id == again.event_id
    if name not in {"broken-bytes", "truncated", "postfix-unknown-user"}:  # the same report, damaged
        assert first.event_id not in others
    assert len(first.event_id) <= 200


@pytest.mark.parametrize("name", [name for name, *_ in REPORTS])
def test_nobodys_address_is_kept(name: str) -> None:
    event = parse.parse(read(name))
    assert event is not None
    assert "ada" not in event.text.lower()
    assert "@" not in event.text
    assert event.text.isprintable()
    assert len(event.text) <= 250


@pytest.mark.parametrize(
    "letter",
    [
        b"From: " + b"(" * 5000 + b"\r\n\r\nNested comments.",
        b"Content-Type: message/rfc822\r\n\r\n" * 2000,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (part, part) for part in range(1000)),
        b"Content-Type: multipart/mixed; boundary*" + b"9" * 5000 + b"=x\r\n\r\n",
    ],
    ids=["comments", "letters in letters", "parts in parts", "numbered boundary"],
)
def test_a_letter_made_to_trip_the_parser_is_left_alone(letter: bytes) -> None:
    assert parse.parse(letter) is None


def test_a_moment_after_the_last_one_is_left_open() -> None:
    late = re.sub(rb"\r?\nDate: [^\r\n]*", b"\nDate: Fri, 31 Dec 9999 23:59:59 -1400", read("postfix-unknown-user"))
    event = parse.parse(late)
    assert event is not None
    assert event.at is None


@pytest.mark.parametrize("name", ["postfix-unknown-user", "complaint", "qmail", "exim-old-style"])
def test_a_letter_cut_anywhere_is_read_or_left_but_never_an_error(name: str) -> None:
    data = read(name)
    for end in range(0, len(data), 29):
        event = parse.parse(data[:end])
        assert event is None or event.kind in set(ReportKind)


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_letter_is_never_an_error(data: st.DataObject) -> None:
    letter = bytearray(read(data.draw(st.sampled_from([name for name, *_ in REPORTS]))))
    for _ in range(data.draw(st.integers(1, 12))):
        letter[data.draw(st.integers(0, len(letter) - 1))] = data.draw(st.integers(0, 255))
    event = parse.parse(bytes(letter))
    assert event is None or len(event.code) <= 16


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        ("", "", ReportKind.SOFT),
        ("5.1.1", "", ReportKind.HARD),
        ("5.1.1", "blocked by policy", ReportKind.POLICY),  # codes and words disagree: the milder wins
        ("5.1.0", "blocked by policy", ReportKind.POLICY),
        ("5.2.0", "mailbox problem", ReportKind.SOFT),
        ("5.3.0", "5.1.1 unknown user", ReportKind.HARD),
        ("5.6.1", "", ReportKind.POLICY),
        ("5.2.3", "", ReportKind.POLICY),
        ("5.9.9", "", ReportKind.SOFT),
        ("5.0.0", "see 192.0.5.1.1.3 for 5.1.12345", ReportKind.SOFT),  # numbers that only look like codes
    ],
)
def test_a_failure_is_held_against_the_address_only_when_it_is_to_blame(
    status: str, diagnostic: str, kind: ReportKind
) -> None:
    assert status_codes.kind_of_failure(status, diagnostic=diagnostic) is kind


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x" * 250, "x" * 250),
        ("x" * 251, "x" * 250),  # a column holds no more
        ("\n" * 1_999 + "xy", "x"),  # what stands behind 2,000 characters is not looked at
        ("No mailbox\r\n\x00<a@b.example> here", "No mailbox <address> here"),
    ],
)
def test_what_a_receiver_said_becomes_one_short_line(text: str, line: str) -> None:
    assert status_codes.single_line(text) == line


def test_codes_fit_their_column() -> None:
    assert status_codes.codes("5.999.999", diagnostic="550 no") == "550 5.999.999"
    assert status_codes.codes("5.1234567890123", diagnostic="550 no") == "550 5.1234567890"
