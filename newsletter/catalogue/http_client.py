"""One polite client for every source of papers.

In: an https address on a host the source names. Out: the bytes of a 200, or that nothing changed. Everything
else is a FetchError that says when to try again. Each host has one rate for all workers on all machines, kept in
SourceHost, by compare-and-set, so this may run anywhere at once. No address leads inside our network:
every hop of a redirect is checked, and the connection goes to the very address that was checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import httpx
from django.conf import settings

from newsletter.models import SourceHost
from subscriptions.retry_backoff import backoff

_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)
_REFUSED = {429, 503}
_NO_SUCH_THING = frozenset(
    {400, 404, 410}
)  # the question was wrong; the host is well, and the next question may be put to it
_REDIRECTED = {301, 302, 303, 307, 308}
_RATE_LIMIT_RESET = re.compile(r"\bt=(\d{1,6})\b")
_RATE_LIMIT_LEFT = re.compile(r"\br=0\b")
# IPv6 addresses that lead to the IPv4 address in their last four bytes: mapped, translated, compatible, behind NAT64.
_CARRIES_IPV4 = [ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96")]
# Inside a network as well, though not every Python says so: protocol assignments, NAT64 of one's own, site-local.
_INSIDE = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "64:ff9b:1::/48", "fec0::/10")]


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Limits on a request. The defaults are for the internet; tests on loopback loosen them."""

    scheme: str = "https"
    public_only: bool = True
    redirects: int = 3
    max_bytes: int = 32 * 1024 * 1024
    silence: float = 20.0  # seconds without a byte
    in_all: float = 90.0  # seconds
    pages: int = 300  # of one source, one after the other
    wrong_questions: frozenset[int] = _NO_SUCH_THING  # answers after which the host may be asked something else at once


WORLD = FetchPolicy()


@dataclass(frozen=True, slots=True)
class FetchResponse:
    status: int  # 200, or 304 when what we have is still right
    body: bytes
    etag: str
    modified: str
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)  # names in any case


