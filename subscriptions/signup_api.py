"""Sign-up by the operator's other programs: POST subscribers/ with a key from `create_api_key`.

A router, which the project mounts at /api/v1/ beside what else it offers. In: JSON and `Authorization: Bearer pb_…`.
Out: the same 202 whatever we know of the address, and a confirmation mail to its owner: a key never subscribes
anybody by itself. Asking twice within an hour mails once. Errors say what to do in one sentence of ours and repeat
nothing that was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Annotated, Any, Literal

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja import Body, Router, Schema, Status
from ninja.decorators import decorate_view
from ninja.errors import HttpError
from ninja.security import HttpBearer
from ninja.throttling import BaseThrottle
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from subscriptions import lifecycle, rate_limits, token_links
from subscriptions.addresses import client_address
from subscriptions.follows import OFFERED
from subscriptions.forms import SignupForm
from subscriptions.lifecycle import Origin, TooMany
from subscriptions.models import ApiKey, Follow
from subscriptions.preferences import Preferences, follow_key
from subscriptions.tasks import wake_sender
from subscriptions.views.guards import hide_timing, plain

BODY_BYTES_MAX = 16_384
USE_NOTED_EVERY = timedelta(minutes=1)  # a row that every request writes would make them wait for each other
VERSION = "api-1"

MAY_NOT = "This key lacks the scope {scope}. Ask the operator for a key that has it."
TOO_MANY = "Too many sign-ups within the hour, altogether or for this mail domain. Nothing was sent; try in an hour."
ACCEPTED = "If this address can be subscribed, its owner has been sent an email to confirm."
WHAT_TO_SEND = {
    "email": "email: give one email address, such as ada@example.org, at a domain that we can send to.",
    "topics": "topics: give a list of slugs of our topics, as in the addresses of the pages under /topics/.",
    "follows": "follows: give a list of at most 10 queries, each as somebody would type it into our search box.",
    "cadence": "cadence: give daily, weekly or monthly.",
    "hour": "hour: give a whole number from 0 to 23.",
    "time_zone": "time_zone: give an IANA name, such as Europe/Berlin.",
    "consent_words": "consent_words: give what the reader agreed to as text of at most 1000 characters.",
    "source_url": "source_url: give the http or https address of your form, at most 300 characters.",
    "ip": "ip: give the reader's IPv4 or IPv6 address.",
    "": "Send a JSON object with email and optionally "
    "topics, follows, cadence, hour, time_zone, consent_words, source_url and ip; nothing else.",
}


def _parsed_ip(text: str) -> str:
    found = client_address(text, "", trusted_proxies=0)
    if text and not found:
        raise ValueError("not an IP address")
    return found


class Signup(BaseModel):
    """A sign-up request. Only the address is required."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=254, json_schema_extra={"format": "email"})
    topics: list[str] = Field(default=[], max_length=100, description="Slugs of topics to follow.")
    follows: list[Annotated[str, Field(max_length=Follow.LONGEST)]] = Field(
        default=[], max_length=OFFERED, description="Queries to follow, in the words of the search box."
    )
    cadence: Literal["daily", "weekly", "monthly"] = "daily"
    hour: int = Field(default=8, ge=0, le=23, strict=True, description="Local hour of the reader.")
    time_zone: str = Field(default="UTC", max_length=64, description="IANA name.")
    consent_words: str = Field(default="", max_length=1000, description="What the reader agreed to, word for word.")
    source_url: str = Field(default="", max_length=300, pattern=r"^(https?://\S+)?$", description="Where your form is.")
    ip: Annotated[str, AfterValidator(_parsed_ip)] = Field(
        default="", max_length=64, description="The reader's, for the record of consent; limits count your key."
    )

    @property
    def form_data(self) -> dict[str, Any]:
        return self.model_dump(include={"email", "topics", "cadence", "hour", "time_zone"})


class Message(Schema):
    message: str


class KeyAuth(HttpBearer):
    """Authenticates by API key and scope. The parent class would log a malformed header."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self._scope = scope

    def __call__(self, request: HttpRequest) -> ApiKey | None:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        return self.authenticate(request, token.strip()) if scheme.lower() == "bearer" else None

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        key = ApiKey.objects.valid().filter(key_hash=token_links.api_key_hash(token)).first()
        if key is not None:
            now = timezone.now()
            is_stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
            ApiKey.objects.filter(is_stale, pk=key.pk).update(last_used_at=now)
            if self._scope not in key.scopes:
                raise HttpError(403, MAY_NOT.format(scope=self._scope))
        return key


class KeyThrottle(BaseThrottle):
    """Counts every request with a key, for any address, so that "too many" reveals nothing about one."""

    def allow_request(self, request: HttpRequest) -> bool:
        return rate_limits.may_ask(key_of(request).pk, now=timezone.now())

    def wait(self) -> float:
        return rate_limits.seconds_per_ask()


def key_of(request: HttpRequest) -> ApiKey:
    key: ApiKey = request.auth  # type: ignore[attr-defined]  # set by ninja from KeyAuth
    return key


def with_body_limit(most: int) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Refuse bodies of more than ``most`` bytes; forbid caching of the answer."""

    def limited(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if int(request.META.get("CONTENT_LENGTH") or 0) > most:
                response: HttpResponse = JsonResponse({"message": f"Send at most {most} bytes."}, status=413)
            else:
                response = view(request, *args, **kwargs)
            response["Cache-Control"] = "no-store"
            return response

        return checked

    return limited


guarded = with_body_limit(BODY_BYTES_MAX)


router = Router(tags=["Readers"])


@router.post(
    "subscribers/",
    auth=KeyAuth(ApiKey.Scope.SUBSCRIBERS),
    throttle=[KeyThrottle()],
    response={202: Message, (400, 401, 403, 413, 422, 429, 500): Message},
    url_name="signup",
    summary="Sign a reader up",
)
@decorate_view(guarded, hide_timing)
def sign_up(request: HttpRequest, signup: Body[Signup]) -> Status[dict[str, str]]:
    """The answer is the same for every address, known or not; its owner gets a mail and has to confirm."""
    form = SignupForm(signup.form_data)
    if not form.is_valid():
        raise HttpError(422, WHAT_TO_SEND[next(iter(form.errors))])
    wanted = replace(form.preferences(Preferences()), follows=_follows(signup))
    origin = Origin(
        ip=signup.ip,
        source_url=plain(signup.source_url),
        form_version=VERSION,
        words=plain(signup.consent_words, at_most=1000),
        api_key=key_of(request).name,
    )
    try:
        lifecycle.request(form.address, preferences=wanted, now=timezone.now(), method="api", origin=origin)
    except TooMany:
        raise HttpError(429, TOO_MANY) from None
    transaction.on_commit(wake_sender, robust=True)
    return Status(202, {"message": ACCEPTED})


def _follows(signup: Signup) -> dict[str, str]:
    try:
        return {query: Follow.Stance.FOLLOW.value for query in signup.follows if follow_key(query)}
    except ValueError:
        raise HttpError(422, WHAT_TO_SEND["follows"]) from None
