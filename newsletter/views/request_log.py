"""A request's id, in the log and in the answer, and the time that its page took.

In: a request; `X-Request-ID` of a proxy, if it is one. Out: the same id in the answer. Nothing is written to disk here.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from newsletter.models.timings import PAGE
from subscriptions.log_context import about

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestLogMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        given = request.headers.get("X-Request-ID", "")
        number = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        with about(request=number):
            response = self._get_response(request)
        response["X-Request-ID"] = number
        PAGE.add(time.perf_counter() - began, _view_of(request), f"{response.status_code // 100}xx")
        return response


def _view_of(request: HttpRequest) -> str:
    """Name of the view: a number of values that no stranger can raise."""
    match = request.resolver_match
    return (match.view_name or match._func_path) if match else "none"
