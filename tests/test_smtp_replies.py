"""The one table of what a reply means."""

from __future__ import annotations

import pytest

from newsletter.delivery.transports import OutcomeKind, Phase, outcome_of_reply
from subscriptions.smtp_replies import Verdict, classify, classify_http, is_limit, judge, redact

ANSWERED = [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY, Phase.DOT]


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.EHLO, Phase.TLS, Phase.AUTH])
@pytest.mark.parametrize("code", [0, 421, 454, 500, 535, 554])
def test_whatever_goes_wrong_before_mail_is_nobodys_fault(phase: Phase, code: int) -> None:
    assert classify(phase, code=code) is OutcomeKind.INFRASTRUCTURE


@pytest.mark.parametrize("phase", ANSWERED)
@pytest.mark.parametrize(("code", "enhanced"), [(421, "4.3.2"), (450, "4.7.1"), (451, ""), (452, "4.2.2"), (499, "")])
def test_every_4yz_is_a_retry_even_after_the_final_dot(phase: Phase, code: int, enhanced: str) -> None:
    assert classify(phase, code=code, enhanced=enhanced) is OutcomeKind.RETRY


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        (Phase.MAIL, OutcomeKind.RETRY),
        (Phase.RCPT, OutcomeKind.RETRY),
        (Phase.DATA, OutcomeKind.RETRY),
        (Phase.BODY, OutcomeKind.RETRY),
        (Phase.DOT, OutcomeKind.UNKNOWN),
        (Phase.API, OutcomeKind.UNKNOWN),
        (Phase.COMPOSE, OutcomeKind.REJECTED),
    ],
)
def test_silence_is_in_doubt_only_once_the_dot_was_handed_over(phase: Phase, kind: OutcomeKind) -> None:
    assert classify(phase, code=0) is kind


@pytest.mark.parametrize("code", [200, 250, 251, 299])
def test_any_2yz_to_the_final_dot_is_sent_and_to_anything_else_is_not(code: int) -> None:
    assert classify(Phase.DOT, code=code) is OutcomeKind.SENT
    assert classify(Phase.BODY, code=code) is OutcomeKind.RETRY
    assert classify(Phase.DATA, code=code) is OutcomeKind.RETRY


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *[(199, OutcomeKind.UNKNOWN), (200, OutcomeKind.SENT), (299, OutcomeKind.SENT), (300, OutcomeKind.UNKNOWN)],
        *[(354, OutcomeKind.UNKNOWN), (399, OutcomeKind.UNKNOWN), (400, OutcomeKind.RETRY), (499, OutcomeKind.RETRY)],
        (500, OutcomeKind.REJECTED),
    ],
)
def test_the_first_digit_decides_what_an_answer_to_the_final_dot_means(code: int, kind: OutcomeKind) -> None:
    assert classify(Phase.DOT, code=code) is kind


