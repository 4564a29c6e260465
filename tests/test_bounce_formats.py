"""Letters in the manner of many mail systems, made here: each format is recognised, and judged by its own words."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from newsletter.delivery.bounces import Event, ReportKind, parse

VERP = "b+1f.0123456789abcdef0123@papers.example.org"
MESSAGE_ID = "31.89abcdef0123456789ab@papers.example.org"
TOKEN = "AbCdEfGhIjKlMnOpQrStUvWx"
HARD, SOFT, POLICY, DEFERRED = ReportKind.HARD, ReportKind.SOFT, ReportKind.POLICY, ReportKind.DEFERRED
# Our mail as it is returned: its title and headers hold every word that could mislead.
RETURNED = f"""\
Return-Path: <{VERP}>
Received: from relay.papers.example.org by mx.example.net; Sun, 29 Nov 2026 10:00:00 +0000
From: Paperboy <digest@papers.example.org>
To: reader@example.net
Subject: Spam, blocked attention and over quota: no such user is unknown
Message-ID: <{MESSAGE_ID}>
Content-Type: text/plain

Content moderation, policy gradients, DKIM. Mailbox full. User unknown.
"""


def text_bounce(
    body: str,
    *,
    sender: str = "MAILER-DAEMON@mx.example.net",
    subject: str = "Returned mail: see transcript for details",
    header: str = "X-Nothing: here",
    marker: str = "",
) -> bytes:
    head = f"Return-Path: <MAILER-DAEMON>\nDelivered-To: {VERP}\nFrom: {sender}\nSubject: {subject}\n{header}\n"
    return f"{head}\n{body}\n\n{marker}\n\n{RETURNED}".encode()


def report(*blocks: str, text: str = "Not delivered.", status_type: str = "message/delivery-status") -> bytes:
    fields = "\n\n".join(["Reporting-MTA: dns; mx.example.net", *blocks])
    return (
        f"Return-Path: <>\nDelivered-To: {VERP}\nFrom: MAILER-DAEMON@mx.example.net\nSubject: Undelivered\n"
        'MIME-Version: 1.0\nContent-Type: multipart/report; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\n{text}\n\n--b\nContent-Type: {status_type}\n\n{fields}\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{RETURNED}\n--b--\n"
    ).encode()


def block(
    diagnostic: str = "", *, status: str = "5.0.0", to: str = "reader@example.net", action: str = "failed"
) -> str:
    said = f"\nDiagnostic-Code: smtp; {diagnostic}" if diagnostic else ""
    return f"Final-Recipient: rfc822; {to}\nAction: {action}\nStatus: {status}{said}"


def read(letter: bytes) -> Event:
    event = parse.parse(letter)
    assert event is not None
    assert (event.bounce_address, event.message_id) == (VERP, MESSAGE_ID)
    return event


EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  reader@example.net
    SMTP error from remote mail server after {at}:
    host mx.example.net [192.0.2.7]: {answer}"""
QMAIL = """Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<reader@example.net>:
{answer}"""
SENDMAIL = """The original message was received at Sun, 29 Nov 2026 10:00:00 +0000
from localhost [127.0.0.1]

   ----- The following addresses had permanent fatal errors -----
<reader@example.net>

   ----- Transcript of session follows -----
... while talking to mx.example.net.:
{transcript}"""
DMA = """This is the DragonFly Mail Agent v0.13 at relay.example.org.

There was an error delivering your mail to <reader@example.net>.

mx.example.net [192.0.2.7] did not like our {at}:
{answer}

Message headers follow."""
OPENSMTPD = """    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this e-mail.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

reader@example.net: {answer}

    Below is a copy of the original message:"""
COPY = "------ This is a copy of the message, including all the headers. ------"

