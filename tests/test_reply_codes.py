"""Every code of RFC 3463, 4954, 5321 and 9110, and what it means here: a change of a table changes a line of this."""

from __future__ import annotations

import pytest

from subscriptions.smtp_replies import OutcomeKind, Phase, Verdict, classify, classify_http, judge, verdict_of_code

GONE, FULL, LIMIT = Verdict.GONE, Verdict.FULL, Verdict.LIMIT
MAILBOX, SENDER = Verdict.MAILBOX, Verdict.SENDER

# RFC 3463 and the registry of IANA: subject and detail, then what 5.x.x and 4.x.x say.
ENHANCED: dict[str, tuple[Verdict | None, Verdict | None]] = {
    "0.0": (None, None),
    "1.0": (None, MAILBOX),
    "1.1": (GONE, MAILBOX),
    "1.2": (GONE, MAILBOX),
    "1.3": (GONE, MAILBOX),
    "1.4": (MAILBOX, MAILBOX),
    "1.5": (MAILBOX, MAILBOX),
    "1.6": (GONE, MAILBOX),
    "1.7": (SENDER, SENDER),
    "1.8": (SENDER, SENDER),
    "1.9": (SENDER, SENDER),
    "1.10": (GONE, MAILBOX),
    "2.0": (None, MAILBOX),
    "2.1": (MAILBOX, MAILBOX),
    "2.2": (FULL, FULL),
    "2.3": (SENDER, SENDER),
    "2.4": (MAILBOX, MAILBOX),
    "3.0": (None, MAILBOX),
    "3.1": (FULL, FULL),
    "3.2": (MAILBOX, MAILBOX),
    "3.3": (MAILBOX, MAILBOX),
    "3.4": (SENDER, SENDER),
    "3.5": (MAILBOX, MAILBOX),
    "4.0": (None, MAILBOX),
    "4.1": (MAILBOX, MAILBOX),
    "4.2": (MAILBOX, MAILBOX),
    "4.3": (MAILBOX, MAILBOX),
    "4.4": (MAILBOX, MAILBOX),
    "4.5": (LIMIT, LIMIT),
    "4.6": (MAILBOX, MAILBOX),
    "4.7": (MAILBOX, MAILBOX),
    "5.0": (None, MAILBOX),
    "5.1": (None, MAILBOX),
    "5.2": (None, MAILBOX),
    "5.3": (LIMIT, LIMIT),
    "5.4": (None, MAILBOX),
    "5.5": (None, MAILBOX),
    "5.6": (None, MAILBOX),
    **{f"6.{detail}": (SENDER, SENDER) for detail in range(11)},
    **{f"7.{detail}": (SENDER, SENDER) for detail in (*range(28), 509, 515, 606)},
    "7.28": (LIMIT, LIMIT),
    "9.9": (None, MAILBOX),
}


@pytest.mark.parametrize("rest", ENHANCED)
def test_every_enhanced_code_blames_whom_the_registry_blames(rest: str) -> None:
    assert (verdict_of_code(f"5.{rest}"), verdict_of_code(f"4.{rest}")) == ENHANCED[rest]
    assert verdict_of_code(f"2.{rest}") is None


@pytest.mark.parametrize("code", ["", "5", "5.1", "x.1.1", "15.1.1", "3.1.1"])
def test_what_is_no_code_says_nothing(code: str) -> None:
    assert verdict_of_code(code) is None


@pytest.mark.parametrize("rest", ENHANCED)
@pytest.mark.parametrize("other", ["1.1", "2.1", "7.1"])
def test_of_two_codes_the_milder_counts(rest: str, other: str) -> None:
    verdicts = [verdict for verdict in (ENHANCED[rest][0], ENHANCED[other][0]) if verdict]
    expected = min(verdicts, key=[SENDER, LIMIT, FULL, MAILBOX, GONE].index)
    assert judge("", codes=[f"5.{rest}", f"5.{other}"]) is expected
    assert judge(f"554 5.{rest}", codes=[f"5.{other}"]) is expected


RETRY, REJECTED, OURS = OutcomeKind.RETRY, OutcomeKind.REJECTED, OutcomeKind.INFRASTRUCTURE
# RFC 5321 §4.2.3, RFC 7504, RFC 4954 §4 and §6, RFC 3207: a bare code, after RCPT.
REPLIES = {
    **dict.fromkeys([211, 214, 220, 221, 235, 250, 251, 252, 334, 354], RETRY),  # out of place
    **dict.fromkeys([421, 432, 450, 451, 452, 454, 455], RETRY),
    **dict.fromkeys([500, 501, 502, 503, 504, 521, 523, 550, 551, 553, 554, 555, 556], REJECTED),
    **dict.fromkeys([530, 534, 535, 538], OURS),
    552: RETRY,
}


@pytest.mark.parametrize("code", REPLIES)
def test_every_reply_code_has_its_meaning(code: int) -> None:
    assert classify(Phase.RCPT, code=code) is REPLIES[code]


@pytest.mark.parametrize("rest", ENHANCED)
def test_every_enhanced_code_on_the_wire(rest: str) -> None:
    kinds = {
        GONE: OutcomeKind.BOUNCED,
        FULL: RETRY,
        LIMIT: RETRY,
        MAILBOX: OutcomeKind.SOFT,
        SENDER: REJECTED,
        None: REJECTED,
    }
    assert classify(Phase.RCPT, code=550, enhanced=f"5.{rest}") is kinds[ENHANCED[rest][0]]
    assert classify(Phase.RCPT, code=550, enhanced=f"4.{rest}") is RETRY


UNKNOWN = OutcomeKind.UNKNOWN
# RFC 9110 §15, RFC 6585 and RFC 8470.
HTTP = {
    **dict.fromkeys([200, 201, 202, 203, 204, 205, 206, 299], OutcomeKind.SENT),
    **dict.fromkeys([100, 199, 300, 301, 302, 303, 304, 307, 308, 399], UNKNOWN),
    **dict.fromkeys([401, 403], OURS),
    **dict.fromkeys([408, 425, 429, 503], RETRY),
    **dict.fromkeys(
        [400, 402, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426], REJECTED
    ),
    **dict.fromkeys([428, 431, 451, 499], REJECTED),
    **dict.fromkeys([500, 501, 502, 504, 505, 511, 599], UNKNOWN),
}


@pytest.mark.parametrize("status", HTTP)
def test_every_http_status_has_its_meaning(status: int) -> None:
    assert classify_http(status) is classify(Phase.API, code=status) is HTTP[status]
