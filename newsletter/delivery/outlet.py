"""Which transport carries the digests: chosen by DIGEST_TRANSPORT, made from the same EMAIL_URL as all other mail.

In: the settings. Out: a transport that has not connected yet, so it may be made before a fork.
"""

from __future__ import annotations

from django.conf import settings

from newsletter.transports import Transport
from newsletter.transports.backend import BackendTransport
from newsletter.transports.smtp import SmtpTransport
from newsletter.transports.smtp_session import Relay, Security


def open_transport() -> Transport:
    """`smtp`: the fast lane. `backend`: any Django EMAIL_BACKEND, so every provider that anymail knows."""
    if settings.DIGEST_TRANSPORT == "backend":
        return BackendTransport()
    return SmtpTransport(relay(), connections=settings.SMTP_CONNECTIONS)


def relay() -> Relay:
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
        ehlo_name=settings.EHLO_NAME,
        command_timeout=settings.EMAIL_TIMEOUT,
    )
