"""What receivers look at: each check on records made up here, the command with a name server on loopback."""

from __future__ import annotations

import base64
import re
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from newsletter.delivery.transports.dkim import Signer
from newsletter.monitoring.mail_checks import Finding, Level, NoAnswer, Sender, check_message, check_sender
from tests.relay import OVERSIGN_HEADERS, SIGN_HEADERS, new_key, pem
from tests.test_dkim import DIGEST

DOMAIN = "papers.example.org"
AT = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
Records = Mapping[tuple[str, str], list[str]]


def der(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_record(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, *, tags: str = "v=DKIM1; k=rsa") -> str:
    return f"{tags}; p={base64.b64encode(der(key)).decode()}"


KEY, OTHER = new_key(), new_key()
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))  # always the same: it names a case
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)
GOOD: Records = {
    (DOMAIN, "TXT"): ["site-verification=abc", "v=spf1 include:relay.example.net ip4:192.0.2.0/24 -all"],
    ("relay.example.net", "TXT"): ["v=spf1 a mx ip6:2001:db8::/32 ~all"],
    ("r1._domainkey." + DOMAIN, "TXT"): [key_record(KEY)],
    ("_dmarc." + DOMAIN, "TXT"): ["v=DMARC1; p=quarantine; rua=mailto:dmarc@example.org"],
    (DOMAIN, "MX"): ["10 mx.example.org."],
    ("mx.example.org.", "A"): ["192.0.2.7"],
    ("7.2.0.192.in-addr.arpa", "PTR"): ["mx.example.org."],
    ("mx.example.org", "A"): ["192.0.2.7"],
}
SENDER = Sender(
    from_domain=DOMAIN, bounce_domain=DOMAIN, notice_domain=DOMAIN, reply_domain=DOMAIN, dkim_domain=DOMAIN,
    selectors=("r1",), site_url=f"https://{DOMAIN}", postal_address="Paperboy, 12 Long Lane, Oxford",
    ips=("192.0.2.7",),
)  # fmt: skip


def findings(records: Records, *, sender: Sender = SENDER) -> list[Finding]:
    return check_sender(sender, lookup=lambda name, kind: records.get((name, kind), []))


def finding(subject: str, records: Records, *, sender: Sender = SENDER) -> Finding:
    return next(one for one in findings(records, sender=sender) if one.subject.startswith(subject))


def spf(record: str, **others: str) -> Finding:
    """The finding on this record; the others stand at <name>.example.net."""
    more = {(f"{name}.example.net", "TXT"): [text] for name, text in others.items()}
    return finding("SPF", {**GOOD, (DOMAIN, "TXT"): [record], **more})


def test_a_domain_that_is_set_up_well_passes_every_check() -> None:
    found = findings(GOOD)
    assert {one.level for one in found} == {Level.OK}, [str(one) for one in found]
    assert [one.subject.split()[0] for one in found] == [
        *("SPF", "DKIM", "DMARC", "Alignment", "Mail", "Name", "Site", "Postal")
    ]


def test_a_domain_without_records_fails_every_check_of_the_dns() -> None:
    found = findings({})
    assert [one.subject for one in found if one.level is Level.PROBLEM] == [
        f"SPF of {DOMAIN}", "DKIM key r1", f"DMARC of {DOMAIN}", f"Mail to {DOMAIN}", "Name of 192.0.2.7",
    ]  # fmt: skip


# --- SPF ---


def test_lookups_are_counted_through_includes_and_redirects() -> None:
    assert "3 of 10" in finding("SPF", GOOD).text
    assert (
        "5 of 10 lookups, ends with ~all"
        in spf(
            "v=spf1 mx redirect=a.example.net",
            a="v=spf1 include:b.example.net exists:%{i}.c.org ~all",
            b="v=spf1 ptr ?all",
        ).text
    )


@pytest.mark.parametrize(("count", "level"), [(10, Level.OK), (11, Level.PROBLEM)])
def test_ten_lookups_are_allowed(count: int, level: Level) -> None:
    record = " ".join(["v=spf1", *(f"a:host{number}.example.net" for number in range(count)), "-all"])
    assert spf(record).level is level


