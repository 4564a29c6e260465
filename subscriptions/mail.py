"""One lawful message to one person, and the connection it leaves by. The only module that touches django.core.mail.

In: texts and headers. Out: a message that is safe on the wire, signed there when we sign; a connection that tells how
far a letter has come on it. Nothing here is stored.
"""

from __future__ import annotations

import secrets
import smtplib
import unicodedata
from dataclasses import dataclass
from email import charset
from email.header import Header
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.smtp import EmailBackend as DjangosSmtp
from django.template.loader import render_to_string
from django.utils.functional import cached_property
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from subscriptions import mail_settings, plain_text
from subscriptions.relay_tls import tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from email.mime.base import MIMEBase

    from django.core.mail.backends.base import BaseEmailBackend

    from subscriptions.models import MailSettings

SUBJECT_LIMIT = 200
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE = 78
_ADDRESS_HEADERS = frozenset({"from", "to", "cc", "bcc", "sender", "reply-to"})

_HAN_FACES = {
    "zh-hans": "'PingFang SC', 'Microsoft YaHei', ",
    "ja": "'Hiragino Sans', 'Yu Gothic', Meiryo, ",
}


def han_faces() -> SafeString:
    """The typefaces of the active language's Chinese characters, to stand before the last of a font-family."""
    return SafeString(_HAN_FACES.get(get_language() or "", ""))


def text_part(template: str, context: Mapping[str, Any]) -> str:
    """Render the text of a mail, wrapped at 72 columns; an address that is longer stays whole on a line of its own."""
    return plain_text.wrap_lines(render_to_string(template, dict(context)).strip() + "\n")


def clean_header(value: str, limit: int) -> str:
    """``value`` as one line that no header can be split with, at most ``limit`` characters."""
    unsafe = ("Cc", "Cs", "Zl", "Zp")
    spaced = "".join(" " if unicodedata.category(char) in unsafe or char in _BIDI else char for char in value)
    line = " ".join(spaced.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


class SmtpBackend(DjangosSmtp):
    """Django's SMTP backend, which greets by EHLO_NAME and trusts EMAIL_CA_FILE, as the digests' own sender does."""

    @property
    def connection_class(self) -> Callable[..., smtplib.SMTP]:  # type: ignore[override]
        opened = super().connection_class

        def connect(host: str, port: int, **options: Any) -> smtplib.SMTP:
            return opened(host, port, **options | {"local_hostname": settings.EHLO_NAME})

        return connect

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        return tls_context(
            ca_file=settings.EMAIL_CA_FILE,
            cert_file=settings.EMAIL_SSL_CERTFILE or "",
            key_file=settings.EMAIL_SSL_KEYFILE or "",
        )


def open_connection(chosen: MailSettings | None) -> BaseEmailBackend:
    """A connection as these mail settings want it, else the environment, open. Raises when it cannot be reached."""
    options = {"backend": settings.EMAIL_BACKEND} | mail_settings.backend_options(chosen)
    if options["backend"] == f"{DjangosSmtp.__module__}.{DjangosSmtp.__qualname__}":
        options["backend"] = f"{__name__}.{SmtpBackend.__qualname__}"
    connection: BaseEmailBackend = get_connection(fail_silently=False, **options)
    connection.open()
    return connection


@dataclass(slots=True)
class Progress:
    """How far the letter on a connection has come: mail, rcpt, data, body, dot; "api" where nobody can tell."""

    step: str = "api"


def follow(connection: BaseEmailBackend) -> Progress:
    """Watch how far letters get: smtplib raises the same error before DATA and after the final dot."""
    smtp = getattr(connection, "connection", None)
    if not isinstance(smtp, smtplib.SMTP):
        return Progress()
    progress, send = Progress("mail"), smtp.send

    def watched(data: bytes | str) -> None:  # commands come as text, the body as bytes
        if isinstance(data, str):
            step = data[:4].casefold()
            progress.step = step if step in {"mail", "rcpt", "data"} else progress.step
            send(data)
        else:
            progress.step = "body"
            send(data)
            progress.step = "dot"

    smtp.send = watched  # type: ignore[method-assign, assignment]
    return progress


def build_message(
    *,
    subject: str,
    text: str,
    html: str,
    sender: str,
    recipient: str,
    headers: Mapping[str, str],
    envelope: str = "",
) -> EmailMultiAlternatives:
    """A multipart/alternative message, or text only when ``html`` is empty; 7-bit whatever it says.

    ``sender`` is the visible From; the envelope sender is ``envelope`` when given, else the same. A Message-ID is
    made here unless ``headers`` has one; a caller that may send again passes its own, the same each time.
    """
    safe = {name: clean_header(value, 998 - len(name) - 2) for name, value in headers.items()}
    if not any(name.casefold() == "message-id" for name in safe):
        safe["Message-ID"] = f"<{secrets.token_hex(12)}@{settings.MAIL_DOMAIN}>"
    if envelope:
        safe["From"] = clean_header(sender, 320)
    message = _SevenBitMessage(
        subject=clean_header(subject, SUBJECT_LIMIT),
        body=text,
        from_email=envelope or clean_header(sender, 320),
        to=[recipient],
        headers=safe,
    )
    if html:
        message.attach_alternative(html, "text/html")
    return message


class _SevenBitMessage(EmailMultiAlternatives):
    """A message sent as 7-bit: Django would send 8bit, which a relay may convert, and so break its DKIM signature."""

    def message(self, *args: Any, **options: Any) -> Any:
        message = super().message(*args, **options)
        for name in ("Subject", *self.extra_headers):
            text = self.extra_headers.get(name, self.subject)
            if not text.isascii() and name.casefold() not in _ADDRESS_HEADERS:
                # Django forgets the length of the name, and the first line of a long one exceeds 76.
                message.replace_header(name, Header(text, "utf-8", header_name=name, maxlinelen=76).encode())
        for part in message.walk():
            if part.get_content_maintype() == "text":
                _encode_shorter(cast("MIMEBase", part))
        if settings.MAIL_SIGNER:
            _sign_on_the_wire(message, by=import_string(settings.MAIL_SIGNER))
        return message


def _sign_on_the_wire(message: Any, *, by: Callable[[bytes], bytes]) -> None:
    """Django's SMTP backend hands the relay what ``as_bytes`` gives with CRLF; nothing changes it afterwards."""
    plain = message.as_bytes

    def as_bytes(unixfrom: bool = False, linesep: str = "\n") -> bytes:
        data: bytes = plain(unixfrom=unixfrom, linesep=linesep)
        return by(data) if linesep == "\r\n" else data

    message.as_bytes = as_bytes


def _encode_shorter(part: MIMEBase) -> None:
    """Encode as 7bit when possible, else in the shorter of quoted-printable and base64."""
    body = cast("bytes", part.get_payload(decode=True)).decode()
    encodings: tuple[int | None, ...] = (charset.QP, charset.BASE64)
    if body.isascii() and all(len(line) <= _LINE for line in body.splitlines()):
        encodings = (None,)
    best: tuple[int, str, charset.Charset] | None = None
    for encoding in encodings:
        chosen = charset.Charset("utf-8")
        chosen.body_encoding = encoding  # type: ignore[assignment]
        size = len(chosen.body_encode(body)) if encoding else len(body)
        if best is None or size < best[0]:
            best = (size, body, chosen)
    assert best is not None  # noqa: S101  (there is always at least one encoding)
    del part["Content-Transfer-Encoding"]
    part.set_payload(best[1], charset=best[2])
