"""Links that may be published: https only, a real public host name, no proxies, no punctuation stuck to the end.

In: an address as a source gives it, or running text. Out: a clean address, or "" when there is none to trust. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit, urlunsplit

_LENGTH = 300
_LONGEST_ADDRESS = 2000  # characters; none that is longer is a link, and cutting one apart would take its square
# An address in running text ends at white space, quotes, angle brackets and at a brace (`\href` leaves those behind).
_ADDRESS = re.compile(r"https?://[^\s<>\"{}|\\^`]+", re.IGNORECASE)
_REPEATED = re.compile(r"(https?://[^\s{}]{1,300})\{([^{}]*)\}", re.IGNORECASE)
_HUB_MIRROR = re.compile(r"(?:hf-proxy[\w-]*(?:\.[\w-]+)+|hf-mirror\.com)", re.IGNORECASE | re.ASCII)
_PROXY = re.compile(r"(?:^|[.-])(?:\w*proxy\w*|mirror)(?:[.-]|$)|\.workers\.dev$|\.translate\.goog$", re.IGNORECASE)


def safe_url(raw: str) -> str:
    """`raw` as an https address on a public host name, else "". Mirrors of the Hugging Face hub become the hub."""
    if len(raw) > _LONGEST_ADDRESS:
        return ""
    try:
        parts = urlsplit(trim(raw.strip()))
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or parts.username is not None or port not in {None, 80, 443}:
        return ""
    if _HUB_MIRROR.fullmatch(host):
        host = "huggingface.co"
    if not _is_public_name(host) or _PROXY.search(host):
        return ""
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    url = urlunsplit(("https", host, path, query, quote(parts.fragment, safe="/%:@!$&'()*+,;=~-._?")))
    return url if len(url) <= _LENGTH else ""


def without_proxies(text: str) -> str:
    """Running text fit to publish: `url{url}` written once, mirrors of the hub as the hub, other proxies removed."""
    text = _REPEATED.sub(_first_address, text)
    return _ADDRESS.sub(_unproxied, text)


def _first_address(match: re.Match[str]) -> str:
    label = match[2].strip()
    is_repeat = not label or label.startswith(("http://", "https://"))
    return match[1] if is_repeat else f"{match[1]} ({label})"


def _unproxied(match: re.Match[str]) -> str:
    if len(match[0]) > _LONGEST_ADDRESS:
        return "(link removed)"
    address = trim(match[0])
    host = address.split("/", 3)[2].lower()
    if not _PROXY.search(host):
        return match[0]
    return (safe_url(address) or "(link removed)") + match[0][len(address) :]


def trim(address: str) -> str:
    """Remove the punctuation of the surrounding sentence; a closing bracket stays when it was opened inside."""
    while address:
        last = address[-1]
        if last in ".,;:!?'\"*" or (last == ")" and address.count(")") > address.count("(")) or last in "]}>":
            address = address[:-1]
        else:
            break
    return address


def _is_public_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.split(".")
        return len(labels) > 1 and not labels[-1].isdigit() and all(re.fullmatch(r"[a-z0-9-]+", one) for one in labels)
    return False
