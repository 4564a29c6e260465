"""Checks of the sending domain's DNS: SPF, DKIM keys, DMARC, where bounces go, the name of its IP address.

In: the settings of a sender and how to ask the DNS. Out: a finding for each check.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from newsletter.delivery.transports.dkim import MIN_BITS
from newsletter.monitoring.mail_checks.findings import Finding, Level, Lookup, NoAnswer, items_of, tags_of
from newsletter.monitoring.mail_checks.spf import check_spf

DMARC_LABELS_MAX = 8  # RFC 9989, tree walk
_POLICIES = {"none", "quarantine", "reject"}
_GONE = ("pct", "rf", "ri")  # tags that RFC 9989 took out of DMARC


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The sender by the settings. ``own_key`` is the public half of our own DKIM key (DER), if we sign."""

    from_domain: str
    bounce_domain: str
    notice_domain: str
    reply_domain: str
    dkim_domain: str
    selectors: tuple[str, ...]
    own_selector: str = ""
    own_key: bytes = b""
    site_url: str
    postal_address: str
    ips: tuple[str, ...] = ()


def check_sender(sender: Sender, *, lookup: Lookup) -> list[Finding]:
    """Run every check, in the order in which an operator sets things up. DNS errors become findings."""
    checks: list[tuple[str, Callable[[], Finding]]] = []
    for domain in dict.fromkeys((sender.bounce_domain, sender.notice_domain)):  # the envelope senders
        checks.append((f"SPF of {domain}", partial(check_spf, domain, lookup=lookup)))
    for selector in sender.selectors:
        key_check = partial(
            check_dkim_key,
            selector,
            domain=sender.dkim_domain,
            lookup=lookup,
            own_key=sender.own_key if selector == sender.own_selector else b"",
            is_only_one=len(sender.selectors) == 1,
        )
        checks.append((f"DKIM key {selector}", key_check))
    for domain in dict.fromkeys((sender.from_domain, sender.notice_domain)):
        checks.append((f"DMARC of {domain}", partial(check_dmarc, domain, lookup=lookup)))
    checks.append(("Alignment", partial(check_alignment, sender, lookup=lookup)))
    for domain in dict.fromkeys((sender.bounce_domain, sender.reply_domain, sender.from_domain)):
        checks.append((f"Mail to {domain}", partial(check_mail_exchange, domain, lookup=lookup)))
    checks += [(f"Name of {ip}", partial(check_reverse_name, ip, lookup=lookup)) for ip in sender.ips]
    findings = []
    for subject, check in checks:
        try:
            findings.append(check())
        except NoAnswer as error:
            findings.append(Finding(Level.PROBLEM, subject, f"The DNS did not answer ({error}). Try again later."))
    return [*findings, check_site(sender.site_url), check_postal_address(sender.postal_address)]


# --- DKIM keys (RFC 6376, 8301) -------------------------------------------------------------------------------------