def test_a_redirect_beside_all_is_not_followed() -> None:
    assert "0 of 10" in spf("v=spf1 redirect=nowhere.example.net -all").text


@pytest.mark.parametrize(
    ("record", "level", "words"),
    [
        ("v=spf1 ip4:192.0.2.1 +all", Level.PROBLEM, "everybody"),
        ("v=spf1 ip4:192.0.2.1 all", Level.PROBLEM, "everybody"),
        ("v=spf1 ip4:192.0.2.1 ?all", Level.ADVICE, "end it with -all"),
        ("v=spf1 ip4:192.0.2.1", Level.ADVICE, "end it with -all"),
        ("v=spf1 include:gone.example.net -all", Level.PROBLEM, "has no SPF record"),
        (f"v=spf1 include:{DOMAIN} -all", Level.PROBLEM, "includes itself"),
        ("v=spf1 ipv4:192.0.2.1 -all", Level.PROBLEM, "no term"),
        ("v=spf10 -all", Level.PROBLEM, "Publish"),
        ("V=SPF1 MX -ALL", Level.OK, "1 of 10"),
    ],
)  # fmt: skip
def test_a_record_is_read_as_receivers_read_it(record: str, level: Level, words: str) -> None:
    found = spf(record)
    assert (found.level, words in found.text) == (level, True), found


def test_two_records_are_none() -> None:
    assert "join them" in finding("SPF", {**GOOD, (DOMAIN, "TXT"): ["v=spf1 -all", "v=spf1 mx -all"]}).text


def test_the_domain_of_confirmations_needs_its_own_record() -> None:
    found = findings(GOOD, sender=replace(SENDER, notice_domain="hello.example.org"))
    assert [one.level for one in found if one.subject == "SPF of hello.example.org"] == [Level.PROBLEM]


# --- DKIM keys ---


@pytest.mark.parametrize(
    ("record", "level", "words"),
    [
        ("v=DKIM1; p=", Level.PROBLEM, "withdrawn"),
        (key_record(SHORT), Level.PROBLEM, "1024 bits"),
        (key_record(KEY, tags="v=DKIM1; h=sha1"), Level.PROBLEM, "SHA-256"),
        (key_record(KEY, tags="v=DKIM1; s=tlsrpt"), Level.PROBLEM, "not for mail"),
        (key_record(KEY, tags="t=y:s"), Level.ADVICE, "testing"),
        (key_record(KEY, tags="h=sha1 : sha256; s=email"), Level.OK, "2048 bits"),
        (key_record(ED25519, tags="k=ed25519"), Level.PROBLEM, "RSA too"),
        ("v=DKIM1; p=not base64!", Level.PROBLEM, "cannot be read"),
        ("v=DKIM1; p=aGVsbG8=", Level.PROBLEM, "cannot be read"),
        (key_record(KEY, tags="v=DKIM2"), Level.PROBLEM, "None at r1._domainkey"),
    ],
)  # fmt: skip
def test_a_key_must_be_one_that_receivers_accept(record: str, level: Level, words: str) -> None:
    found = finding("DKIM", {**GOOD, (f"r1._domainkey.{DOMAIN}", "TXT"): [record]})
    assert (found.level, words in found.text) == (level, True), found


def test_a_second_signature_may_be_ed25519() -> None:
    second = {(f"r2._domainkey.{DOMAIN}", "TXT"): [key_record(ed25519.Ed25519PrivateKey.generate(), tags="k=ed25519")]}
    sender = replace(SENDER, selectors=("r1", "r2"))
    assert finding("DKIM key r2", {**GOOD, **second}, sender=sender).level is Level.ADVICE


def test_the_published_key_must_belong_to_ours() -> None:
    assert finding("DKIM", GOOD, sender=replace(SENDER, own_selector="r1", own_key=der(KEY))).level is Level.OK
    found = finding("DKIM", GOOD, sender=replace(SENDER, own_selector="r1", own_key=der(OTHER)))
    assert (found.level, "DKIM_KEY_FILE" in found.text) == (Level.PROBLEM, True)


# --- DMARC and alignment ---


