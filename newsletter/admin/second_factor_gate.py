"""What opens the desk only after the second step of signing in, where a person has one or must have one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpResponseBase

# Open before the second step: to sign in and out, and the step itself.
OPEN = {"admin:login", "admin:logout", "admin:jsi18n", "admin:second_factor", "admin:my_second_factor"}
# Open to staff whose password was right: the library lets nobody add a passkey to a factor that was not passed.
PASSKEYS = "otp_webauthn:"


class SecondFactorMiddleware:
    """Lead staff to the second step before any page of the desk. Stands after OTPMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(f"/{settings.ADMIN_PATH}") and (page := _page_before(request)):
            return HttpResponseRedirect(f"{reverse(page)}?next={request.path}")
        return self._get_response(request)


def _page_before(request: HttpRequest) -> str:
    """Return the page that this person must pass first; "" when the one they asked for may open."""
    user: Any = request.user
    name = ""
    with suppress(Resolver404):
        name = resolve(request.path_info).view_name
    if not (user.is_authenticated and user.is_staff):
        return "admin:login" if name.startswith(PASSKEYS) else ""
    if user.is_verified() or name in OPEN or name.startswith(PASSKEYS):
        return ""
    if has_second_factor(user):
        return "admin:second_factor"
    return "admin:my_second_factor" if must_have(user) else ""


def has_app(user: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def has_second_factor(user: User) -> bool:
    """Return whether this person set up an app or a passkey; recovery codes alone are none."""
    return has_app(user) or bool(WebAuthnCredential.objects.filter(user=user, confirmed=True).exists())


def must_have(user: User) -> bool:
    """Return whether SECOND_FACTOR asks this person for one: operators and superusers, or all staff."""
    if settings.SECOND_FACTOR == "operators":
        return user.is_superuser or user.groups.filter(name="Operators").exists()
    return bool(settings.SECOND_FACTOR == "staff")
