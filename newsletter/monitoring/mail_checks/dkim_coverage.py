"""What the DKIM signatures of a delivered digest cover: one-click unsubscribe needs it (RFC 8058 §4).

In: the bytes of a message as it arrived. Out: findings.
"""

from __future__ import annotations

import email
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parseaddr

from newsletter.delivery.transports.dkim import OVERSIGNED, SIGNED
from newsletter.monitoring.mail_checks.findings import Finding, Level, items_of, tags_of

ONE_CLICK = ("list-unsubscribe", "list-unsubscribe-post")


def check_message(data: bytes) -> list[Finding]:
    """Check that some signature of a delivered digest covers what one-click unsubscribe needs, and the other fields.

    The signature itself is not verified: the receiver did that and says so in Authentication-Results.
    """
    message = email.message_from_bytes(data)
    held = [name.lower() for name in message]
    findings = []
    if absent := [name for name in ONE_CLICK if held.count(name) != 1]:
        text = f"not exactly one {_titles(absent)}. Is this a digest? Only digests offer it."
        findings.append(Finding(Level.PROBLEM, "One-click", text))
    signatures = [tags_of(str(value)) for value in message.get_all("DKIM-Signature", [])]
    if not signatures:
        text = "None. Let the relay sign, or set DKIM_KEY_FILE."
        return [*findings, Finding(Level.PROBLEM, "DKIM signature", text)]
    author = parseaddr(str(message.get("From", "")))[1].rpartition("@")[2].lower()
    judged = [_check_signature(tags, held=held, author=author) for tags in signatures]
    if any(finding.level is not Level.PROBLEM for finding in judged):  # one good signature is enough
        judged = [Finding(Level.ADVICE, one.subject, one.text) if one.level is Level.PROBLEM else one for one in judged]
    return findings + judged


def _check_signature(tags: Mapping[str, str], *, held: Sequence[str], author: str) -> Finding:
    domain, names = tags.get("d", "").lower(), items_of(tags.get("h", ""))
    subject = f"DKIM signature {tags.get('s', '')} of {domain}"
    if tags.get("a", "").lower() != "rsa-sha256":
        text = f"{tags.get('a')}: not every receiver verifies that. Sign with rsa-sha256."
        return Finding(Level.PROBLEM, subject, text)
    if not (domain == author or author.endswith(f".{domain}") or domain.endswith(f".{author}")):
        return Finding(Level.PROBLEM, subject, f"It is not of {author}, the domain in From. Sign with that domain.")
    if "l" in tags:
        return Finding(Level.PROBLEM, subject, "It covers only part of the body. Remove l= from the signer.")
    if unsigned := [name for name in ONE_CLICK if name not in names]:
        text = f"Without {_titles(unsigned)} receivers offer no one-click unsubscribe. See docs/operations.md."
        return Finding(Level.PROBLEM, subject, text)
    advice = []
    if unsigned := [name for name in SIGNED if name in held and name not in names]:
        advice.append(f"Sign {_titles(unsigned)} too.")
    if single := [name for name in sorted(OVERSIGNED) if names.count(name) <= held.count(name)]:
        advice.append(f"Name {_titles(single)} once more than they occur, so that none can be added (oversigning).")
    if advice:
        return Finding(Level.ADVICE, subject, " ".join(["It covers one-click unsubscribe.", *advice]))
    more = len(set(names)) - len(ONE_CLICK)
    return Finding(Level.OK, subject, f"It covers one-click unsubscribe and {more} more fields.")


def _titles(names: Iterable[str]) -> str:
    return ", ".join(name.title().replace("Mime", "MIME").replace("-Id", "-ID") for name in names)
