"""What is wrong with a digest, in words: run on every mail that a test renders or receives.

`lint(raw, ...)` takes the bytes as they stand on the wire and returns one line per fault; a good mail gives none.
"""

from __future__ import annotations

import base64
import quopri
import re
import unicodedata
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import EmailMessage
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import urlsplit, urlunsplit

from subscriptions import plain_text as mail_text
from tests import mail_clients

HTML_LIMIT = 80_000
ONCE = [
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To", "Auto-Submitted"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Subscribe", "List-Owner"),
    *("List-Archive", "List-Post", "Feedback-ID"),
]
COUNTED = re.compile(r"/c/[\w-]{24}/\d+/[pfch]")  # the delivery, the paper's place, which of its links
UNSAFE = {"Cc", "Zl", "Zp", "Cs"}
BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def parse(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def bodies(raw: bytes) -> dict[str, str]:
    """The decoded parts by subtype, with line feeds."""
    found = {}
    for part in parse(raw).walk():
        if part.get_content_maintype() == "text":
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found[part.get_content_subtype()] = payload.decode("utf-8").replace("\r\n", "\n")
    return found


def lint(raw: bytes, *, hosts: tuple[str, ...], site_host: str = "papers.example.org") -> list[str]:
    """Every fault of one digest; ``hosts`` are the hosts beside ours that it may link to (leading dot: all below)."""
    faults = _wire(raw)
    if any(byte > 126 for byte in raw):
        return faults
    faults += [*_headers(raw, site_host=site_host), *_structure(raw)]
    found = bodies(raw)
    if "plain" not in found:
        return faults
    links = [url for body in found.values() for url in re.findall(r"https?://[^\s\"'<>]+", body)]
    links = [url for url in links if not url.startswith("http://www.w3.org/")]
    for url in links:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https":
            faults.append(f"not https: {url}")
        if host != site_host and not any(host == name or (name[0] == "." and host.endswith(name)) for name in hosts):
            faults.append(f"host is not ours nor allow-listed: {url}")
        if (
            host == site_host
            and parts.path.startswith("/c/")
            and not COUNTED.fullmatch(urlunsplit(("", "", *parts[2:])))
        ):
            faults.append(f"a counted link that names more than rows: {url}")
    if "html" in found:
        faults += _html(found["html"], raw)
        faults += mail_clients.faults(found["html"])
        missing = set(_hrefs(found["html"])) - {url.split("#")[0] for url in links if url in found["plain"]}
        papers = {url for url in missing if "/c/" in url or ("/d/" not in url and urlsplit(url).hostname != site_host)}
        faults += [f"only the HTML part links {url}" for url in papers]
    if not re.search(rf"https://{re.escape(site_host)}/u/[\w-]{{24}}", found["plain"]):
        faults.append("the text part has no unsubscribe link")
    for line in found["plain"].splitlines():
        if mail_text.columns(line) > mail_text.WIDTH and max(map(mail_text.columns, line.split())) < 60:
            faults.append(f"a line of the text part is not wrapped: {line}")
    for name, body in found.items():
        if bad := {char for char in body if char != "\n" and _is_unsafe(char)}:
            faults.append(f"the {name} part holds control characters {sorted(map(ascii, bad))}")
    return faults


def _is_unsafe(char: str) -> bool:
    return unicodedata.category(char) in UNSAFE or char in BIDI


def _wire(raw: bytes) -> list[str]:
    """Lines, line ends and seven bits (RFC 5322 §2.1.1, RFC 2045 §6.7)."""
    faults = []
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        faults.append("a bare CR or LF")
    if not raw.endswith(b"\r\n"):
        faults.append("the last line has no end")
    if any(byte > 126 or (byte < 32 and byte not in b"\r\n\t") for byte in raw):
        faults.append("a byte that is not printable ASCII")
    if long := max(raw.split(b"\r\n"), key=len)[78:]:
        faults.append(f"a line of {78 + len(long)} octets")
    return faults


def _headers(raw: bytes, *, site_host: str) -> list[str]:
    """Which fields there are, how often, and how they are folded and encoded (RFC 5322, 2047, 2369, 8058)."""
    faults = []
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    fields = re.findall(r"^([!-9;-~]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", head, re.MULTILINE)
    names = [name for name, _ in fields]
    values = {name.lower(): "" for name in ONCE} | {name.lower(): value for name, value in fields}
    for name in ONCE:
        if sum(other.lower() == name.lower() for other in names) != 1:
            faults.append(f"{name} stands {names.count(name)} times")
    known = {name.lower() for name in [*ONCE, "Content-Transfer-Encoding"]}
    faults += [f"unexpected header {name}" for name in names if name.lower() not in known]
    for name, value in fields:
        if len(re.sub(r"\r\n[ \t]", "", value)) and not value.startswith(" "):
            faults.append(f"{name} is folded right after the colon")
        for word in re.findall(r"=\?[^\s]*\?=", value):
            if len(word) > 75:
                faults.append(f"an encoded word of {len(word)} in {name}")
            for part, charset in decode_header(word):
                try:
                    part.decode(charset or "ascii") if isinstance(part, bytes) else part
                except UnicodeDecodeError:
                    faults.append(f"{name} splits a character between encoded words")
        if "=?" in value and any(len(line) > 76 for line in f"{name}:{value}".split("\r\n")):
            faults.append(f"a line of {name} with an encoded word is longer than 76")
    message = parse(raw)
    for name, value in message.items():
        if any(_is_unsafe(char) for char in str(value)):
            faults.append(f"{name} decodes to a control or bidi character")
        if value.defects:
            faults.append(f"{name}: {value.defects}")
    if message.defects:
        faults.append(f"{message.defects}")
    if not re.fullmatch(r" <[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+>", values["message-id"]):
        faults.append("Message-ID is no dot-atom at a domain, on one line")
    if len("Message-ID:" + values["message-id"]) > 78:
        faults.append("Message-ID is folded by others")
    if values["auto-submitted"].strip() != "auto-generated":
        faults.append("Auto-Submitted")
    if not re.search(r"<[\w.-]+>$", values["list-id"]) or len(values["list-id"]) > 255:
        faults.append("List-Id")
    urls = re.findall(r"<(https://[^>]+)>", values["list-unsubscribe"])
    if len(urls) != 1 or len(urls[0]) > 60 or urlsplit(urls[0]).hostname != site_host:
        faults.append(f"List-Unsubscribe holds {urls}")
    if values["list-unsubscribe-post"] != " List-Unsubscribe=One-Click":
        faults.append("List-Unsubscribe-Post")
    if values["list-post"].strip() != "NO":
        faults.append("List-Post")
    feedback = values["feedback-id"].strip().split(":")
    if len(feedback) != 4 or len(set(feedback)) != 4 or not 5 <= len(feedback[3]) <= 15:
        faults.append("Feedback-ID")
    if "=?" in values["to"] or not values["to"].isascii():
        faults.append("an encoded word beside the recipient's address")
    return faults


def _structure(raw: bytes) -> list[str]:
    """Order of the parts, lines of the encodings, and that both decode without loss."""
    faults = []
    message = parse(raw)
    parts = [part for part in message.walk() if not part.is_multipart()]
    kinds = [part.get_content_type() for part in parts]
    if message.is_multipart() and (message.get_content_type(), kinds) != (
        "multipart/alternative",
        ["text/plain", "text/html"],
    ):
        faults.append(f"parts: {message.get_content_type()} of {kinds}")
    if not message.is_multipart() and kinds != ["text/plain"]:
        faults.append(f"parts: {kinds}")
    for part in parts:
        wire = part.get_payload()
        assert isinstance(wire, str)
        coding = str(part["Content-Transfer-Encoding"])
        if coding not in {"quoted-printable", "base64"}:
            faults.append(f"encoding: {part.get_content_type()} is {coding}")
            continue
        if any(len(line) > 76 for line in wire.splitlines()):
            faults.append(f"a {coding} line over 76")
        if coding == "quoted-printable":
            if re.search(r"[ \t]\r?$|=(?![0-9A-F]{2}|\r?\n)", wire, re.MULTILINE):
                faults.append("quoted-printable with a loose space or equals sign")
            decoded = quopri.decodestring(wire.encode("ascii"))
        else:
            if re.search(r"=[\r\n]*[A-Za-z0-9+/]", wire):
                faults.append("base64 padding inside the part")
            decoded = base64.b64decode("".join(wire.split()), validate=True)
        try:
            decoded.decode("utf-8")
        except UnicodeDecodeError as error:
            faults.append(f"the {part.get_content_type()} part is not UTF-8: {error}")
    return faults


class _Outline(HTMLParser):
    """Tags, attributes and nesting of an HTML part."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


def _outline(html: str) -> _Outline:
    outline = _Outline()
    outline.feed(html)
    outline.close()
    return outline


def _hrefs(html: str) -> list[str]:
    return [attrs.get("href", "").split("#")[0] for tag, attrs in _outline(html).tags if tag == "a"]


def _html(html: str, raw: bytes) -> list[str]:
    """What clients clip, show or drop: size, outline, preheader, direction, the way out."""
    faults = []
    encoded = next(part for part in parse(raw).walk() if part.get_content_type() == "text/html").get_payload()
    assert isinstance(encoded, str)
    size = len(encoded) + encoded.count("\n") * (0 if "\r\n" in encoded else 1)
    if size > HTML_LIMIT:
        faults.append(f"the HTML part takes {size} bytes")
    outline = _outline(html)
    faults += outline.faults
    if outline.open:
        faults.append(f"left open: {outline.open}")
    if not html.startswith("<!DOCTYPE html>"):
        faults.append("no doctype")
    names = [tag for tag, _ in outline.tags]
    root = next(attrs for tag, attrs in outline.tags if tag == "html")
    if not root.get("lang") or root.get("dir") not in {"ltr", "rtl"}:
        faults.append("<html> without lang or dir")
    if names.count("title") != 1 or not any(attrs.get("charset") == "utf-8" for _, attrs in outline.tags):
        faults.append("title or charset")
    if not any(attrs.get("name") == "color-scheme" for _, attrs in outline.tags):
        faults.append("color-scheme")
    levels = [int(tag[1]) for tag in names if re.fullmatch("h[1-6]", tag)]
    if levels[:1] != [1] or levels.count(1) != 1 or any(b - a > 1 for a, b in pairwise(levels)):
        faults.append(f"headings {levels}")
    if banned := {"script", "form", "input", "button", "link", "iframe", "object", "svg", "video"} & set(names):
        faults.append(f"elements {sorted(banned)}")
    for tag, attrs in outline.tags:
        if tag == "table" and attrs.get("role") != "presentation":
            faults.append("a table without role=presentation")
        if tag == "img" and "alt" not in attrs:
            faults.append("an image without alt")
        if any(name.startswith("on") for name in attrs):
            faults.append(f"a script on <{tag}>")
        if tag == "a" and not attrs.get("href", "").startswith("https://"):
            faults.append(f"a link to {attrs.get('href')}")
        size_px = re.search(r"font(?:-size)?:[^;]*?(\d+(?:\.\d+)?)px", attrs.get("style", ""))
        if size_px and float(size_px[1]) < 14:
            faults.append(f"{size_px[1]}px on <{tag}>")
        if re.search(r"url\(|expression|position:|@import", attrs.get("style", "")):
            faults.append(f"{attrs['style']} on <{tag}>")
    for tag, attrs in outline.tags:
        if tag == "h2" and attrs.get("class") == "title" and attrs.get("dir") != "auto":
            faults.append("a title without dir=auto")  # Gmail and Outlook drop <bdi>
    preview = re.search(r'<div class="preview"[^>]*style="([^"]*)"', html)
    if not preview or not {"display:none", "mso-hide:all"} <= set(preview[1].replace(" ", "").rstrip(";").split(";")):
        faults.append("the preheader shows")
    if "/u/" not in html or "#preferences" not in html:
        faults.append("no unsubscribe or preferences link")
    return faults
