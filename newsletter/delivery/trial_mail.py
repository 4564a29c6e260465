"""The ways by which mail leaves, each tried by itself: a greeting alone, or a real test mail to one address.

In: the settings, and an address. Out: what the relay said. Nothing is stored, and no reader's row is touched.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime, parseaddr

from django.conf import settings
from django.utils.translation import gettext

from newsletter.delivery.choose_transport import digest_relays
from newsletter.delivery.compose_message import bounce_address
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, Transport
from newsletter.delivery.transports.django_backend import BackendTransport
from newsletter.delivery.transports.smtp_handshake import Relay, SessionError, open_session
from newsletter.delivery.transports.smtp_transport import SmtpTransport
from subscriptions import mail_settings
from subscriptions.addresses import Address
from subscriptions.mail import build_message, open_connection
from subscriptions.models import MailSettings, Suppression
from subscriptions.smtp_replies import redact
from subscriptions.token_links import address_hash

GREETING_SECONDS = 15.0
MAIL_SECONDS = 90.0
_NO_DELIVERY = 0  # the bounce address of a test mail is one of ours and stands for no digest


@dataclass(frozen=True, slots=True)
class Route:
    """One way out. ``relay`` is None where Django's backend opens the connection, for ``chosen`` or the environment."""

    stream: str
    server: str
    sender: str
    envelope: str
    relay: Relay | None = None
    chosen: MailSettings | None = None

    def __str__(self) -> str:
        return f"{self.stream} by {self.server}"


def routes(chosen: MailSettings | None) -> list[Route]:
    """Return every way out as these mail settings have it, else the environment: of digests, then of confirmations.

    Raises ValueError, in words.
    """
    other = mail_settings.backend_options(chosen) or {"host": settings.EMAIL_HOST, "port": settings.EMAIL_PORT}
    backend = other.get("backend", settings.EMAIL_BACKEND).rpartition(".")[0]
    server = f"{other['host']}:{other['port']}" if backend.endswith(".smtp") else backend
    digests = ("digests", mail_settings.digest_sender(chosen), bounce_address(_NO_DELIVERY))
    stream, sender, envelope = digests
    found = [Route(stream, server, sender, envelope, chosen=chosen)]
    if settings.DIGEST_TRANSPORT == "smtp":
        found = [Route(stream, f"{one.host}:{one.port}", sender, envelope, one) for one, _ in digest_relays(chosen)]
    hello = mail_settings.notice_sender(chosen)
    return [*found, Route("confirmations", server, hello, parseaddr(hello)[1], chosen=chosen)]


def greet(route: Route) -> str:
    """Connect, encrypt and sign in, send nothing, leave. Returns what went wrong, or ""."""
    try:
        if route.relay is None:
            open_connection(route.chosen).close()
        else:
            sock = open_session(_impatient(route.relay)).sock
            with contextlib.suppress(OSError):
                sock.send(b"QUIT\r\n")
            sock.close()
    except SessionError as error:
        return redact(f"{error.phase}: {error.code or ''} {error.text}".replace(":  ", ": "))
    except Exception as error:  # whatever a backend may raise
        return redact(f"{type(error).__name__}: {error}")
    return ""


def why_not(address: Address) -> str:
    """Return why no test mail may go to an address: it is barred, or a rehearsal names others; else ""."""
    allowed = {one.casefold() for one in settings.MAIL_DRY_RUN_TO}
    if allowed and address.email.casefold() not in allowed:
        return gettext("MAIL_DRY_RUN_TO is set and does not name this address. Add it there, or unset MAIL_DRY_RUN_TO.")
    if Suppression.objects.in_force().filter(address_hash=address_hash(address.key)).exists():
        return gettext("This address is on the suppression list. Use another, or lift its suppression in the admin.")
    return ""


def send(route: Route, address: Address, *, now: datetime, within: float = MAIL_SECONDS) -> Outcome:
    """Hand one test mail over by this way, signed and enveloped as real mail is, and return its outcome."""
    letter = build_message(
        subject=f"{settings.SITE_NAME}: test of {route.stream}",
        text=f"This mail left {settings.SITE_URL} as {route.stream} do, by {route.server}.\n\n"
        f"Paperboy {settings.VERSION}. An operator asked for it; nothing is to be done.\n",
        html="",
        sender=route.sender,
        recipient=address.email,
        headers={"Date": format_datetime(now), "Auto-Submitted": "auto-generated"},
        envelope=route.envelope,
    )
    data = letter.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's own takes it
    return hand_over(route, address, data, within=within)


def hand_over(route: Route, address: Address, data: bytes, *, within: float = MAIL_SECONDS) -> Outcome:
    """Hand over a message that is ready for the wire, and return its outcome."""
    transport: Transport = BackendTransport(connections=1, chosen=route.chosen)
    if route.relay is not None:
        transport = SmtpTransport(_impatient(route.relay), connections=1)
    try:
        return _settled(transport, Message(_NO_DELIVERY, route.envelope, address.email, data), within=within)
    finally:
        transport.close()


def _settled(transport: Transport, message: Message, *, within: float) -> Outcome:
    transport.enqueue([message])
    give_up_at = time.monotonic() + within
    while time.monotonic() < give_up_at:
        turn = transport.poll(1)
        if turn.outcomes:
            return turn.outcomes[0]
        transport.release(turn.ready)
    text = gettext("no answer within %d seconds") % within
    return Outcome(message.key, OutcomeKind.UNKNOWN, Phase.DOT, text=text)


def _impatient(relay: Relay) -> Relay:
    return replace(relay, greeting_timeout=GREETING_SECONDS, command_timeout=GREETING_SECONDS)