def check_dkim_key(
    selector: str, *, domain: str, lookup: Lookup, own_key: bytes = b"", is_only_one: bool = True
) -> Finding:
    name = f"{selector}._domainkey.{domain}"
    problem = partial(Finding, Level.PROBLEM, f"DKIM key {selector}")
    records = [tags for tags in map(tags_of, lookup(name, "TXT")) if "p" in tags and tags.get("v", "DKIM1") == "DKIM1"]
    if not records:
        return problem(
            f'None at {name}. Publish "v=DKIM1; k=rsa; p=…" there, or name the selector of your relay: --selector.'
        )
    if len(records) > 1:
        return problem(f"{len(records)} records at {name}; leave one.")
    tags = records[0]
    if not tags["p"]:
        return problem(f"The key at {name} was withdrawn (empty p=). Sign with another selector.")
    kind = tags.get("k", "rsa").lower()
    if kind == "ed25519":
        level = Level.PROBLEM if is_only_one else Level.ADVICE
        return Finding(level, f"DKIM key {selector}", "Ed25519 serves as a second signature only; sign with RSA too.")
    try:
        data = base64.b64decode("".join(tags["p"].split()), validate=True)
        key = serialization.load_der_public_key(data)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return problem(f"The key at {name} cannot be read. Publish it again.")
    if kind != "rsa" or not isinstance(key, rsa.RSAPublicKey):
        return problem(f"The key at {name} is no RSA key.")
    if key.key_size < MIN_BITS:
        return problem(f"{key.key_size} bits; make a new key of {MIN_BITS} bits under a second selector.")
    if "h" in tags and "sha256" not in items_of(tags["h"]):
        return problem(f"The record at {name} forbids SHA-256 (h=). Take h= out.")
    if "s" in tags and not {"*", "email"} & set(items_of(tags["s"])):
        return problem(f"The record at {name} is not for mail (s=). Take s= out.")
    if own_key and data != own_key:
        return problem(f"The key at {name} does not belong to DKIM_KEY_FILE.")
    if "y" in items_of(tags.get("t", "")):
        text = "It says that you are only testing (t=y). Take that out when all is well."
        return Finding(Level.ADVICE, f"DKIM key {selector}", text)
    return Finding(Level.OK, f"DKIM key {selector}", f"RSA, {key.key_size} bits, at {name}.")


# --- DMARC (RFC 9989) -----------------------------------------------------------------------------------------------


def check_dmarc(domain: str, *, lookup: Lookup) -> Finding:
    subject = f"DMARC of {domain}"
    policy = _dmarc_policy(domain, lookup)
    if policy is None:
        text = (
            f'No valid record. Publish one TXT record at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:<a mailbox>".'
        )
        return Finding(Level.PROBLEM, subject, text)
    at, tags = policy
    wanted = tags.get("p", "none") if at == domain else tags.get("sp", tags.get("p", "none"))
    if wanted not in _POLICIES:
        return Finding(Level.PROBLEM, subject, f"{wanted!r} at _dmarc.{at} is no policy: none, quarantine or reject.")
    advice = []
    if wanted == "none":
        advice.append("When the reports are clean, move from none to quarantine or reject.")
    if "rua" not in tags:
        advice.append("Add rua=mailto:<a mailbox> to get the reports.")
    if tags.get("t") == "y":
        advice.append("t=y asks receivers not to act on it yet.")
    if gone := [tag for tag in _GONE if tag in tags]:
        advice.append(f"RFC 9989 has done away with {', '.join(gone)}: take it out.")
    text = " ".join([f"{wanted}, at _dmarc.{at}.", *advice])
    return Finding(Level.ADVICE if advice else Level.OK, subject, text)


def check_alignment(sender: Sender, *, lookup: Lookup) -> Finding:
    """DMARC passes when SPF or DKIM passes for a domain that belongs to the one in From; better both."""
    policy = _dmarc_policy(sender.from_domain, lookup)
    tags = policy[1] if policy else {}
    aligned = {
        "SPF": _is_aligned(sender.bounce_domain, sender.from_domain, tags.get("aspf") == "s", lookup),
        "DKIM": _is_aligned(sender.dkim_domain, sender.from_domain, tags.get("adkim") == "s", lookup),
    }
    missing = [name for name, is_aligned in aligned.items() if not is_aligned]
    if not missing:
        return Finding(Level.OK, "Alignment", f"SPF and DKIM both speak for {sender.from_domain}.")
    text = (
        f"{' and '.join(missing)} does not speak for {sender.from_domain}, the domain in From: choose BOUNCE_DOMAIN "
        "and DKIM_DOMAIN at or below it."
    )
    return Finding(Level.PROBLEM if len(missing) == len(aligned) else Level.ADVICE, "Alignment", text)


def _is_aligned(domain: str, author: str, is_strict: bool, lookup: Lookup) -> bool:
    if domain == author or is_strict:
        return domain == author
    return _organizational_domain(domain, lookup) == _organizational_domain(author, lookup)


