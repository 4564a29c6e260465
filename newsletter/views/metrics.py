"""GET /metrics for Prometheus, with METRICS_TOKEN or from METRICS_NETWORKS; for all others there is no such page.

In: a request. Out: text, kept for seconds, so that asking often costs 5 % of a core at most; 503 without a database.
"""

from __future__ import annotations

import hmac
import threading
import time
from ipaddress import ip_address

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from newsletter.monitoring import prometheus
from subscriptions.addresses import client_address

KEPT_SECONDS = 5
KEPT_SHARE = 20  # times its last duration


class Metrics:
    """The answer of one process, made anew when it is asked for and old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = b""
        self._made_anew_at = float("-inf")

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Return the numbers; 401 for a wrong token; None when the request may not learn that they exist."""
        if request.path != "/metrics" or not (settings.METRICS_TOKEN or settings.METRICS_NETWORKS):
            return None
        if not (_comes_from_near(request) or _knows_the_token(request)):
            answer = HttpResponse("Send METRICS_TOKEN as a bearer token.\n", status=401, content_type="text/plain")
            answer["WWW-Authenticate"] = "Bearer"
            return answer
        try:
            return HttpResponse(self._numbers(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
        except DatabaseError:
            return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")

    def _numbers(self) -> bytes:
        with self._lock:
            if time.monotonic() >= self._made_anew_at:
                began = time.monotonic()
                self._text = prometheus.exposition(now=timezone.now())
                took = time.monotonic() - began
                self._made_anew_at = began + took + max(KEPT_SECONDS, KEPT_SHARE * took)
            return self._text


def _knows_the_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())


def _comes_from_near(request: HttpRequest) -> bool:
    """Whether the client, as our outermost proxy saw it, is in one of METRICS_NETWORKS."""
    client = client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("X-Forwarded-For", ""),
        trusted_proxies=settings.TRUSTED_PROXY_COUNT,
    )
    return bool(client) and any(ip_address(client) in network for network in settings.METRICS_NETWORKS)