@pytest.mark.parametrize(
    ("phase", "code", "enhanced", "kind"),
    [
        (Phase.RCPT, 550, "5.1.1", OutcomeKind.BOUNCED),
        (Phase.RCPT, 550, "5.1.0", OutcomeKind.REJECTED),  # some say it of the sender
        (Phase.RCPT, 550, "5.2.1", OutcomeKind.SOFT),
        (Phase.RCPT, 550, "5.1.2", OutcomeKind.BOUNCED),
        (Phase.RCPT, 553, "5.1.3", OutcomeKind.BOUNCED),
        (Phase.RCPT, 551, "5.1.6", OutcomeKind.BOUNCED),
        (Phase.RCPT, 556, "5.1.10", OutcomeKind.BOUNCED),
        (Phase.DOT, 550, "5.1.1", OutcomeKind.BOUNCED),  # one recipient a transaction: the blame is clear
        (Phase.DOT, 550, "5.1.0", OutcomeKind.REJECTED),
        (Phase.MAIL, 550, "5.1.1", OutcomeKind.REJECTED),  # at MAIL the address is ours
        (Phase.MAIL, 553, "5.1.8", OutcomeKind.REJECTED),
        (Phase.RCPT, 550, "5.1.8", OutcomeKind.REJECTED),  # bad sender's system address
        (Phase.RCPT, 550, "", OutcomeKind.REJECTED),
        (Phase.RCPT, 550, "5.7.1", OutcomeKind.REJECTED),
        (Phase.RCPT, 550, "5.7.515", OutcomeKind.REJECTED),
        (Phase.DOT, 554, "5.7.1", OutcomeKind.REJECTED),
        (Phase.DOT, 554, "5.6.0", OutcomeKind.REJECTED),
        (Phase.MAIL, 500, "", OutcomeKind.REJECTED),
        (Phase.DATA, 503, "5.5.1", OutcomeKind.REJECTED),
        (Phase.RCPT, 599, "5.9.9", OutcomeKind.REJECTED),  # unknown: the first digit decides
        (Phase.RCPT, 552, "5.2.2", OutcomeKind.RETRY),
        (Phase.DOT, 554, "5.2.2", OutcomeKind.RETRY),
        (Phase.RCPT, 552, "", OutcomeKind.RETRY),  # too many recipients, or a full mailbox
        (Phase.RCPT, 552, "5.5.3", OutcomeKind.RETRY),
        (Phase.MAIL, 552, "5.3.4", OutcomeKind.REJECTED),  # too big: it will not shrink
        (Phase.DOT, 552, "5.7.0", OutcomeKind.REJECTED),  # a large provider's code for forbidden content
        (Phase.RCPT, 550, "4.2.2", OutcomeKind.RETRY),  # the two codes disagree
        (Phase.MAIL, 530, "5.7.0", OutcomeKind.INFRASTRUCTURE),
        (Phase.RCPT, 530, "", OutcomeKind.INFRASTRUCTURE),
    ],
)
def test_a_5yz_says_whose_fault_it_is(phase: Phase, code: int, enhanced: str, kind: OutcomeKind) -> None:
    assert classify(phase, code=code, enhanced=enhanced) is kind


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        (Phase.MAIL, 452, "4.5.3 Too many messages in this session"),
        (Phase.MAIL, 450, "4.7.1 Error: too much mail from 192.0.2.7"),
        (Phase.MAIL, 451, "Too many messages, please wait a while"),
        (Phase.RCPT, 450, "4.7.1 Error: too many recipients from 192.0.2.7"),
        (Phase.RCPT, 550, "5.1.1 <address> - IP has sent to too many recipients this hour"),
        (Phase.RCPT, 451, "4.7.650 The mail server has been temporarily rate limited due to IP reputation"),
        (Phase.DATA, 454, "Throttling failure: Maximum sending rate exceeded."),
        (Phase.DOT, 454, "Throttling failure: Daily message quota exceeded."),
        (Phase.DOT, 550, "5.7.0 Too many emails per second. Please upgrade your plan"),
        (Phase.DOT, 550, "5.4.5 Daily user sending limit exceeded."),
        (Phase.DOT, 550, "5.4.5 Come back tomorrow."),
        (Phase.DATA, 432, "4.3.2 sender thread limit exceeded"),
        (Phase.MAIL, 421, "4.7.28 Gmail has detected an unusual rate of mail"),
        (Phase.MAIL, 421, "Too many connections, slow down. OFR004_104"),
        (Phase.MAIL, 421, "4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume"),
        (Phase.MAIL, 451, "You have exceeded the hourly limit of your account"),
        (Phase.DOT, 554, "5.7.0 The limit on the number of allowed outgoing messages was exceeded. Try again later."),
        (Phase.MAIL, 550, "5.4.6 Unusual sending activity detected"),
        (Phase.DOT, 550, "Maximum credits exceeded"),
        (Phase.API, 429, "Too Many Requests"),
    ],
)
def test_too_much_at_once_is_a_limit_under_any_code(phase: Phase, code: int, text: str) -> None:
    assert is_limit(phase, code=code, text=text)


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        (Phase.RCPT, 450, "4.7.1 greylisted, come back"),
        (Phase.RCPT, 451, "4.3.0 try again later"),
        (Phase.DOT, 452, "4.3.1 insufficient system storage"),
        (Phase.RCPT, 452, "4.2.2 The recipient has exceeded the limit of the account"),
        (Phase.RCPT, 552, "Mailbox full: quota limit exceeded"),
        (Phase.RCPT, 450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents it"),
        (Phase.MAIL, 552, "5.3.4 Message size exceeds fixed limit"),
        (Phase.DOT, 554, "5.4.6 Too many hops"),
        (Phase.DOT, 550, "5.7.1 Too many complaints about mail from you"),
        (Phase.RCPT, 550, "5.1.1 no such user"),
        (Phase.RCPT, 550, "5.7.1 Too many unknown recipients in your mail"),
        (Phase.CONNECT, 421, "4.7.0 too many connections"),  # no conversation: already nobody's fault
        (Phase.DOT, 250, "2.0.0 accepted, rate is fine"),
        (Phase.API, 503, "rate"),
    ],
)
def test_what_is_wrong_with_one_message_or_mailbox_is_no_limit(phase: Phase, code: int, text: str) -> None:
    assert not is_limit(phase, code=code, text=text)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (550, "5.1.0 <b@papers.example.org> sender rejected. AUP#X", OutcomeKind.REJECTED),
        (550, "5.1.1 <r@example.net> - 203.0.113.2 has sent to too many recipients this hour", OutcomeKind.LIMITED),
        (550, "5.2.1 The user you are trying to contact is receiving mail at a rate that prevents", OutcomeKind.RETRY),
        (552, "5.1.1 Boite du destinataire pleine. Recipient overquota.", OutcomeKind.RETRY),
        (553, "5.1.3 http://www.spamhaus.org/query/bl?ip=203.0.113.2", OutcomeKind.REJECTED),
        (550, "5.7.1 No such user!", OutcomeKind.BOUNCED),
        (554, "5.7.1 <r@example.net>: Recipient address rejected: Nonexistent user", OutcomeKind.BOUNCED),
        (550, "Benutzer unbekannt", OutcomeKind.BOUNCED),
        (550, "5.2.1 The account is disabled", OutcomeKind.SOFT),
        (550, "4.2.2 No such user", OutcomeKind.RETRY),
        (550, "5.1.1 spam@example.net: User unknown", OutcomeKind.BOUNCED),  # a word of the address says nothing
    ],
)
def test_the_receivers_words_outrank_its_codes(code: int, text: str, kind: OutcomeKind) -> None:
    assert outcome_of_reply(1, Phase.RCPT, code=code, text=text).kind is kind