FORMATS = {
    "exim unknown": (EXIM.format(at="RCPT TO:<reader@example.net>", answer="550 no such user"), COPY, HARD),
    "exim full": (EXIM.format(at="RCPT TO:<reader@example.net>", answer="552 mailbox is over quota"), COPY, SOFT),
    "exim sender": (EXIM.format(at="MAIL FROM:<b@x.example>", answer="550 user unknown"), COPY, POLICY),
    "exim after the body": (EXIM.format(at="end of data", answer="550 user unknown"), COPY, SOFT),
    "exim listed": (EXIM.format(at="RCPT TO:<r@x>", answer="550 5.1.1 listed at zen.spamhaus.org"), COPY, POLICY),
    "exim unrouteable": (EXIM.partition("    SMTP")[0] + "    Unrouteable address", COPY, HARD),
    "exim timeout": (EXIM.partition("    SMTP")[0] + "    retry timeout exceeded", COPY, SOFT),
    "qmail": (
        QMAIL.format(answer="Sorry, no mailbox here by that name. (#5.1.1)"),
        "--- Below this line is a copy.",
        HARD,
    ),
    "qmail 5.7": (QMAIL.format(answer="Sorry, no mailbox here by that name. (#5.7.17)"), "--- Below this line.", SOFT),
    "qmail rcpt": (
        QMAIL.format(answer="192.0.2.7 does not like recipient.\nRemote host said: 550 5.7.1 No such user!"),
        "--- Below this line is a copy of the message.",
        HARD,
    ),
    "qmail expired": (QMAIL.format(answer="I'm not going to try again; it has been in the queue too long."), "", SOFT),
    "sendmail unknown": (SENDMAIL.format(transcript="<<< 550 5.1.1 <r@x>... User unknown"), "", HARD),
    "sendmail host": (SENDMAIL.format(transcript="550 5.1.2 <r@x>... Host unknown (Name server)"), "", HARD),
    "dma unknown": (
        DMA.format(at="RCPT TO", answer="550 5.1.1 <r@x>: Recipient address rejected: User unknown"),
        "",
        HARD,
    ),
    "dma dmarc": (DMA.format(at="final DATA", answer="550 5.7.509 does not pass DMARC verification"), "", POLICY),
    "opensmtpd": (OPENSMTPD.format(answer="550 5.1.1 No such user"), "", HARD),
    "opensmtpd domain": (OPENSMTPD.format(answer="Domain does not exist"), "", HARD),
    "domino": (
        "Your message\n\n  Subject: Spam\n\nwas not delivered to:\n\n  reader@example.net\n\nbecause:\n\n"
        "  User reader (reader@example.net) not listed in Domino Directory",
        "",
        HARD,
    ),
    "exchange 2003": (
        "Your message did not reach some or all of the intended recipients.\n\n      Subject:\tSpam\n\n"
        "The following recipient(s) could not be reached:\n\n      r@x on 29.11.2026\n"
        "            The recipient name is not recognized",
        "",
        HARD,
    ),
    "courier": (
        "UNDELIVERABLE MAIL\n\n<reader@example.net>:\n    mx.example.net [192.0.2.7]:\n>>> RCPT TO:<r@x>\n"
        "<<< 550 5.1.1 unknown user",
        "",
        HARD,
    ),
    "bracketed answer": ("rejected recipient <r@x> (Error following RCPT command): [550 5.1.1 User unknown]", "", HARD),
    "zoho": ("[Status: Error, Address: <r@x>, ResponseCode 552, , Mailbox full]", "", SOFT),
    "mail.ru": (
        "Это письмо создано автоматически.\n\n  reader@example.net\n    SMTP error from remote mail server after "
        "RCPT TO:<reader@example.net>:\n    550 пользователь не найден",
        COPY,
        HARD,
    ),
    "old sendmail": (SENDMAIL.format(transcript="550 <reader@example.net>... User unknown"), "", HARD),
    "old sendmail, another is well": (
        SENDMAIL.format(transcript="550 x.example (smtp)... 550 Host unknown\n250 y.example (smtp)... 250 Deferred"),
        "",
        HARD,
    ),
    "a transcript whose server offers much": (
        "Transcript of session follows.\n\n Out: 250-STARTTLS\n Out: 250-AUTH PLAIN\n In:  DATA\n"
        " Out: 451 4.3.0 Error: queue file write error",
        "",
        SOFT,
    ),
    "hMailServer": (
        "hMailServer sent: RCPT TO:<reader@example.net>\nRemote server replied: 550 Unknown user",
        "",
        HARD,
    ),
    "InterScan": ("Sent <<< RCPT TO:<r@x>\nReceived >>> 550 User unknown", "", HARD),
    "m-FILTER": ("-------server message\n550 unknown user\n\n-------SMTP command\nRCPT TO:<r@x>", "", HARD),
    "1&1": ("SMTP error from remote server for RCPT TO command, host: mx.x.example reason: 550 no such user", "", HARD),
    "IMail, after the body": ("body of message generated response:\n550 user unknown", "", SOFT),
    "google, at RCPT": ("The error that the other server returned was: 550 550 Unknown user (state 14).", "", HARD),
    "google, after the body": ("The error that it returned was: 550 550 Unknown user (state 17).", "", SOFT),
    "google": (
        "Your message wasn't delivered to r@x because the address couldn't be found.\n\n550 #5.1.0 Address rejected.",
        "",
        HARD,
    ),
    "german": ("Ihre Nachricht konnte nicht zugestellt werden.\n\n550 Postfach ist voll", "", SOFT),
    "german, still trying": (
        "DIES IST NUR EINE WARNUNG.\n\nÜbermittlung an folgende Empfänger wurde verzögert.\n\nreader@example.net",
        "",
        DEFERRED,
    ),
    "given up after a while": (
        SENDMAIL.format(
            transcript="<r@x>... Deferred: Connection timed out with x.\n"
            "Message could not be delivered for 5 days\nMessage will be deleted from queue"
        ),
        "",
        SOFT,
    ),
    "japanese": ("このメールは送信できませんでした。\n\nメールボックスの容量が不足しています", "", SOFT),
    "danish": ("Beskeden til reader@example.net kunne ikke leveres: postkassen er fuld.", "", SOFT),
    "czech": ("Zprávu nebylo možné doručit: schránka neexistuje.", "", HARD),
    "japanese, gone": ("宛先のメールアドレスが見つかりませんでした。", "", HARD),
    "chinese, beside the address": (
        "收件人邮件地址(reader@example.net)不存在\nhost mx.example said: 550 User not found",
        "",
        HARD,
    ),
    "yahoo, after the body": (
        "after DATA\n554 delivery error: dd Requested mail action aborted, mailbox not found - mta4014.x.example",
        "",
        HARD,
    ),
    "google group": ("The group may not exist, or you are not allowed. https://groups.google.com/support/", "", POLICY),
    "still trying": ("THIS IS A WARNING MESSAGE ONLY.\nYOU DO NOT NEED TO RESEND.\n\nhas been delayed", "", DEFERRED),
    "too big": ("For the following reason:\n\nMail size limit exceeded.", "", POLICY),
    "says nothing": ("Your mail could not be delivered.", "", SOFT),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_letter_that_follows_no_standard_is_judged_by_its_own_words(name: str) -> None:
    body, marker, kind = FORMATS[name]
    event = read(text_bounce(body, marker=marker))
    assert event.kind is kind
    assert "Spam" not in event.text


@pytest.mark.parametrize(
    ("sender", "header"),
    [
        ("MAILER-DAEMON@x.example", "Auto-Submitted: auto-replied"),
        ("postmaster@x.example", "X-Auto-Response-Suppress: All"),
        ("Mail.Delivery.System@x.example", "X: y"),
        ("post_master@x.example", "X: y"),
        ("robot@x.example", "X-Failed-Recipients: reader@example.net"),
    ],
)
def test_a_mail_system_is_known_by_its_name_whatever_it_calls_its_letter(sender: str, header: str) -> None:
    assert read(text_bounce("550 5.1.1 User unknown", sender=sender, header=header)).kind is HARD


ANSWERS = [
    "Out of office: your mail",
    "Automatic reply: Papers",
    "Auto: away until Monday",
    "Abwesenheitsnotiz: Papers",
    "Réponse automatique : Papers",
    "Respuesta automática: Papers",
    "Risposta automatica: Papers",
    "Resposta automática: Papers",
    "Automatisch antwoord: Papers",
    "Автоответ: Papers",
    "自動応答: Papers",
    "自动回复: Papers",
    "자동 회신: Papers",
]


@pytest.mark.parametrize("subject", ANSWERS)
def test_an_automatic_answer_is_no_bounce(subject: str) -> None:
    body = "I am away; user unknown, 550 5.1.1, mailbox full. Delivery failed."
    header = "Auto-Submitted: auto-replied" if subject == ANSWERS[2] else "X: y"
    for sender in ("reader@example.net", "postmaster@example.net"):
        letter = text_bounce(body, sender=sender, subject=subject, header=header)
        if sender.startswith("reader") or subject != ANSWERS[2]:
            assert parse.parse(letter) is None


@pytest.mark.parametrize(
    "header",
    ["Auto-Submitted: auto-replied (vacation)", "Precedence: auto_reply", "X-Autoreply: yes", "X-Autorespond: on"],
)
def test_an_answer_is_known_by_its_header(header: str) -> None:
    letter = text_bounce("550 5.1.1 User unknown", sender="reader@example.net", subject="Undeliverable", header=header)
    assert parse.parse(letter) is None


@pytest.mark.parametrize(
    ("status", "diagnostic", "text", "kind"),
    [
        ("5.1.1", "550 5.7.1 IP address blacklisted by recipient", "", POLICY),
        ("5.1.1", "552 5.2.2 Over quota", "", SOFT),
        ("5.1.0", "550 5.1.0 <b@x.example> sender rejected", "", POLICY),
        ("5.1.0", "550 Address", "", SOFT),
        ("5.2.1", "550 5.2.1 receiving mail at a rate that prevents more", "", SOFT),
        ("5.2.1", "550 5.2.1 User unknown", "said it (in reply to\n    RCPT TO command)", HARD),
        ("5.2.1", "550 5.2.1 User unknown", "", SOFT),
        ("5.7.1", "550 5.7.1 No such user!", "said it (in reply to RCPT TO command)", HARD),
        ("5.7.1", "550 5.7.1 No such user!", "said it (in reply to end of DATA command)", SOFT),
        ("5.0.0", "550 Unknown user r@x", "said it (in reply to end of DATA command)", SOFT),
        ("5.1.1", "550 5.1.1 User unknown", "said it (in reply to end of DATA command)", HARD),
        ("5.3.0", "", "mailbox for reader is full", SOFT),
        ("5.0.0", "", "550 5.1.1 No such user", HARD),
        ("4.4.7", "450 4.7.1 listed at dnsbl.example", "", POLICY),
        ("5.1.1", "x-unix; procmail: No such user", "", SOFT),
        ("4.0.0", "The domain doesn't receive email: returned Null MX", "", HARD),
        ("5.0.0", "5.1.0 - Unknown address error 550-'5.2.2 Mailbox Full'", "", SOFT),
        ("4.4.7", "", "Message could not be delivered for 5 days", SOFT),
        ("5.4.7", "Delivery expired (message too old)", "", SOFT),
        ("5.4.4", "", "Reason: Illegal host/domain name found", HARD),
        ("5.2.2", "", "Reason: unknown user", SOFT),
        ("5.0.0", "550 permanent failure for one or more recipients (r@x.example:blocked)", "", POLICY),
        ("5.0.0", "550 permanent failure for one or more recipients (r@x.example:550 5.1.1 User Unknown)", "", HARD),
        ("5.7.0", "552 5.7.0 Number of messages in the inbox exceeds its limit", "", SOFT),
        ("5.1.1", "550", "(reason: 550 5.7.1 IP address blacklisted by recipient)", POLICY),  # cut
        ("5.1.1", "550 5.1.1 Recipient address rejected: unverified address: said: 550 User unknown", "", HARD),
    ],
)
def test_a_report_whose_codes_and_words_disagree_is_read_mildly(
    status: str, diagnostic: str, text: str, kind: ReportKind
) -> None:
    failed = block(diagnostic, status=status).replace("smtp; x-unix;", "x-unix;")
    assert read(report(failed, text=text)).kind is kind


def test_the_recipient_we_wrote_to_counts_and_no_other() -> None:
    gone, full = block("550 5.1.1 No such user", status="5.1.1"), "552 5.2.2 Mailbox full"
    assert read(report(gone, block(full, status="5.2.2", to="other@example.net"))).kind is HARD
    assert read(report(gone.replace("reader@", "a@"), block(full, status="5.2.2", to="b@x.example"))).kind is SOFT


FULL_LATER = "550 5.1.1 <reader@example.net> user unknown at this hour: the mailbox is full"


@pytest.mark.parametrize(
    "whole",
    [
        report(block("550 5.1.1 No such user here, try again later", status="5.1.1"), text="(Unknown user reader)"),
        report(
            block(FULL_LATER, status="5.1.1"), text=EXIM.format(at="RCPT TO:<reader@example.net>", answer=FULL_LATER)
        ),
        text_bounce(EXIM.format(at="RCPT TO:<reader@example.net>", answer=FULL_LATER), marker=COPY),
        text_bounce(
            QMAIL.format(answer=f"Remote host said: {FULL_LATER} (#5.1.1)"), marker="--- Below this line is a copy."
        ),
    ],
    ids=["no status yet", "report", "exim", "qmail"],
)
def test_a_letter_that_is_cut_in_the_receivers_answer_suppresses_nobody(whole: bytes) -> None:
    begin = whole.index(b"Unknown user" if b"Unknown user" in whole else b"550")
    end = max(whole.rfind(b"again later"), whole.rfind(b" full"))
    kinds = {event.kind for cut in range(begin, end) if (event := parse.parse(whole[:cut])) is not None}
    assert kinds == {SOFT}


def test_a_letter_that_is_cut_in_the_copy_of_our_mail_says_all_it_has_to_say() -> None:
    whole = report(block("550 5.1.1 No such user", status="5.1.1"))
    for cut in range(whole.index(b"message/rfc822"), len(whole), 20):
        assert parse.parse(whole[:cut]).kind is HARD  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("diagnostic", "kind"),
    [
        ("550 5.1.1 Skrzynka pełna", SOFT),
        ("550 5.1.1 邮箱已满", SOFT),
        ("550 Boîte aux lettres inexistante", HARD),
        ("=?utf-8?B?NTUwIDUuMS4xINC/0L7Rh9GC0L7QstGL0Lkg0Y/RidC40Log0L/QtdGA0LXQv9C+0LvQvdC10L0=?=", SOFT),
    ],
)
def test_an_answer_in_the_receivers_language_is_read(diagnostic: str, kind: ReportKind) -> None:
    said = "mx.example.net said: 550 (in reply to RCPT TO command)"
    assert read(report(block(diagnostic, status="5.1.1" if "5.1.1" in diagnostic else "5.0.0"), text=said)).kind is kind


