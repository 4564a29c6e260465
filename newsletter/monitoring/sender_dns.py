"""The sender of our mail as the settings describe it, and a DNS client for the checks of its domain.

In: the settings; name servers. Out: a Sender and records for `mail_checks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import parseaddr

import dns.resolver
from django.conf import settings
from dns.exception import DNSException

from newsletter.delivery.choose_transport import signer
from newsletter.monitoring import mail_checks

QUESTION_SECONDS = 5.0


class Dns:
    """DNS client that asks each question once."""

    def __init__(self, *, server: str = "") -> None:
        self._resolver = dns.resolver.Resolver(configure=not server)
        if server:
            address, _, port = server.partition("#")
            self._resolver.nameservers = [address]
            self._resolver.port = int(port or 53)
        self._known: dict[tuple[str, str], list[str]] = {}

    def __call__(self, name: str, kind: str) -> list[str]:
        if (name, kind) not in self._known:
            self._known[name, kind] = self._ask(name, kind)
        return self._known[name, kind]

    def _ask(self, name: str, kind: str) -> list[str]:
        try:
            answer = self._resolver.resolve(name, kind, lifetime=QUESTION_SECONDS, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except DNSException as error:
            raise mail_checks.NoAnswer(f"{kind} of {name}") from error
        if kind == "TXT":  # a long text comes in pieces
            return [b"".join(record.strings).decode("ascii", "replace") for record in answer]
        return [record.to_text() for record in answer]


def sender_of_settings(selectors: Iterable[str] = (), *, ips: Iterable[str] = ()) -> mail_checks.Sender:
    """Return the sender that the settings describe; without selectors, with DKIM_SELECTOR."""
    own = signer()
    return mail_checks.Sender(
        from_domain=_domain(settings.DIGEST_FROM_EMAIL),
        bounce_domain=settings.BOUNCE_DOMAIN.lower(),
        notice_domain=_domain(settings.DEFAULT_FROM_EMAIL),
        reply_domain=_domain(settings.REPLY_TO_EMAIL),
        dkim_domain=settings.DKIM_DOMAIN.lower(),
        selectors=tuple(selectors) or (settings.DKIM_SELECTOR,),
        own_selector=settings.DKIM_SELECTOR if own else "",
        own_key=own.public_key if own else b"",
        site_url=settings.SITE_URL,
        postal_address=settings.POSTAL_ADDRESS,
        ips=tuple(ips),
    )


def _domain(mailbox: str) -> str:
    return parseaddr(mailbox)[1].rpartition("@")[2].lower()