@pytest.mark.parametrize(
    ("phase", "verdict"),
    [
        (Phase.RCPT, Verdict.GONE),
        (None, Verdict.MAILBOX),  # a quoted answer, and nobody tells to which command
        (Phase.DATA, Verdict.MAILBOX),  # the recipient was accepted: perhaps only this message is refused
        (Phase.DOT, Verdict.MAILBOX),
        (Phase.MAIL, Verdict.SENDER),  # nobody has named the recipient yet
    ],
)
def test_no_such_user_counts_by_when_it_is_said(phase: Phase | None, verdict: Verdict) -> None:
    assert judge("550 No such user here", phase=phase) is verdict
    assert judge("550 RCP-P2, 5.1.1: no such user", phase=Phase.RCPT) is Verdict.MAILBOX  # Facebook: their preferences
    at_mail = phase is Phase.MAIL
    assert judge("550 5.1.1 No such user", phase=phase) is (Verdict.SENDER if at_mail else Verdict.GONE)


@pytest.mark.parametrize(
    ("text", "codes", "verdict"),
    [
        ("host unknown", [], Verdict.GONE),  # of the domain, so no filter of the reader's says it
        ("host unknown", ["5.1.1"], Verdict.GONE),
        ("host unknown", ["5.2.1"], Verdict.GONE),
        ("host unknown", ["5.2.2"], Verdict.FULL),
        ("host unknown", ["5.7.1"], Verdict.MAILBOX),
        ("user unknown", [], Verdict.MAILBOX),
        ("refused by our policy", [], Verdict.SENDER),  # words that may mean several things: a code decides
        ("refused by our policy", ["5.2.1"], Verdict.MAILBOX),
        ("not found", [], Verdict.MAILBOX),
        ("not found", ["5.7.1"], Verdict.SENDER),
        ("thank you", [], None),
    ],
)
def test_words_after_the_body_are_weighed_with_the_code(text: str, codes: list[str], verdict: Verdict | None) -> None:
    assert judge(text, codes=codes, phase=Phase.DOT) is verdict