@pytest.mark.parametrize("line", (Path(__file__).parent / "data" / "answers.tsv").read_text().splitlines())
def test_answers_of_many_systems_and_languages_are_read_as_an_administrator_would(line: str) -> None:
    """A line each: kind, status, command, answer. Written for this; what is no "hard" may cost no reader at once."""
    kind, status, command, answer = line.split("\t")
    said = f"<reader@example.net>: host mx.example.net[192.0.2.7] said: {answer} (in reply to {command} command)"
    assert read(report(block(answer, status=status), text=said)).kind == kind


@pytest.mark.parametrize("sender", ["postmaster@uni.example", "Anna <postmaster@uni.example>", "bounces@uni.example"])
@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("Re: 5 papers", "Your link tells me that the user is unknown. Can you help?"),
        ("Your mails", "Next year our users no longer exist at this domain: the address is invalid then."),
        ("AW: Abwesenheit", "Ich bin im Urlaub. Das Postfach ist voll."),
        ("Ticket 17", "We received your request: no such user."),
        ("Spam summary", "Three messages were blocked for you."),
    ],
)
def test_a_person_at_a_systems_address_sends_no_bounce(sender: str, subject: str, body: str) -> None:
    letter = text_bounce(body, sender=sender, subject=subject)
    assert parse.parse(letter.replace(b"Return-Path: <MAILER-DAEMON>", b"Return-Path: <anna@uni.example>")) is None


