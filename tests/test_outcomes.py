"""The one table of what a reply means."""

from __future__ import annotations

import pytest

from newsletter.delivery.transports import Kind, Phase
from newsletter.delivery.transports.outcomes import classify, classify_http, outcome, redact

ANSWERED = [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY, Phase.DOT]


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.EHLO, Phase.TLS, Phase.AUTH])
@pytest.mark.parametrize("code", [0, 421, 454, 500, 535, 554])
def test_whatever_goes_wrong_before_mail_is_nobodys_fault(phase: Phase, code: int) -> None:
    assert classify(phase, code=code) is Kind.INFRASTRUCTURE


@pytest.mark.parametrize("phase", ANSWERED)
@pytest.mark.parametrize(("code", "enhanced"), [(421, "4.3.2"), (450, "4.7.1"), (451, ""), (452, "4.2.2"), (499, "")])
def test_every_4yz_is_a_retry_even_after_the_final_dot(phase: Phase, code: int, enhanced: str) -> None:
    assert classify(phase, code=code, enhanced=enhanced) is Kind.RETRY


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        (Phase.MAIL, Kind.RETRY),
        (Phase.RCPT, Kind.RETRY),
        (Phase.DATA, Kind.RETRY),
        (Phase.BODY, Kind.RETRY),
        (Phase.DOT, Kind.UNKNOWN),
        (Phase.API, Kind.UNKNOWN),
        (Phase.COMPOSE, Kind.REJECTED),
    ],
)
def test_silence_is_in_doubt_only_once_the_dot_was_handed_over(phase: Phase, kind: Kind) -> None:
    assert classify(phase, code=0) is kind


@pytest.mark.parametrize("code", [200, 250, 251, 299])
def test_any_2yz_to_the_final_dot_is_sent_and_to_anything_else_is_not(code: int) -> None:
    assert classify(Phase.DOT, code=code) is Kind.SENT
    assert classify(Phase.BODY, code=code) is Kind.RETRY
    assert classify(Phase.DATA, code=code) is Kind.RETRY


def test_a_3yz_to_the_final_dot_leaves_a_doubt() -> None:
    assert classify(Phase.DOT, code=354) is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("phase", "code", "enhanced", "kind"),
    [
        (Phase.RCPT, 550, "5.1.1", Kind.BOUNCED),
        (Phase.RCPT, 550, "5.1.0", Kind.BOUNCED),
        (Phase.RCPT, 550, "5.1.2", Kind.BOUNCED),
        (Phase.RCPT, 553, "5.1.3", Kind.BOUNCED),
        (Phase.RCPT, 551, "5.1.6", Kind.BOUNCED),
        (Phase.RCPT, 556, "5.1.10", Kind.BOUNCED),
        (Phase.RCPT, 550, "5.2.1", Kind.BOUNCED),
        (Phase.DOT, 550, "5.1.1", Kind.BOUNCED),  # one recipient a transaction: the blame is clear
        (Phase.DOT, 550, "5.1.0", Kind.REJECTED),
        (Phase.MAIL, 550, "5.1.1", Kind.REJECTED),  # at MAIL the address is ours
        (Phase.MAIL, 553, "5.1.8", Kind.REJECTED),
        (Phase.RCPT, 550, "5.1.8", Kind.REJECTED),  # bad sender's system address
        (Phase.RCPT, 550, "", Kind.REJECTED),
        (Phase.RCPT, 550, "5.7.1", Kind.REJECTED),
        (Phase.RCPT, 550, "5.7.515", Kind.REJECTED),
        (Phase.DOT, 554, "5.7.1", Kind.REJECTED),
        (Phase.DOT, 554, "5.6.0", Kind.REJECTED),
        (Phase.MAIL, 500, "", Kind.REJECTED),
        (Phase.DATA, 503, "5.5.1", Kind.REJECTED),
        (Phase.RCPT, 599, "5.9.9", Kind.REJECTED),  # unknown: the first digit decides
        (Phase.RCPT, 552, "5.2.2", Kind.RETRY),
        (Phase.DOT, 554, "5.2.2", Kind.RETRY),
        (Phase.RCPT, 552, "", Kind.RETRY),  # too many recipients, or a full mailbox
        (Phase.RCPT, 552, "5.5.3", Kind.RETRY),
        (Phase.MAIL, 552, "5.3.4", Kind.REJECTED),  # too big: it will not shrink
        (Phase.DOT, 552, "5.7.0", Kind.REJECTED),  # a large provider's code for forbidden content
        (Phase.RCPT, 550, "4.2.2", Kind.RETRY),  # the two codes disagree
        (Phase.MAIL, 530, "5.7.0", Kind.INFRASTRUCTURE),
        (Phase.RCPT, 530, "", Kind.INFRASTRUCTURE),
    ],
)
def test_a_5yz_says_whose_fault_it_is(phase: Phase, code: int, enhanced: str, kind: Kind) -> None:
    assert classify(phase, code=code, enhanced=enhanced) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Kind.SENT),
        (202, Kind.SENT),
        (302, Kind.UNKNOWN),
        (400, Kind.REJECTED),
        (401, Kind.INFRASTRUCTURE),
        (403, Kind.INFRASTRUCTURE),
        (422, Kind.REJECTED),
        (429, Kind.RETRY),
        (500, Kind.UNKNOWN),
        (502, Kind.UNKNOWN),
        (503, Kind.RETRY),
        (504, Kind.UNKNOWN),
    ],
)
def test_a_providers_status_is_read_as_http(status: int, kind: Kind) -> None:
    assert classify_http(status) is classify(Phase.API, code=status) is kind


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [("5.1.1 no such user", "5.1.1"), ("2.0.0", "2.0.0"), ("5.1.1x", ""), ("no 5.1.1", ""), ("3.1.1 x", ""), ("", "")],
)
def test_the_enhanced_code_is_read_from_the_start_of_the_text(text: str, enhanced: str) -> None:
    assert outcome(1, Phase.RCPT, code=550, text=text).enhanced == enhanced


def test_the_text_is_short_printable_and_names_nobody() -> None:
    text = redact("<Ada.Lovelace@example.net>: no\x00 such\r\nuser; ask bob@x.example " + "x" * 500)
    assert text.startswith("<address>: no such user; ask <address> xxx")
    assert len(text) == 250