@pytest.mark.parametrize(
    "text",
    [
        "450 <r@example.net>: User unknown",
        "host mx.example.net said: 451 no such user",
        "smtp; 450 mailbox does not exist",
        "4.1.2 Domain not found",
        "550 5.1.1 LDAP server is down, cannot look up user",
        "550 5.1.1 Backend database error while looking for the recipient",
    ],
)
def test_an_address_is_not_gone_when_the_receiver_only_put_the_message_off(text: str) -> None:
    """A letter says it when the relay has given up; the directory behind "no such user" may be the one out of order."""
    assert judge(text, codes=["5.1.1" if text.startswith("550") else "4.0.0"]) is Verdict.MAILBOX


@pytest.mark.parametrize(
    "text", ["550 5.1.1 No such user at 450 Main Street", "451 wait; said: 550 5.1.1 unknown user"]
)
def test_a_number_or_an_earlier_answer_does_not_make_a_refusal_temporary(text: str) -> None:
    assert judge(text, phase=Phase.RCPT) is Verdict.GONE


@pytest.mark.parametrize(
    "text",
    [
        "Your mail was rejected because you are not on my contact list",
        "We do not accept newsletters",
        "Mail from this country is not accepted",
        "The address is on the suppression list",
        "DT:SPM mx1, please see the help page",
        "A problem occurred. (Ask your postmaster for help.) (BL)",
        "Messages from 192.0.2.1 weren't sent",
    ],
)
@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", ""])
def test_words_about_the_sender_excuse_the_address_under_any_code(text: str, code: str) -> None:
    assert judge(f"550 {code} {text}", codes=[code]) is Verdict.SENDER


@pytest.mark.parametrize(
    ("code", "words", "verdict"),
    [
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied", Verdict.GONE),
        ("5.7.1", "554 5.7.1 Recipient address rejected: Access denied", Verdict.SENDER),
        ("5.5.0", "550 Requested action not taken: mailbox unavailable (S1)", Verdict.GONE),
        ("5.2.0", "550 Requested action not taken: mailbox unavailable", Verdict.MAILBOX),
        ("5.7.27", "550 Host does not accept mail", Verdict.GONE),
        ("5.7.27", "550 Sender address has null MX", Verdict.SENDER),
        ("5.4.4", "Name service error for name=gone.example type=A: Host not found", Verdict.GONE),
        ("4.4.3", "Name service error for name=gone.example type=A: Host not found, try again", Verdict.MAILBOX),
    ],
)
def test_one_systems_code_and_words_together_say_more_than_either(code: str, words: str, verdict: Verdict) -> None:
    assert judge(words, codes=[code]) is verdict


SAID_UNDER_5_1_1 = [
    *["Account has not been verified yet", "user has no permission to receive external mail", "compte suspendu"],
    *["mail from cloud hosts not accepted here", "Account over its monthly receiving limit", "mailbox being migrated"],
    *["Ihre IP-Adresse steht auf einer Sperrliste", "Votre adresse IP est sur liste noire", "Cuenta desactivada"],
    *["Recipient only accepts mail from members", "Rejected by the allow list of the recipient", "Fraudulent mail"],
    *["recipients rejected by geographic policy", "you need to be whitelisted", "skrzynka w trakcie przenosin"],
    *[
        "käyttäjä ei vastaanota tätä",
        "このメールは受け取れません",
        "قوانين المستلم تمنع ذلك",
        "Recipient address rejected: not this week",
    ],
    *["Callout verification failed: 550 5.1.1 <b+1f@papers.example.org>: User unknown"],
]


@pytest.mark.parametrize("words", SAID_UNDER_5_1_1)
def test_words_of_another_matter_under_5_1_1_lose_no_reader_at_once(words: str) -> None:
    answer = f"5.1.1 <reader@example.net>: {words}"
    assert classify(Phase.RCPT, code=550, enhanced="5.1.1", text=answer) is not OutcomeKind.BOUNCED
    assert judge(f"550 {answer}", codes=["5.1.1"]) in {Verdict.MAILBOX, Verdict.SENDER, Verdict.FULL}