def test_a_bounce_in_an_unknown_language_is_known_by_its_sender() -> None:
    letter = text_bounce("Adres bulunamadi.", sender="mailer-daemon@uni.example", subject="Posta geri döndü")
    assert read(letter).kind is HARD


@pytest.mark.parametrize("action", ["failed (bad destination)", "Failure", "expired", "undeliverable"])
def test_an_action_with_words_or_of_another_name_is_a_failure(action: str) -> None:
    assert read(report(block("550 5.1.1 No such user", status="5.1.1", action=action))).kind is HARD


def test_a_recipient_with_an_answer_and_nothing_else_has_failed() -> None:
    bare = "Final-Recipient: rfc822; reader@example.net\nDiagnostic-Code: smtp; {}"
    assert read(report(bare.format("550-5.1.1 The email account does not exist."))).kind is HARD
    assert read(report(bare.format("552 5.2.2 over quota"))).kind is SOFT
    assert read(report(bare.format("450 4.2.1 busy"))).kind is DEFERRED
    assert parse.parse(report("Final-Recipient: rfc822; reader@example.net")) is None


@pytest.mark.parametrize("action", ["deliverable", "relayed", "expanded"])
def test_a_report_that_nothing_failed_is_no_event(action: str) -> None:
    assert parse.parse(report(block(status="2.0.0", action=action))) is None


