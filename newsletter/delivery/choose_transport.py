"""Which transport carries the digests: chosen by DIGEST_TRANSPORT, made from DIGEST_RELAYS or from EMAIL_URL.

In: the settings, and the relay that an operator set in the desk, which goes before both. Out: a transport that has not
connected yet, and the signer when the relay does not sign.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from newsletter.delivery.transports import Transport
from newsletter.delivery.transports.django_backend import BackendTransport
from newsletter.delivery.transports.dkim import Signer
from newsletter.delivery.transports.relay_urls import Common, open_relays, relay_from_url
from newsletter.delivery.transports.smtp_handshake import Relay, Security
from subscriptions import mail_settings
from subscriptions.models import MailSettings


def open_transport() -> Transport:
    """Make the transport of DIGEST_TRANSPORT: `smtp`, our own, or `backend`, any Django EMAIL_BACKEND."""
    chosen = mail_settings.in_force()
    if settings.DIGEST_TRANSPORT == "backend":
        return BackendTransport(connections=settings.SMTP_CONNECTIONS, chosen=chosen)
    try:
        return open_relays(digest_relays(chosen), common=_common())
    except ValueError as error:
        variable = "DIGEST_RELAYS" if settings.DIGEST_RELAYS else "EMAIL_URL"
        raise ImproperlyConfigured(f"{variable}: {error} See .env.example.") from error


def digest_relays(chosen: MailSettings | None) -> list[tuple[Relay, int]]:
    """Return the relays of the fast lane with their weights: that of ``chosen``, else DIGEST_RELAYS, else EMAIL_URL.

    Raises ValueError with a sentence that repeats no password.
    """
    common = _common()
    if url := mail_settings.relay_url(chosen):
        return [relay_from_url(url, common=common)]
    relays = [relay_from_url(url, common=common) for url in settings.DIGEST_RELAYS]
    return relays or [(_relay_of_all_mail(common), 1)]


def _common() -> Common:
    return Common(
        ehlo_name=settings.EHLO_NAME,
        ca_file=settings.EMAIL_CA_FILE,
        dot_timeout=settings.SMTP_DOT_TIMEOUT,
        connections=settings.SMTP_CONNECTIONS,
        messages_per_connection=settings.SMTP_MESSAGES_PER_CONNECTION,
        seconds_per_connection=settings.SMTP_SECONDS_PER_CONNECTION,
    )


def signer() -> Signer | None:
    """The signer of every digest, from DKIM_KEY_FILE; None when it is not set: then the relay signs."""
    if not settings.DKIM_KEY_FILE:
        return None
    return _signer(settings.DKIM_KEY_FILE, settings.DKIM_DOMAIN, settings.DKIM_SELECTOR)


def signed(data: bytes) -> bytes:
    """Sign a confirmation or notice that leaves by SMTP, as digests are signed. A provider signs by itself."""
    found = signer()
    return found.sign(data, at=timezone.now()) if found else data


@lru_cache(maxsize=1)
def _signer(key_file: str, domain: str, selector: str) -> Signer:
    try:
        return Signer(domain=domain, selector=selector, private_key_pem=Path(key_file).read_bytes())
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"DKIM_KEY_FILE: {error}") from error


def _relay_of_all_mail(common: Common) -> Relay:
    """The relay that EMAIL_URL names, read as Django's own backend reads it."""
    security = Security.NONE
    if getattr(settings, "EMAIL_USE_SSL", False):
        security = Security.TLS
    elif getattr(settings, "EMAIL_USE_TLS", False):
        security = Security.STARTTLS
    return Relay(
        host=settings.EMAIL_HOST,
        port=settings.EMAIL_PORT or 25,
        security=security,
        username=settings.EMAIL_HOST_USER or "",
        password=settings.EMAIL_HOST_PASSWORD or "",
        ca_file=common.ca_file,
        cert_file=settings.EMAIL_SSL_CERTFILE or "",
        key_file=settings.EMAIL_SSL_KEYFILE or "",
        ehlo_name=common.ehlo_name,
        command_timeout=common.command_timeout,
        dot_timeout=common.dot_timeout,
    )
