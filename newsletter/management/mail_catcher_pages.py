"""The mail catcher's web page: the list, one message as HTML, text, headers or source.

Comes in: GET requests from the developer's browser. Goes out: pages that run no script and load nothing from
elsewhere; a mail's HTML stands in a sandboxed frame under a policy of its own. Nothing here changes anything.
"""

from __future__ import annotations

import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, urlsplit

from django.template.loader import render_to_string

if TYPE_CHECKING:
    from newsletter.management.caught_mail import Address, CaughtMail

PAGE_SIZE = 100
VIEWS = ("html", "text", "headers", "source")
STYLE = Path(__file__).with_name("mail_pages.css")
FONTS = Path(__file__).parents[1] / "static" / "newsletter"
# The one-click button posts to the address in the mail's List-Unsubscribe header, hence http: and https: for forms.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; frame-src 'self';"
    " form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Catcher(Protocol):
    """What the pages show: the mails caught so far, and where they come in."""

    @property
    def messages(self) -> list[CaughtMail]: ...
    @property
    def smtp_address(self) -> Address: ...


class MailPages:
    """Serves the pages in a thread of its own between start() and stop()."""

    def __init__(self, catcher: Catcher, address: Address, *, allowed_hosts: frozenset[str]) -> None:
        def handler(*arguments: object) -> _Handler:
            return _Handler(*arguments, catcher=catcher, allowed_hosts=allowed_hosts)

        self._server = ThreadingHTTPServer(address, handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="catch-mail-http", daemon=True
        )

    def start(self) -> Address:
        self._thread.start()
        host, port = self._server.server_address[:2]
        return str(host), port

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_version = "Paperboy"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, catcher: Catcher, allowed_hosts: frozenset[str]) -> None:
        self._catcher = catcher
        self._hosts = LOOPBACK_NAMES | allowed_hosts
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if _host_name(self.headers.get("Host", "")) not in self._hosts:
            # Another site's name pointed at this machine (DNS rebinding) must not read the mails.
            self._answer(
                HTTPStatus.FORBIDDEN,
                "Open this page as localhost, or add --allow-host.",
                "text/plain",
            )
            return
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if address.path == "/":
            self._list(query)
        elif address.path == "/mail.css":
            self._answer(HTTPStatus.OK, (FONTS / "fonts.css").read_text() + STYLE.read_text(), "text/css")
        elif re.fullmatch(r"/fonts/[a-z-]+\.woff2", address.path) and (file := FONTS / address.path[1:]).exists():
            self._answer(HTTPStatus.OK, file.read_bytes(), "font/woff2", cache="max-age=86400")
        elif found := re.fullmatch(r"/(\d{1,9})/(html|raw|)", address.path):
            self._message(int(found[1]), found[2], query)
        else:
            self._missing()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the terminal belongs to what is being developed."""

    def _list(self, query: dict[str, str]) -> None:
        wanted = query.get("q", "").strip()
        found = [mail for mail in reversed(self._catcher.messages) if _matches(mail, wanted.casefold())]
        pages = max(1, -(-len(found) // PAGE_SIZE))
        page = min(max(1, int(query["page"])), pages) if re.fullmatch(r"[0-9]{1,9}", query.get("page", "")) else 1
        context = {
            "mails": found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
            "total": len(found),
            "q": wanted,
            "newer": page - 1,
            "older": page + 1 if page < pages else 0,
            "smtp": "{}:{}".format(*self._catcher.smtp_address),
        }
        self._answer(HTTPStatus.OK, render_to_string("catcher/list.html", context))

    def _message(self, number: int, part: str, query: dict[str, str]) -> None:
        mail = next((mail for mail in self._catcher.messages if mail.number == number), None)
        if mail is None:
            self._missing()
        elif part == "html":
            self._answer(HTTPStatus.OK, _open_links_outside(mail.html), policy=_MAIL_POLICY)
        elif part == "raw":
            self._answer(HTTPStatus.OK, mail.raw, "text/plain", policy=_MAIL_POLICY)
        else:
            html, text = mail.html, mail.text
            view = query.get("view", "")
            context = {
                "mail": mail,
                "html": html,
                "text": text,
                "views": VIEWS,
                "view": view if view in VIEWS else "html" if html else "text",
                "width": "phone" if query.get("width") == "phone" else "full",
                "sender": mail.header("From"),
                "unsubscribe": _one_click_address(mail),
                "source": mail.raw.decode("utf-8", "replace") if view == "source" else "",
            }
            self._answer(HTTPStatus.OK, render_to_string("catcher/message.html", context))

    def _missing(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND, render_to_string("catcher/missing.html"))

    def _answer(
        self,
        status: HTTPStatus,
        body: str | bytes,
        content_type: str = "text/html",
        *,
        policy: str = _PAGE_POLICY,
        cache: str = "no-store",
    ) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", f"{content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", cache)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _matches(mail: CaughtMail, wanted: str) -> bool:
    return not wanted or wanted in " ".join((mail.subject, mail.mail_from, *mail.recipients)).casefold()


def _open_links_outside(html: str) -> str:
    """Make links in the frame open in a new tab: most sites refuse to be framed."""
    base = '<base target="_blank">'
    changed, count = re.subn(r"(<head\b[^>]*>)", rf"\1{base}", html, count=1, flags=re.IGNORECASE)
    return changed if count else base + html


def _one_click_address(mail: CaughtMail) -> str:
    """Where a mail program's own unsubscribe button would post to (RFC 8058); empty when it would show none."""
    if "one-click" not in mail.header("List-Unsubscribe-Post").casefold():
        return ""
    addresses = re.findall(r"<(https?://[^<>\s]+)>", mail.header("List-Unsubscribe"))
    return addresses[0] if addresses else ""