def dmarc(records: dict[str, str | list[str]]) -> Finding:
    """The finding with these records at _dmarc.<name>, and no others."""
    stated = {(f"_dmarc.{at}", "TXT"): [text] if isinstance(text, str) else text for at, text in records.items()}
    return finding("DMARC", {key: value for key, value in GOOD.items() if not key[0].startswith("_dmarc")} | stated)


REPORTS = "rua=mailto:d@example.org"


@pytest.mark.parametrize(
    ("records", "level", "words"),
    [
        ({DOMAIN: f"v=DMARC1; p=none; {REPORTS}"}, Level.ADVICE, "move from none"),
        ({DOMAIN: "v=DMARC1; p=reject"}, Level.ADVICE, "Add rua="),
        ({DOMAIN: f"v=DMARC1; p=reject; pct=50; {REPORTS}"}, Level.ADVICE, "done away with pct"),
        ({DOMAIN: f"v=DMARC1; p=reject; t=y; {REPORTS}"}, Level.ADVICE, "not to act"),
        ({DOMAIN: f"v=DMARC1; p=block; {REPORTS}"}, Level.PROBLEM, "no policy"),
        ({DOMAIN: ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}, Level.PROBLEM, "one TXT record"),
        ({DOMAIN: "v=DMARC12; p=reject"}, Level.PROBLEM, "one TXT record"),
        ({"example.org": f"v=DMARC1; p=reject; {REPORTS}"}, Level.OK, "reject, at _dmarc.example.org"),
        ({"example.org": f"v=DMARC1; p=none; sp=reject; {REPORTS}"}, Level.OK, "reject, at _dmarc.example.org"),
        ({"example.org": f"v=DMARC1; p=reject; sp=none; {REPORTS}"}, Level.ADVICE, "none, at _dmarc.example.org"),
        ({"org": f"v=DMARC1; p=reject; psd=y; {REPORTS}"}, Level.PROBLEM, "Publish"),
        ({DOMAIN: f"v=DMARC1; p=reject; {REPORTS}", "example.org": "v=DMARC1; p=none"}, Level.OK, f"_dmarc.{DOMAIN}"),
    ],
)  # fmt: skip
def test_the_policy_is_found_as_rfc_9989_finds_it(records: dict[str, str], level: Level, words: str) -> None:
    found = dmarc(records)
    assert (found.level, words in found.text) == (level, True), found


@pytest.mark.parametrize(
    ("bounce", "signing", "tags", "level"),
    [
        ("bounces.example.org", "example.org", "", Level.OK),
        ("bounces.example.org", "example.org", "; aspf=s", Level.ADVICE),
        ("bounces.example.org", "example.org", "; aspf=s; adkim=s", Level.PROBLEM),
        ("bounces.relay.example", DOMAIN, "", Level.ADVICE),
        ("bounces.relay.example", "relay.example", "", Level.PROBLEM),
        ("bounces.example.org", DOMAIN, "; psd=n", Level.ADVICE),
    ],
)  # fmt: skip
def test_spf_or_dkim_must_speak_for_the_domain_in_from(bounce: str, signing: str, tags: str, level: Level) -> None:
    records = {
        **GOOD,
        (f"_dmarc.{DOMAIN}", "TXT"): [f"v=DMARC1; p=none{tags}"],
        ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none"],
    }
    sender = replace(SENDER, bounce_domain=bounce, dkim_domain=signing)
    assert finding("Alignment", records, sender=sender).level is level


# --- the way back, the name of an address, the settings ---


@pytest.mark.parametrize(
    ("records", "level", "words"),
    [
        ({(DOMAIN, "MX"): ["0 ."]}, Level.PROBLEM, "null MX"),
        ({(DOMAIN, "MX"): []}, Level.PROBLEM, "Neither"),
        ({(DOMAIN, "MX"): [], (DOMAIN, "AAAA"): ["2001:db8::1"]}, Level.ADVICE, "No MX"),
        ({(DOMAIN, "MX"): ["10 gone.example.org."]}, Level.PROBLEM, "gone.example.org. has no address"),
        ({(DOMAIN, "MX"): ["10 gone.example.org.", "20 mx.example.org."]}, Level.ADVICE, "gone.example.org."),
    ],
)  # fmt: skip
def test_bounces_must_find_their_way_back(records: Records, level: Level, words: str) -> None:
    found = finding("Mail to", {**GOOD, **records})
    assert (found.level, words in found.text) == (level, True), found


