"""What every API request passes: CORS for reads, the rate limit, and 304 for unchanged responses.

In: a view of the API. Out: the same view; every answer is JSON with one shape of error, reads carry an ETag over their
very bytes, say how long they may be kept and how many more are allowed. Nothing here writes a row.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt

from newsletter.api.rate_limit import Buckets, Grant
from subscriptions.addresses import client_address, networks_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

READS = {"GET", "HEAD"}
WINDOW = 60  # seconds that API_READS_PER_MINUTE counts
KEPT_SECONDS = 60
TOO_FAST = "Too many requests from your address. Wait for the number of seconds in Retry-After."
WRONG_METHOD = "This method is not allowed here. The Allow header lists the methods that are."
_CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",  # writing takes a key, and a key in a browser is everybody's
    "Access-Control-Allow-Headers": "Accept, If-None-Match",
    "Access-Control-Max-Age": "86400",
}

reads = Buckets()


def error_response(message: str, *, status: int) -> HttpResponse:
    """Return an error in the one shape that all errors of the API have."""
    return json_response({"message": message}, status=status)


def json_response(facts: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return HttpResponse(
        json.dumps(facts, ensure_ascii=False, separators=(",", ":")), status=status, content_type="application/json"
    )


def with_rate_limit(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def passed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers=_CROSS_ORIGIN | _PREFLIGHT)
        if request.method not in READS:
            return _plainly(view(request, *args, **kwargs))
        return _read(request, lambda: view(request, *args, **kwargs))

    return csrf_exempt(passed)  # no cookie opens anything here


def _read(request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
    limit = settings.API_READS_PER_MINUTE
    grant = _grant(request, limit=limit)
    is_head, request.method = request.method == "HEAD", "GET"
    response = _plainly(answer()) if grant.is_given else error_response(TOO_FAST, status=429)
    if not grant.is_given:
        response["Retry-After"] = str(math.ceil(grant.wait))
    if response.status_code == 200:
        response["ETag"] = f'"{hashlib.blake2b(response.content, digest_size=16).hexdigest()}"'
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = f"public, max-age={KEPT_SECONDS}"
        unchanged = get_conditional_response(request, etag=response["ETag"], response=response)
        response = unchanged if isinstance(unchanged, HttpResponse) else response
    elif response.status_code >= 400:
        response["Cache-Control"] = "no-store"
    for name, value in _CROSS_ORIGIN.items():
        response[name] = value
    # https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.html
    response["RateLimit-Policy"] = f'"reads";q={limit};w={WINDOW}'
    response["RateLimit"] = f'"reads";r={grant.left};t={math.ceil(grant.wait)}'
    if is_head:
        response["Content-Length"] = str(len(response.content))
        response.content = b""
    return response


def _plainly(response: HttpResponse) -> HttpResponse:
    """Give refusals of a method, which the framework writes as plain text, the shape of an error."""
    if response.status_code == 405:
        methods = {name.strip() for name in response["Allow"].split(",")}
        response = error_response(WRONG_METHOD, status=405)
        response["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return response


def _grant(request: HttpRequest, *, limit: int) -> Grant:
    """Count a request by its IPv4 address, or by its IPv6 /64 (one household) and the networks around it."""
    client = client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("X-Forwarded-For", ""),
        trusted_proxies=settings.TRUSTED_PROXY_COUNT,
    )
    now, grants = time.monotonic(), []
    for network, share in networks_of(client) if ":" in client else [(client, 1)]:
        grants.append(reads.take(network, burst=limit * share, seconds=WINDOW, now=now))
        if not grants[-1].is_given:
            return grants[-1]
    return grants[0]