def test_a_status_written_into_the_text_is_read() -> None:
    fields = block("550 5.1.1 No such\n user here", status="5.1.1")
    event = read(
        text_bounce(f"Technical report:\n\nReporting-MTA: dns; x.example\n\n{fields}", sender="robot@x.example")
    )
    assert (event.source, event.kind, event.code) == ("dsn", HARD, "550 5.1.1")


def test_a_status_in_base64_is_read_against_the_rules() -> None:
    fields = f"Reporting-MTA: dns; mx.example.net\n\n{block('552 5.2.2 full', status='5.2.2')}".encode()
    letter = report(block("552 5.2.2 full", status="5.2.2"))
    encoded = letter.replace(
        b"status\n\n" + fields, b"status\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(fields)
    )
    assert b"Final-Recipient" not in encoded
    assert (read(encoded).source, read(encoded).code) == ("dsn", "552 5.2.2")
    assert read(encoded.replace(b"base64\n\n", "base64\n\né".encode())).kind is SOFT


def test_what_is_said_beside_the_status_counts_where_nothing_else_is_said() -> None:
    assert read(report(block(status="5.4.4 (Illegal host/domain name found)"))).kind is HARD
    assert read(report(block("550 5.2.2 Mailbox full", status="5.4.4 (Illegal host name)"))).kind is SOFT