@pytest.mark.parametrize("over", [{("7.2.0.192.in-addr.arpa", "PTR"): []}, {("mx.example.org", "A"): ["192.0.2.8"]}])
def test_the_name_of_an_address_must_lead_back(over: Records) -> None:
    assert finding("Name of", {**GOOD, **over}).level is Level.PROBLEM


@pytest.mark.parametrize(
    "over",
    [{"site_url": "http://papers.example.org"}, {"site_url": "https://localhost"}, {"postal_address": " "},
     {"postal_address": "Paperboy, 1 Example Street, Example Town"}],
)  # fmt: skip
def test_a_site_without_https_or_address_fails(over: dict[str, str]) -> None:
    found = findings(GOOD, sender=replace(SENDER, **over))
    assert [one.level for one in found].count(Level.PROBLEM) == 1


def test_a_silent_dns_is_told_apart_from_a_missing_record_and_stops_no_other_check() -> None:
    def lookup(name: str, kind: str) -> list[str]:
        if name.startswith("r1."):
            raise NoAnswer(f"{kind} of {name}")
        return GOOD.get((name, kind), [])

    found = check_sender(SENDER, lookup=lookup)
    assert [one.subject for one in found if one.level is Level.PROBLEM] == ["DKIM key r1"]
    assert "did not answer" in next(one.text for one in found if one.level is Level.PROBLEM)


# --- a delivered message ---

SIGNED_DIGEST = Signer(domain=DOMAIN, selector="r1", private_key_pem=pem(KEY)).sign(DIGEST, at=AT)


def without(name: str) -> bytes:
    """The signature with that field taken out of h=."""
    changed = re.sub(rb"(?<=[:=\s])%b:" % name.encode(), b"", SIGNED_DIGEST)
    assert changed != SIGNED_DIGEST
    return changed


def test_a_digest_that_we_signed_covers_everything() -> None:
    found = check_message(SIGNED_DIGEST)
    assert [(one.level, one.subject) for one in found] == [(Level.OK, f"DKIM signature r1 of {DOMAIN}")]


@pytest.mark.parametrize("name", ["list-unsubscribe", "list-unsubscribe-post"])
def test_a_signature_without_one_click_is_a_problem(name: str) -> None:
    (found,) = check_message(without(name))
    assert found.level is Level.PROBLEM
    assert name.title() in found.text


@pytest.mark.parametrize("name", ["list-id", "message-id", "content-type", "subject"])
def test_a_signature_that_leaves_out_less_gets_advice(name: str) -> None:
    (found,) = check_message(without(name))
    assert found.level is Level.ADVICE


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"a=rsa-sha256", b"a=rsa-sha1"), (b"c=relaxed/relaxed;", b"c=relaxed/relaxed; l=9;"), (b"d=papers.", b"d=mail.")],
)  # fmt: skip
def test_a_signature_that_receivers_do_not_count_is_a_problem(old: bytes, new: bytes) -> None:
    (found,) = check_message(SIGNED_DIGEST.replace(old, new, 1))
    assert found.level is Level.PROBLEM


def test_one_good_signature_is_enough() -> None:
    theirs = Signer(domain="provider.example", selector="x", private_key_pem=pem(KEY)).sign(SIGNED_DIGEST, at=AT)
    assert [one.level for one in check_message(theirs)] == [Level.ADVICE, Level.OK]


def test_a_message_without_signature_or_one_click_says_both() -> None:
    found = check_message(b"From: a@papers.example.org\r\nSubject: x\r\n\r\nhi\r\n")
    assert [(one.level, one.subject) for one in found] == [
        (Level.PROBLEM, "One-click"), (Level.PROBLEM, "DKIM signature"),
    ]  # fmt: skip


# --- the command ---