@pytest.mark.parametrize(
    "rest",
    [
        *["", "<reader@example.net>", "<reader@example.net>: Recipient address rejected: example.net", "Rejected."],
        *[
            "https://help.example.net/some/long/path ad1si1997204pbd.83 - gsmtp",
            "... No such alias",
            "unbekannte Mailbox",
        ],
        *["address has been removed", "ユーザーはいません", "такого ящика нет", "kullan\u0131c\u0131 yok"],
    ],
)
def test_5_1_1_alone_or_with_words_of_the_address_is_gone(rest: str) -> None:
    assert classify(Phase.RCPT, code=550, enhanced="5.1.1", text=f"5.1.1 {rest}") is OutcomeKind.BOUNCED
    assert judge(f"550 5.1.1 {rest}") is Verdict.GONE


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("This mailbox has been blocked due to inactivity", Verdict.MAILBOX),
        ("The recipient's account is blocked", Verdict.MAILBOX),
        ("Your account has been blocked", Verdict.SENDER),
        ("Mail from this sender account is blocked", Verdict.SENDER),
        ("Почтовый ящик получателя заблокирован", Verdict.MAILBOX),
        ("Ящик заблокирован", Verdict.MAILBOX),
        ("Ящик отправителя заблокирован", Verdict.SENDER),
        ("mailbox size limit exceeded", Verdict.FULL),
        ("message size limit exceeded", Verdict.SENDER),
        ("Recipient server is not accepting connections", Verdict.MAILBOX),
        ("not accepting connections from your network", Verdict.SENDER),
        ("invalid IP for sending mail of domain", Verdict.SENDER),
        ("this server does not accept mail from example.org", Verdict.SENDER),
        ("Network error on destination MXs for the list of recipients", Verdict.MAILBOX),
        ("Unrouteable mail domain", Verdict.MAILBOX),
        ("Recipient address rejected: unverified address: unknown user", Verdict.GONE),
        ("unverified sender address: unknown user", Verdict.SENDER),
        ("No thank you rejected: Account Unavailable : Possible Forgery", Verdict.SENDER),
        ("Requested action not taken: mailbox name not allowed", Verdict.MAILBOX),
        ("Nachricht ist zu groß", Verdict.SENDER),
        ("Skrzynka pełna", Verdict.FULL),
        ("Kullan\u0131c\u0131 bulunamad\u0131", Verdict.GONE),
        ("收件人不存在", Verdict.GONE),
        ("Ваш IP в черном списке", Verdict.SENDER),
    ],
)
def test_what_is_said_of_the_mailbox_is_not_said_of_the_sender(words: str, verdict: Verdict) -> None:
    assert judge(f"550 {words}", phase=Phase.RCPT) is verdict


@pytest.mark.parametrize(
    "words",
    ["Unknown user: r@example.net", "No such user here", "Unrouteable address", "not listed in Domino Directory"],
)
def test_what_a_system_says_of_itself_is_believed(words: str) -> None:
    assert judge(words) is Verdict.GONE


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.SENT),
        (202, OutcomeKind.SENT),
        (302, OutcomeKind.UNKNOWN),
        (400, OutcomeKind.REJECTED),
        (401, OutcomeKind.INFRASTRUCTURE),
        (403, OutcomeKind.INFRASTRUCTURE),
        (422, OutcomeKind.REJECTED),
        (429, OutcomeKind.RETRY),
        (500, OutcomeKind.UNKNOWN),
        (502, OutcomeKind.UNKNOWN),
        (503, OutcomeKind.RETRY),
        (504, OutcomeKind.UNKNOWN),
    ],
)
def test_a_providers_status_is_read_as_http(status: int, kind: OutcomeKind) -> None:
    assert classify_http(status) is classify(Phase.API, code=status) is kind


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [("5.1.1 no such user", "5.1.1"), ("2.0.0", "2.0.0"), ("5.1.1x", ""), ("no 5.1.1", ""), ("3.1.1 x", ""), ("", "")],
)
def test_the_enhanced_code_is_read_from_the_start_of_the_text(text: str, enhanced: str) -> None:
    assert outcome_of_reply(1, Phase.RCPT, code=550, text=text).enhanced == enhanced


def test_the_text_is_short_printable_and_names_nobody() -> None:
    text = redact("<Ada.Lovelace@example.net>: no\x00 such\r\nuser; ask bob@x.example " + "x" * 500)
    assert text.startswith("<address>: no such user; ask <address> xxx")
    assert len(text) == 250