@pytest.mark.parametrize(
    ("subject", "body", "kind"),
    [
        ("You r@example.net are not member (cats ML)", "You are not a member of this mailing list.", POLICY),
        ("Loop Alert: Duplicated Message-ID (cats ML)", "Duplicated Message-ID.", SOFT),
    ],
)
def test_a_list_server_complains_as_its_own_administrator(subject: str, body: str, kind: ReportKind) -> None:
    letter = text_bounce(body, sender="cats-admin@x.example", subject=subject, header="X-MLServer: fml [fml 4.0.3]")
    assert read(letter).kind is kind
    post = text_bounce(
        body, sender="cats-admin@x.example", subject="Cats, weekly", header="X-MLServer: fml [fml 4.0.3]"
    )
    assert parse.parse(post.replace(b"<MAILER-DAEMON>", b"<cats-admin@x.example>")) is None


def test_a_multipart_that_does_not_keep_its_boundary_is_read_as_text() -> None:
    letter = report(block("550 5.1.1 No such user", status="5.1.1")).replace(b"--b", b"--other")
    event = parse.parse(letter)
    assert event is not None
    assert event.kind is HARD


@pytest.mark.parametrize(
    ("bounce", "kind"),
    [
        (
            '"bounceType":"Permanent","bouncedRecipients":[{"status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 gone"}]',
            HARD,
        ),
        ('"bounceType":"Transient","bounceSubType":"MailboxFull","bouncedRecipients":[{"emailAddress":"r@x"}]', SOFT),
    ],
)
def test_a_notification_of_amazon_that_comes_by_mail_is_read(bounce: str, kind: ReportKind) -> None:
    body = f'{{"notificationType":"Bounce","bounce":{{{bounce}}}}}\n--\nTo stop this, visit us.'
    event = parse.parse(text_bounce(body, sender="no-reply@sns.example", subject="AWS Notification Message"))
    assert event is not None
    assert event.kind is kind


