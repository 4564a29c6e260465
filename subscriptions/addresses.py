"""Mail and network addresses, normalised once, at the edge.

In: what somebody typed, or what a proxy wrote. Out: the address as written to, the key it is unique by, the network
it came from; or an error that says what is wrong. Pure: no DNS, no database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from email_validator import EmailNotValidError, validate_email


@dataclass(frozen=True)
class Address:
    """``email`` is what mail is sent to: plus tags, dots and case kept, the domain in ASCII. ``key`` is unique."""

    email: str
    key: str
    domain: str

    @property
    def mailbox(self) -> str:
        """Key that rate limits count by: ``J.Doe+news@x.org`` and ``jdoe@x.org`` are the same mailbox."""
        local, _at, domain = self.key.rpartition("@")
        return f"{local.partition('+')[0].replace('.', '') or local}@{domain}"

    def is_below(self, domains: Iterable[str]) -> bool:
        """Whether the domain is one of these or below one of them."""
        return any(f".{self.domain}".endswith(f".{domain.strip().casefold()}") for domain in domains if domain.strip())


def parse_address(text: str) -> Address:
    """The address in ``text``. Raises ValueError, with a reason for the reader, when nobody could be reached there."""
    try:
        found = validate_email(
            text.strip(),
            check_deliverability=False,
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            strict=True,
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    email = found.ascii_email
    if email is None or len(email) > 254:
        raise ValueError("The address is too long.")
    local, _at, domain = email.rpartition("@")
    domain = domain.lower()
    return Address(email=f"{local}@{domain}", key=f"{local.casefold()}@{domain}", domain=domain)


def client_address(peer: str, forwarded_for: str, *, trusted_proxies: int) -> str:
    """The client's IP address as our outermost proxy saw it. Empty when that is no IP address.

    Each proxy appends whom it heard from, so with n proxies of our own only the last n entries are true; anything
    before them was written by the client.
    """
    seen = [part.strip() for part in forwarded_for.split(",")] if forwarded_for else []
    text = seen[-trusted_proxies] if 0 < trusted_proxies <= len(seen) else peer
    found = _parse_ip(text) or _parse_ip(peer)
    return str(found) if found else ""


def network_of(client: str) -> str:
    """The /24 or /64 a client belongs to: what one household or one attacker can easily have."""
    return networks_of(client)[0][0]


def networks_of(client: str) -> list[tuple[str, int]]:
    """The networks to count a client by, the narrowest first, each with how many households' share it may use.

    Of IPv6 the /64, the /56 and the /48: providers hand out a /56 or /48 to one customer, who has all its /64s.
    """
    found = _parse_ip(client)
    if found is None:
        return [("unknown", 1)]
    widths = [(24, 1)] if found.version == 4 else [(64, 1), (56, 2), (48, 4)]
    return [(str(ip_network((found, width), strict=False)), share) for width, share in widths]


def is_loopback(host: str) -> bool:
    """Whether a server of this name is on this very machine, so that a password to it never leaves."""
    found = _parse_ip(host)
    return found.is_loopback if found else host == "localhost"


def _parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip().partition("%")[0])  # the zone of a link-local address may be any text
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