def _dmarc_policy(domain: str, lookup: Lookup) -> tuple[str, dict[str, str]] | None:
    """Return the record that applies to the domain and where it was found: its own, else its organization's."""
    for name in dict.fromkeys((domain, _organizational_domain(domain, lookup))):
        if tags := _dmarc_record(name, lookup):
            return name, tags
    return None


def _dmarc_record(domain: str, lookup: Lookup) -> dict[str, str]:
    texts = [text for text in lookup(f"_dmarc.{domain}", "TXT") if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text)]
    return {tag: value.lower() for tag, value in tags_of(texts[0]).items()} if len(texts) == 1 else {}


def _organizational_domain(domain: str, lookup: Lookup) -> str:
    """Return the organizational domain by the tree walk of RFC 9989."""
    labels = domain.split(".")
    names = [
        domain,
        *(".".join(labels[start:]) for start in range(max(1, len(labels) - DMARC_LABELS_MAX + 1), len(labels))),
    ]
    found = domain
    for below, name in zip([domain, *names], names, strict=False):
        tags = _dmarc_record(name, lookup)
        if not tags:
            continue
        if tags.get("psd") == "n":
            return name
        if tags.get("psd") == "y" and name != domain:
            return below
        found = name
    return found


# --- bounces and the address -----------------------------------------------------------------------------------------


def check_mail_exchange(domain: str, *, lookup: Lookup) -> Finding:
    """Whether answers and bounces can come back; many receivers refuse mail from a domain that takes none."""
    subject = f"Mail to {domain}"
    hosts = [record.split()[-1] for record in lookup(domain, "MX")]
    if hosts == ["."]:
        return Finding(Level.PROBLEM, subject, "The domain says that it takes no mail (null MX). Publish a real MX.")
    if not hosts:
        if _has_address(domain, lookup):
            return Finding(Level.ADVICE, subject, "No MX record; mail goes to the domain's own address. Publish an MX.")
        return Finding(Level.PROBLEM, subject, "Neither MX nor address: bounces cannot come back. Publish an MX.")
    lost = [host for host in hosts if not _has_address(host, lookup)]
    if lost:
        level = Level.PROBLEM if len(lost) == len(hosts) else Level.ADVICE
        return Finding(level, subject, f"{', '.join(lost)} has no address. Correct the MX.")
    return Finding(Level.OK, subject, f"goes to {', '.join(hosts)}.")


def check_reverse_name(ip: str, *, lookup: Lookup) -> Finding:
    """Check that the sending IP address has a name, and the name that address."""
    subject = f"Name of {ip}"
    address = ipaddress.ip_address(ip)
    names = [name.rstrip(".") for name in lookup(address.reverse_pointer, "PTR")]
    if not names:
        return Finding(Level.PROBLEM, subject, "None. Ask the provider of the IP address for a PTR record.")
    kind = "A" if address.version == 4 else "AAAA"
    for name in names:
        if address in {ipaddress.ip_address(found) for found in lookup(name, kind)}:
            return Finding(Level.OK, subject, f"{name}, which leads back.")
    return Finding(Level.PROBLEM, subject, f"{names[0]} does not lead back to {ip}. Publish its {kind} record.")


def check_site(url: str) -> Finding:
    parts = urlsplit(url)
    if parts.scheme != "https" or "." not in (parts.hostname or ""):
        text = f"{url} is no public https address; one-click unsubscribe needs one. Set SITE_URL."
        return Finding(Level.PROBLEM, "Site", text)
    return Finding(Level.OK, "Site", url)


def check_postal_address(text: str) -> Finding:
    if not text.strip() or "Example Street" in text:
        return Finding(Level.PROBLEM, "Postal address", "None; the law wants one in every digest. Set POSTAL_ADDRESS.")
    return Finding(Level.OK, "Postal address", " ".join(text.split()))


def _has_address(name: str, lookup: Lookup) -> bool:
    return bool(lookup(name, "A") or lookup(name, "AAAA"))