OUTLOOK = f"X-HmXmrOriginalRecipient: reader@example.net\n{RETURNED}"


@pytest.mark.parametrize(
    "letter",
    [
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n{OUTLOOK}\n--b--\n",
        f"Content-Type: text/plain\n\n{OUTLOOK}",
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n{OUTLOOK}\n--b--\n",
    ],
    ids=["attached", "flat", "in a text part"],
)
def test_outlooks_own_form_is_a_complaint(letter: str) -> None:
    head = "From: staff@hotmail.example\nSubject: complaint about message from 203.0.113.25\nMIME-Version: 1.0\n"
    assert read((head + letter).encode()).kind is ReportKind.COMPLAINED


def test_a_mail_that_talks_of_complaints_is_none() -> None:
    head = "From: somebody@x.example\nSubject: complaint about message from you\n"
    assert parse.parse(f"{head}\nI do not like your papers.".encode()) is None


def test_a_feedback_report_written_as_text_is_a_complaint() -> None:
    parts = "".join(f"--b\nContent-Type: text/plain\n\n{text}\n" for text in ("Feedback-Type: abuse\nA: x", RETURNED))
    head = "From: fbl@x.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
    assert read(f"{head}{parts}\n--b--\n".encode()).kind is ReportKind.COMPLAINED


ENCODED = base64.b64encode(f"unsubscribe {TOKEN}".encode()).decode()


@pytest.mark.parametrize(
    "subject",
    [
        f"unsubscribe {TOKEN}",
        f"Unsubscribe\n {TOKEN}",
        f"=?utf-8?Q?unsubscribe_{TOKEN}?=",
        f"=?utf-8?B?{ENCODED}?=",
        f"=?utf-8?Q?unsubscribe_{TOKEN[:9]}?=\n =?utf-8?Q?{TOKEN[9:]}?=",
        f"unsubscribe {TOKEN} [EXTERN]",
        f"[EXT] unsubscribe {TOKEN}",
        f"unsubscribe%20{TOKEN}",
        f"unsubscribe%2520{TOKEN}",
        f"unsubscribe+{TOKEN}",
        f"Re: unsubscribe {TOKEN}",
        f"Fwd: AW: unsubscribe: {TOKEN}",
        f'unsubscribe "{TOKEN}"',
    ],
)
def test_a_request_to_leave_is_found_however_it_was_handed_on(subject: str) -> None:
    event = parse.parse(f"From: reader@example.net\nSubject: {subject}\n\n".encode())
    assert event is not None
    assert (event.kind, event.unsubscribe_token) == (ReportKind.UNSUBSCRIBED, TOKEN)


@pytest.mark.parametrize("subject", ["unsubscribe", "unsubscribe me please now", f"resubscribe {TOKEN}", TOKEN])
def test_without_token_or_wish_nobody_leaves(subject: str) -> None:
    assert parse.parse(f"From: reader@example.net\nSubject: {subject}\n\n".encode()) is None
