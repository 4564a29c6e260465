"""The second step of signing in to the desk: a passkey, a code of an authenticator app (TOTP), or a recovery code.

In: a person whose password was right. Out: a session that django-otp calls verified, or a page that asks. Who has a
factor must use it; who must have one (SECOND_FACTOR) and has none sets it up before anything else opens. Wrong codes
wait longer and longer (django-otp's throttling), besides the limits of the password. The views and scripts of
django-otp-webauthn make passkeys and ask for them; here they are named, listed and taken away.
"""

from __future__ import annotations

import logging
import re
from base64 import b32encode
from binascii import unhexlify
from typing import Any, cast

import django_otp
import segno
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django_otp.plugins.otp_static import admin as _registers_static  # noqa: F401
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp import admin as _registers_totp  # noqa: F401
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from newsletter.admin.second_factor_gate import has_app, has_second_factor, must_have
from newsletter.models.sign_ins import forget_second_factor

log = logging.getLogger(__name__)
RECOVERY_CODES = 10
admin.site.unregister([TOTPDevice, StaticDevice])  # their own pages would show the secrets


def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a code; the right one opens the desk for this session."""
    user = cast(User, request.user)
    following = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(following, allowed_hosts=None):
        following = reverse("admin:index")
    refused = ""
    if request.method == "POST":
        if device := django_otp.match_token(user, _typed(request)):
            request.session.cycle_key()
            django_otp.login(request, device)
            _warn_of_few(request, device)
            return HttpResponseRedirect(following)
        log.warning("The second factor of %s failed", user.get_username())
        refused = gettext("This code is not right, or was used already. Wait for the next one and try again.")
    context = admin.site.each_context(request) | {
        "title": gettext("Second step"),
        "refused": refused,
        "has_passkey": WebAuthnCredential.objects.filter(user=user, confirmed=True).exists(),
    }
    return render(request, "admin/newsletter/second_factor.html", context)


def _warn_of_few(request: HttpRequest, device: Any) -> None:
    if isinstance(device, StaticDevice):
        text = gettext("A recovery code works once; %d are left. Set up your app anew if you lost it.")
        messages.warning(request, text % device.token_set.count())


def manage(request: HttpRequest) -> HttpResponse:
    """Show and change app, passkeys and recovery codes; once there is a factor, in a verified session alone."""
    user = cast(User, request.user)
    refused, codes = "", list[str]()
    if has_second_factor(user) and not cast(Any, user).is_verified():
        return HttpResponseRedirect(f"{reverse('admin:second_factor')}?next={request.path}")
    wish = request.POST.get("wish", "")
    if wish.startswith("remove"):
        return _remove(request, TOTPDevice.objects.filter(user=user) if wish == "remove" else _passkey(request))
    if wish == "codes" and has_second_factor(user):
        codes = _new_codes(user)
    if wish == "name-passkey" and _passkey(request).update(name=_name(request)):
        log.warning("%s set up a passkey", user.get_username())
        codes = _first_codes(user)
    if wish == "confirm" and not has_app(user):
        if device := _confirm(user, _typed(request)):
            django_otp.login(request, device)
            codes = _first_codes(user)
            log.warning("%s set up a second factor", user.get_username())
        else:
            refused = gettext("This code is not right. Check the clock of your phone, and try the next code.")
    return render(request, "admin/newsletter/my_second_factor.html", _shown(request, refused, codes))


def _shown(request: HttpRequest, refused: str, codes: list[str]) -> dict[str, Any]:
    user = cast(User, request.user)
    context = admin.site.each_context(request) | {
        "title": gettext("Second factor"),
        "is_set_up": has_second_factor(user),
        "has_app": has_app(user),
        "passkeys": WebAuthnCredential.objects.filter(user=user).order_by("pk"),
        "must_have": must_have(user),
        "refused": refused,
        "codes": codes,
    }
    return context if context["has_app"] else context | _secret(user)


def _passkey(request: HttpRequest) -> QuerySet[WebAuthnCredential]:
    """Return the passkey of this person that the form names: one row, or none."""
    typed = request.POST.get("passkey", "")
    number = int(typed) if re.fullmatch("[0-9]{1,18}", typed) else 0
    return cast(QuerySet[WebAuthnCredential], WebAuthnCredential.objects.filter(user=request.user, pk=number))


def _name(request: HttpRequest) -> str:
    return request.POST.get("name", "").strip()[:64] or gettext("Passkey")


def _remove(request: HttpRequest, devices: QuerySet[Any]) -> HttpResponse:
    """Take away an app or a passkey, and with the last of them the recovery codes."""
    user = cast(User, request.user)
    if devices.delete()[0]:
        log.warning("%s took away a second factor", user.get_username())
        messages.success(request, gettext("The second factor is taken away."))
    if not has_second_factor(user):
        forget_second_factor(user)
    return HttpResponseRedirect(reverse("admin:my_second_factor"))


def _typed(request: HttpRequest) -> str:
    return "".join(request.POST.get("code", "").split()).casefold()[:32]


@transaction.atomic
def _confirm(user: User, code: str) -> TOTPDevice | None:
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or not device.verify_is_allowed()[0] or not device.verify_token(code):
        return None
    device.confirmed = True
    device.save()
    return device


@transaction.atomic
def _new_codes(user: User) -> list[str]:
    """Replace all recovery codes and return the new ones, which are shown once."""
    device, _is_new = StaticDevice.objects.get_or_create(user=user, defaults={"name": "recovery codes"})
    device.token_set.all().delete()
    codes = [StaticToken.random_token() for _number in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def _first_codes(user: User) -> list[str]:
    """Return new recovery codes with the first factor; none, and the old ones stay, with one more."""
    return [] if StaticToken.objects.filter(device__user=user).exists() else _new_codes(user)


def _secret(user: User) -> dict[str, Any]:
    """Return the picture and the text of the secret of an app that is being set up; the same until it is confirmed."""
    device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    device = device or TOTPDevice.objects.create(user=user, name=settings.SITE_NAME, confirmed=False)
    return {"qr": _picture(device.config_url), "secret": b32encode(unhexlify(device.key)).decode()}


def _picture(text: str) -> SafeString:
    """Draw a QR code as SVG, of shapes only: made here, of a text of ours."""
    drawn = segno.make(text, micro=False).svg_inline(scale=4, omitsize=True, light="white")
    return mark_safe(drawn)  # noqa: S308