class NameServer(socketserver.ThreadingUDPServer):
    """Answers from a table; long texts in pieces, names that are not in it do not exist."""

    def __init__(self, records: Records) -> None:
        self.records = {(name.rstrip("."), kind): data for (name, kind), data in records.items()}
        super().__init__(("127.0.0.1", 0), _Question)

    @property
    def address(self) -> str:
        return f"127.0.0.1#{self.server_address[1]}"


class _Question(socketserver.BaseRequestHandler):
    server: NameServer

    def handle(self) -> None:
        data, sock = self.request
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        if texts := self.server.records.get((name, kind)):
            if kind == "TXT":
                texts = [" ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200)) for text in texts]
            answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, texts))
        elif name not in {known for known, _ in self.server.records}:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        sock.sendto(answer.to_wire(), self.client_address)


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    with NameServer(GOOD) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def _production(settings: Settings) -> None:
    settings.SITE_URL = f"https://{DOMAIN}"
    settings.POSTAL_ADDRESS = "Paperboy, 12 Long Lane, Oxford"


def run(*arguments: str) -> list[str]:
    out = StringIO()
    try:
        call_command("check_mail", *arguments, stdout=out)
    except CommandError as error:
        out.write(f"exit {error.returncode}: {error}\n")
    return out.getvalue().splitlines()


@pytest.mark.usefixtures("_production")
def test_the_command_asks_the_dns_and_prints_a_line_a_check(name_server: NameServer) -> None:
    lines = run("--dns", name_server.address, "--selector", "r1", "--ip", "192.0.2.7")
    assert len(lines) == 8
    assert [line for line in lines if not line.startswith("ok  ")] == []
    assert "2048 bits" in lines[1]


@pytest.mark.usefixtures("_production")
def test_the_command_fails_when_something_essential_is_missing(name_server: NameServer) -> None:
    lines = run("--dns", name_server.address)
    assert lines[1].startswith(f"problem  DKIM key paperboy: None at paperboy._domainkey.{DOMAIN}")
    assert lines[-1] == "exit 1: 1 of 7 checks failed."


@pytest.mark.usefixtures("_production")
def test_the_command_compares_our_own_key_with_the_published_one(
    name_server: NameServer, settings: Settings, tmp_path: Path
) -> None:
    settings.DKIM_KEY_FILE, settings.DKIM_SELECTOR = str(tmp_path / "dkim.pem"), "r1"
    (tmp_path / "dkim.pem").write_bytes(pem(KEY))
    assert run("--dns", name_server.address)[1].startswith("ok")
    settings.DKIM_KEY_FILE = str(tmp_path / "other.pem")
    (tmp_path / "other.pem").write_bytes(pem(OTHER))
    assert "does not belong to DKIM_KEY_FILE" in run("--dns", name_server.address)[1]


def test_the_command_reads_a_delivered_message(tmp_path: Path) -> None:
    (tmp_path / "good.eml").write_bytes(SIGNED_DIGEST)
    assert run("--eml", str(tmp_path / "good.eml")) == [
        f"ok       DKIM signature r1 of {DOMAIN}: It covers one-click unsubscribe and 10 more fields."
    ]
    (tmp_path / "bad.eml").write_bytes(without("list-unsubscribe-post"))
    assert run("--eml", str(tmp_path / "bad.eml"))[-1] == "exit 1: 1 of 1 checks failed."
    assert "cannot be read" in run("--eml", str(tmp_path / "none.eml"))[0]


def test_what_is_no_address_is_refused_with_a_sentence() -> None:
    assert "192.0.2.300" in run("--ip", "192.0.2.300")[-1]
    assert run("--dns", "name.example")[-1].startswith("exit 1:")


def test_the_handbook_names_the_fields_that_opendkim_must_be_told_to_sign() -> None:
    handbook = (Path(__file__).parent.parent / "docs" / "operations.md").read_text()
    assert re.search(rf"^\s*SignHeaders\s+{re.escape(SIGN_HEADERS)}$", handbook, flags=re.MULTILINE)
    assert re.search(rf"^\s*OversignHeaders\s+{re.escape(OVERSIGN_HEADERS)}$", handbook, flags=re.MULTILINE)
