"""Webhook POSTs: a few at once, at most 15 seconds each.

In: letters, each with its address and its signed bytes. Out: the result of each, in the same order; never raises. The
status decides, of the answer only a bit is read. Redirects are not followed. No address leads inside our network:
the name is looked up, every address behind it checked, and the connection goes to the one that was checked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx
from django.utils.translation import gettext

from newsletter.catalogue.http_client import FetchError, FetchPolicy, address_of, retry_after, user_agent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)
SECONDS = 15.0  # for a whole try, name look-up and TLS included
BODY_SECONDS = 2.0
BODY_BYTES = 2048
EXCERPT = 300
PUBLIC = FetchPolicy()
PRIVATE = FetchPolicy(public_only=False)  # for trying it out on one machine: WEBHOOK_PRIVATE_TARGETS


@dataclass(frozen=True, slots=True)
class Letter:
    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    status: int | None  # None: there was no answer
    excerpt: str  # of the answer, or what broke
    milliseconds: int
    wait: timedelta | None = None  # what the receiver asked for

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class AddressError(ValueError):
    """The address may not be posted to; the message tells a person why."""


def post_all(letters: Sequence[Letter], *, rules: FetchPolicy, seconds: float = SECONDS) -> list[WebhookResponse]:
    return asyncio.run(_post_all(letters, rules=rules, seconds=seconds))


def check_address(url: str, *, rules: FetchPolicy) -> SplitResult:
    """The parts of an address that may be posted to. Does not look the name up: that is done before each try."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is not None
    except ValueError as error:
        raise AddressError(gettext("the address cannot be read")) from error
    schemes = {"https"} if rules.public_only else {"https", "http"}
    if parts.scheme not in schemes or not parts.hostname or (has_port and not parts.port):
        raise AddressError(gettext("only https addresses are posted to"))
    if parts.username is not None or parts.fragment:
        raise AddressError(gettext("an address holds neither a password nor a fragment"))
    if not url.isascii() or not url.isprintable() or " " in url:
        raise AddressError(gettext("the address holds signs that must be encoded"))
    return parts


async def _post_all(letters: Sequence[Letter], *, rules: FetchPolicy, seconds: float) -> list[WebhookResponse]:
    once = httpx.Limits(max_keepalive_connections=0)  # a connection was checked for one name only
    headers = {"User-Agent": user_agent()}
    async with httpx.AsyncClient(trust_env=False, timeout=seconds, limits=once, headers=headers) as client:
        return await asyncio.gather(*(_post(client, letter, rules=rules, seconds=seconds) for letter in letters))


async def _post(client: httpx.AsyncClient, letter: Letter, *, rules: FetchPolicy, seconds: float) -> WebhookResponse:
    started = time.monotonic()

    def came_of(status: int | None, text: str, wait: timedelta | None = None) -> WebhookResponse:
        return WebhookResponse(status, plainly(text), round((time.monotonic() - started) * 1000), wait)

    try:
        async with asyncio.timeout(seconds):
            parts = check_address(letter.url, rules=rules)
            address = await asyncio.to_thread(address_of, parts, rules=rules)
            async with client.stream(
                "POST",
                _pinned(parts, address),
                content=letter.body,
                headers={
                    "Host": parts.netloc,
                    "Content-Type": "application/json",
                    "Accept-Encoding": "identity",  # an answer is not unpacked: a small one can be made huge
                    **letter.headers,
                },
                extensions={"sni_hostname": parts.hostname},
                follow_redirects=False,
            ) as response:
                text = await _beginning(response)
                said = text or response.reason_phrase
                return came_of(response.status_code, said, retry_after(response))
    except AddressError as error:
        return came_of(None, str(error))
    except FetchError as error:
        return came_of(None, error.reason)
    except TimeoutError:
        return came_of(None, f"no answer within {seconds:g} seconds")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return came_of(None, f"the connection failed: {type(error).__name__} {error}")
    except Exception as error:  # an answer is a stranger's: it may fail its own delivery, not the others
        log.exception("The answer of a webhook cannot be read")
        return came_of(None, f"the answer cannot be read: {type(error).__name__}")


async def _beginning(response: httpx.Response) -> str:
    """The start of an answer, for a person to read; a slow or endless one is cut off: its status is known."""
    read = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) >= BODY_BYTES:
                    break
    except (TimeoutError, httpx.HTTPError):
        pass
    return read[:BODY_BYTES].decode("utf-8", "replace")


def _pinned(parts: SplitResult, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))


def plainly(text: str) -> str:
    """The text as one line that a log and a database can hold."""
    return "".join(char if char.isprintable() else " " for char in text).strip()[:EXCERPT]
