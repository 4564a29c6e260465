"""The API, version 1. Reading is open to everyone; a key may sign readers up or submit papers.

In: requests below /api/v1/. Out: JSON, errors always as `{"message": "what to do"}`, one OpenAPI document for it all.
`subscriptions` brings its own router and knows nothing of papers; here they are put together (decision 0015).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.http import Http404, HttpResponsePermanentRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, path, resolve
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError

from newsletter.api import editions, library, papers, search, submissions
from newsletter.api.request_checks import error_response, with_rate_limit
from subscriptions import follows_api, interests_api
from subscriptions import signup_api as readers

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLResolver

log = logging.getLogger(__name__)
MISSING = "Not found. /api/ lists the addresses of this API."
BROKEN = "Something went wrong on our side. Try again later."
NO_KEY = "Send a valid key as 'Authorization: Bearer pb_…'. Ask the operator of this site for one."
TOO_MANY = "Too many requests with this key. Wait, then try again."
# What to send where a body makes no sense, by the address's name and the field; "" when no field is to blame.
HINTS = {
    "signup": readers.WHAT_TO_SEND,
    "papers": submissions.WHAT_TO_SEND,
    "follows": follows_api.WHAT_TO_SEND,
    "interests": interests_api.WHAT_TO_SEND,
    "library": library.WHAT_TO_SEND,
}

api = NinjaAPI(
    title="Paperboy",
    version="1",
    description="Read papers, trends with their reasons, topics and editions: no key needed, limited per address. "
    "With a key: sign readers up (each confirms by email) and submit papers. "
    "With the token of a preferences link: what that reader follows, the interests they keep apart, their library. "
    "Errors are a JSON object with one sentence in `message`.",
    docs_url=None,  # the usual pages are made of scripts; /api/ is ours
    urls_namespace="api",
)
for router in (papers.router, search.router, editions.router, readers.router):
    api.add_router("", router)
for router in (follows_api.router, interests_api.router, library.router):
    api.add_router("", router)


@api.exception_handler(ValidationError)
def _say_what_to_send(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer 422 with a fixed sentence that says what to send; never repeat what was sent."""
    parts = [str(part) for part in error.errors[0]["loc"]]
    hints = _hints(request)
    if hints is not None:
        return error_response(hints[next((part for part in parts if part in hints), "")], status=422)
    return error_response(f"{parts[-1]}: give a value that /api/ allows here.", status=422)


@api.exception_handler(HttpError)
def _say_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    # What ninja itself has to say of a body it cannot read may hold parts of the body.
    hints = _hints(request)
    return error_response(hints[""] if hints and error.status_code == 400 else error.message, status=error.status_code)


@api.exception_handler(AuthenticationError)
def _say_key(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    response = error_response(NO_KEY, status=401)
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(Throttled)
def _say_wait(request: HttpRequest, error: Throttled) -> HttpResponse:
    return error_response(TOO_MANY, status=429)


@api.exception_handler(Http404)
def _say_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return error_response(MISSING, status=404)


@api.exception_handler(Exception)
def _say_broken(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("The API broke at %s", request.path, exc_info=error)
    return error_response(BROKEN, status=500)


def _hints(request: HttpRequest) -> dict[str, str] | None:
    match = request.resolver_match
    return HINTS.get(match.url_name or "") if match and request.method in {"POST", "PUT"} else None


def _missing(request: HttpRequest, rest: str) -> HttpResponse:
    """Redirect when only a slash is missing, else answer 404: this view takes every address."""
    address = f"{request.path}/"
    if request.method == "GET" and not rest.endswith("/") and resolve(address).url_name:
        query = request.META.get("QUERY_STRING", "")
        return HttpResponsePermanentRedirect(f"{address}?{query}" if query else address, preserve_request=True)
    return error_response(MISSING, status=404)


def _home(request: HttpRequest) -> HttpResponse:
    return redirect("newsletter:api_page")


def _guarded(pattern: URLPattern | URLResolver) -> URLPattern:
    if not isinstance(pattern, URLPattern):
        raise TypeError("ninja gives plain patterns")
    return URLPattern(pattern.pattern, with_rate_limit(pattern.callback), pattern.default_args, pattern.name)


_patterns = [pattern for pattern in map(_guarded, api.urls[0]) if pattern.name != "api-root"]
urls = (
    [
        path("", with_rate_limit(_home), name="api-root"),
        *_patterns,
        path("<path:rest>", with_rate_limit(_missing)),
    ],
    "ninja",
    "api",
)
