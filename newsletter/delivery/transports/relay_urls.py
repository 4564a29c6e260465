"""Relays from addresses such as `smtp+tls://user:password@mx.example.org:587?weight=3`, as EMAIL_URL writes them.

In: addresses and what all relays share. Out: one transport for them all.
Schemes: `smtp` plain, `smtp+tls` (or `smtps`) STARTTLS, `smtp+ssl` TLS from the first byte. `weight` is the share of
the mail (default 1); 0 keeps a relay spare for when the others fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from newsletter.delivery.transports.relay_pool import Member, RelayPool
from newsletter.delivery.transports.smtp_handshake import COMMAND_TIMEOUT, Relay, Security
from newsletter.delivery.transports.smtp_transport import SmtpTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.delivery.transports import Transport

_SCHEMES = {
    "smtp": (Security.NONE, 25),
    "smtp+tls": (Security.STARTTLS, 587),
    "smtps": (Security.STARTTLS, 587),  # as EMAIL_URL means it
    "smtp+ssl": (Security.TLS, 465),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all relays of one stream share."""

    ehlo_name: str
    ca_file: str = ""
    command_timeout: float = COMMAND_TIMEOUT
    dot_timeout: float = 180
    connections: int = 8
    messages_per_connection: int = 1000
    seconds_per_connection: float = 300


def relay_from_url(url: str, *, common: Common) -> tuple[Relay, int]:
    """The relay and its weight. Raises ValueError with a sentence that never repeats the password."""
    try:
        parts = urlsplit(url.strip())
        security, default_port = _SCHEMES[parts.scheme]
        host, port = parts.hostname or "", parts.port or default_port
        weight = int(parse_qs(parts.query).get("weight", ["1"])[0])
    except (KeyError, ValueError):
        raise ValueError("A relay must look like smtp+tls://user:password@host:587?weight=1.") from None
    if not host or weight < 0:
        raise ValueError("A relay needs a host, and a weight of 0 or more.")
    relay = Relay(
        host=host,
        port=port,
        security=security,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        ca_file=common.ca_file,
        ehlo_name=common.ehlo_name,
        command_timeout=common.command_timeout,
        dot_timeout=common.dot_timeout,
    )
    return relay, weight


def open_relays(relays: Sequence[tuple[Relay, int]], *, common: Common) -> Transport:
    """Open one transport for these relays; several share the connections by weight, each with one at least."""
    total = sum(weight for _, weight in relays) or 1
    members = []
    for relay, weight in relays:
        share = max(1, round(common.connections * weight / total)) if weight else common.connections
        lane = SmtpTransport(
            relay,
            connections=share,
            messages_per_connection=common.messages_per_connection,
            seconds_per_connection=common.seconds_per_connection,
        )
        members.append(Member(lane, weight))
    return members[0].lane if len(members) == 1 else RelayPool(members)