class FetchError(Exception):
    """The fetch gave no usable response. `retry_at` is when the host may be asked again, if known."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        wait: timedelta | None = None,  # what the host asked for
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.status, self.wait, self.retry_at = reason, status, wait, retry_at


class HostBusy(FetchError):
    """Another worker has the turn at this host. Nothing was sent."""


def fetch(
    url: str,
    *,
    hosts: frozenset[str],
    content_types: frozenset[str],
    now: datetime,
    spacing: timedelta,
    etag: str = "",
    modified: str = "",
    headers: Mapping[str, str] | None = None,
    rules: FetchPolicy = WORLD,
    post: bytes | None = None,
) -> FetchResponse:
    """Send one request, following redirects among `hosts`; a POST of the bytes of `post` when there are any.

    Raises FetchError, or HostBusy when another worker has the turn. `spacing` is left between two requests to one
    organisation's hosts, over all machines.

    A FetchError without `retry_at` is about this one address: others of the host may be asked.
    """
    conditions = {name: value for name, value in (("If-None-Match", etag), ("If-Modified-Since", modified)) if value}
    conditions |= headers or {}
    started = time.monotonic()

    def present() -> datetime:
        return now + timedelta(seconds=time.monotonic() - started)

    for _ in range(rules.redirects + 1):
        parts = _checked(url, hosts=hosts, rules=rules)
        turn = _take_turn(parts, now=present(), spacing=spacing, rules=rules)
        left = rules.in_all - (time.monotonic() - started)
        try:
            answer = asyncio.run(
                _ask(parts, conditions, content_types=content_types, rules=rules, seconds=left, post=post)
            )
        except FetchError as error:
            if error.status in rules.wrong_questions and error.wait is None:
                turn.pass_on(now=present())
            else:
                error.retry_at = turn.give_back(now=present(), error=error)
            raise
        if isinstance(answer, FetchResponse):
            turn.pass_on(now=present() + _asked_backoff(answer))
            return answer
        turn.keep(now=present())
        url = urljoin(url, answer)
    raise FetchError(f"more than {rules.redirects} redirects")


async def _ask(
    parts: SplitResult,
    conditions: dict[str, str],
    *,
    content_types: frozenset[str],
    rules: FetchPolicy,
    seconds: float,
    post: bytes | None,
) -> FetchResponse | str:
    """Send one request: returns the answer, or the address of a redirect. Cut off after ``seconds``."""
    address = address_of(parts, rules=rules)
    pinned = parts._replace(netloc=f"[{address}]" if ":" in address else address)
    if parts.port:
        pinned = pinned._replace(netloc=f"{pinned.netloc}:{parts.port}")
    headers = {"User-Agent": user_agent(), "Accept-Encoding": "gzip", "Host": parts.netloc, **conditions}
    try:
        async with (
            asyncio.timeout(max(seconds, 0.0)),
            httpx.AsyncClient(trust_env=False, timeout=rules.silence) as client,
            client.stream(
                "GET" if post is None else "POST",
                urlunsplit(pinned),
                headers=headers,
                content=post,
                extensions={"sni_hostname": parts.hostname},  # the certificate is checked for the name
            ) as response,
        ):
            if response.status_code in _REDIRECTED:
                return str(response.headers.get("Location", ""))
            if response.status_code not in {200, 304}:
                raise FetchError(
                    f"the host answered {response.status_code} {response.reason_phrase}".strip(),
                    status=response.status_code,
                    wait=retry_after(response),
                )
            body = b""
            if response.status_code == 200:
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                if kind not in content_types:
                    raise FetchError(f"the host answered with {kind or 'something untyped'}", status=200)
                body = await _read(response, rules=rules)
            etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
            return FetchResponse(response.status_code, body, etag[:200], modified[:64], response.headers)
    except TimeoutError as error:
        raise FetchError(f"the answer took longer than {rules.in_all:.0f} seconds") from error
    except httpx.HTTPError as error:
        raise FetchError(f"the connection failed: {type(error).__name__} {error}".strip()[:300]) from error


async def _read(response: httpx.Response, *, rules: FetchPolicy) -> bytes:
    """Read and unpack the body; neither the packed nor the unpacked bytes may exceed ``max_bytes``."""
    packed = response.headers.get("Content-Encoding", "").strip().lower()
    if "," in packed:  # 64 kB packed twice are 60 GB
        raise FetchError("the answer is packed more than once", status=200)
    if packed not in {"", "identity", "gzip", "x-gzip"}:
        raise FetchError(f"the answer is packed in a way that was not asked for: {packed[:40]}", status=200)
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if packed not in {"", "identity"} else None
    chunks, size, received = [], 0, 0
    too_long = FetchError(f"the answer is longer than {rules.max_bytes} bytes", status=200)
    async for raw in response.aiter_raw():
        received += len(raw)
        if received > rules.max_bytes:
            raise too_long
        try:
            chunk = unpacker.decompress(raw, rules.max_bytes + 1 - size) if unpacker else raw
        except zlib.error as error:
            raise FetchError("the answer claims to be gzip but cannot be unpacked", status=200) from error
        size += len(chunk)
        if size > rules.max_bytes:
            raise too_long
        chunks.append(chunk)
    if unpacker and not unpacker.eof:
        raise FetchError("the answer was cut short", status=200)
    return b"".join(chunks)


@dataclass(frozen=True, slots=True)
class _Turn:
    """The right to ask a host, held until it is passed on (or until `in_all` has gone by, should we die)."""

    name: str
    strikes: int
    spacing: timedelta

    def pass_on(self, *, now: datetime) -> None:
        self._free(now + self.spacing, strikes=0)

    def keep(self, *, now: datetime) -> None:
        """Keep the turn for a redirect."""
        self._free(now, strikes=self.strikes)

    def give_back(self, *, now: datetime, error: FetchError) -> datetime:
        """Release the turn and wait as long as the host asked, or with growing back-off."""
        own_wait = backoff(self.strikes + 1, first=_FIRST_WAIT, most=_LONGEST_WAIT)
        wait = own_wait if error.wait is None else min(error.wait, _LONGEST_WAIT)
        free_at = now + max(self.spacing, wait)
        self._free(free_at, strikes=self.strikes + 1)
        return free_at

    def _free(self, free_at: datetime, *, strikes: int) -> None:
        SourceHost.objects.filter(host=self.name).update(free_at=free_at, strikes=strikes)


def _take_turn(parts: SplitResult, *, now: datetime, spacing: timedelta, rules: FetchPolicy) -> _Turn:
    # All hosts of one organisation share a turn: arXiv counts its sub-domains together.
    name = ".".join((parts.hostname or "").split(".")[-2:]) if rules.public_only else parts.netloc
    row, _ = SourceHost.objects.get_or_create(host=name, defaults={"free_at": now})
    taken = SourceHost.objects.filter(host=name, free_at__lte=now).update(
        free_at=now + timedelta(seconds=rules.in_all) + spacing
    )
    if not taken:
        free_at = SourceHost.objects.values_list("free_at", flat=True).get(host=name)
        raise HostBusy(f"{name} may be asked again from {free_at:%H:%M:%S}", retry_at=free_at)
    return _Turn(name, row.strikes, spacing)


def _checked(url: str, *, hosts: frozenset[str], rules: FetchPolicy) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchError("the address cannot be read") from error
    if parts.scheme != rules.scheme or parts.username is not None:
        raise FetchError(f"only plain {rules.scheme} addresses are asked")
    if (parts.hostname or "") not in hosts or (rules.public_only and port not in {None, 443}):
        raise FetchError(f"{parts.netloc} is not a host of this source")
    return parts


def address_of(parts: SplitResult, *, rules: FetchPolicy) -> str:
    """The one address to connect to. Raises FetchError when the name has any that lies inside a network."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"the name {parts.hostname} cannot be resolved") from error
    addresses = [str(one[4][0]) for one in found]
    if rules.public_only and not all(map(_is_public, addresses)):
        raise FetchError(f"{parts.hostname} leads inside a network")
    return addresses[0]


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        is_carrier = any(found in network for network in _CARRIES_IPV4)
        found = ipaddress.IPv4Address(found.packed[-4:]) if is_carrier else found.sixtofour or found
    return found.is_global and not found.is_multicast and not any(found in network for network in _INSIDE)


def retry_after(response: httpx.Response) -> timedelta | None:
    """Retry-After as seconds or date (RFC 9110 §10.2.3), else Hugging Face's RateLimit header when nothing is left."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT)
    if text:
        try:
            return parsedate_to_datetime(text) - parsedate_to_datetime(response.headers.get("Date", ""))
        except (TypeError, ValueError, OverflowError):  # a year of twenty digits
            return None
    limit = response.headers.get("RateLimit", "")
    reset = _RATE_LIMIT_RESET.search(limit)
    if reset and (_RATE_LIMIT_LEFT.search(limit) or response.status_code in _REFUSED):
        return timedelta(seconds=int(reset[1]))
    return None


def _asked_backoff(answer: FetchResponse) -> timedelta:
    """The pause that a host under load asks for with an answer that it gives all the same (Zotero's Backoff header)."""
    text = answer.headers.get("Backoff", "").strip()
    return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT) if text.isdecimal() else timedelta()


def user_agent() -> str:
    return f"Paperboy/{settings.VERSION} (+{settings.SITE_URL})"
