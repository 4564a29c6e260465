"""Relay and senders in force: what an operator tried and put in force in the desk, else what the environment says.

In: the settings and the newest row in force. Out: addresses for the wire. Asked anew for each connection and each run,
so a change reaches every process without a restart. The relay's address is kept encrypted with SECRET_KEY: whoever
reads a dump alone, or an export, learns no password.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

import environ
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from subscriptions.models import MailSettings

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

LOOK_EVERY = 15.0  # seconds, in the middle of a run


def in_force() -> MailSettings | None:
    """Return the version in force; None where the environment alone says how mail leaves."""
    found = MailSettings.objects.filter(in_force_at__isnull=False, ended_at__isnull=True)
    return found.order_by(F("in_force_at").desc(), "-pk").first()


def seal(relay: str) -> str:
    """Encrypt a relay's address."""
    return _keys().encrypt(relay.encode()).decode()


def relay_url(chosen: MailSettings | None) -> str:
    """Return the address of the relay of a version; "" where it names none, or was sealed with a lost SECRET_KEY."""
    if chosen is None or not chosen.relay:
        return ""
    from cryptography.fernet import InvalidToken  # here: most senders never need it in memory

    try:
        return _keys().decrypt(chosen.relay.encode()).decode()
    except InvalidToken:
        return ""


def backend_options(chosen: MailSettings | None) -> dict[str, Any]:
    """Return what Django's get_connection wants for this version; empty: what the settings say."""
    if not (url := relay_url(chosen)):
        return {}
    config = environ.Env.email_url_config(url)
    return {
        "backend": config["EMAIL_BACKEND"],
        "host": config["EMAIL_HOST"],
        "port": config["EMAIL_PORT"],
        "username": config["EMAIL_HOST_USER"] or "",
        "password": config["EMAIL_HOST_PASSWORD"] or "",
        "use_tls": config.get("EMAIL_USE_TLS", False),
        "use_ssl": config.get("EMAIL_USE_SSL", False),
    }


def digest_sender(chosen: MailSettings | None) -> str:
    return _named(settings.DIGEST_FROM_EMAIL, chosen.digest_name if chosen else "")


def notice_sender(chosen: MailSettings | None) -> str:
    return _named(settings.DEFAULT_FROM_EMAIL, chosen.notice_name if chosen else "")


def change_watch() -> Callable[[], bool]:
    """Return a function that says whether another version came into force since now.

    It looks every 15 seconds; a database that is away has changed nothing.
    """
    version, looked_at, is_other = _version(), time.monotonic(), False

    def has_changed() -> bool:
        nonlocal looked_at, is_other
        if not is_other and time.monotonic() - looked_at >= LOOK_EVERY:
            looked_at = time.monotonic()
            try:
                is_other = _version() != version
            except DatabaseError:
                connection.close()
        return is_other

    return has_changed


def put_in_force(chosen: MailSettings) -> bool:
    """Let a tried version count from now on. Returns False when it was not tried, counts already or was ended."""
    fresh = MailSettings.objects.filter(
        pk=chosen.pk, tried_at__isnull=False, in_force_at__isnull=True, ended_at__isnull=True
    )
    return bool(fresh.update(in_force_at=timezone.now()))


def go_back() -> bool:
    """End the version in force: the one before it counts again, in the end the environment. False: there is none."""
    chosen = in_force()
    return chosen is not None and bool(
        MailSettings.objects.filter(pk=chosen.pk, ended_at__isnull=True).update(ended_at=timezone.now())
    )


def _version() -> int | None:
    chosen = in_force()
    return chosen.pk if chosen else None


def _named(mailbox: str, name: str) -> str:
    return f'"{name}" <{parseaddr(mailbox)[1]}>' if name else mailbox


def _keys() -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (hashlib.sha256(f"mail settings:{secret}".encode()).digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
