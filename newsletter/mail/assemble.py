"""Join an edition's compiled parts into one reader's message.

In: what `compile_edition` made of a frozen edition, and one reader. Out: the bytes of an RFC 5322 message,
CRLF and 7-bit, ready for the wire. Pure: the same values give the same bytes, as often as one likes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from newsletter.mail import mime_encoding
from newsletter.mail.also_new_lines import Listed, NewPapers, Wanted
from newsletter.mail.one_part import CODINGS, Plane, Recipient
from newsletter.mail.sections import in_sections

HTML_BUDGET = 79_000  # encoded bytes of the HTML part; mail readers clip at about 102 KB, the footer with it
ALSO_BUDGET = 12_000  # encoded bytes of the lines of other new papers, in both parts together
MAX_PAPERS = 50
SUBJECT_LINE = 67  # a longer line is folded before "+ 9 more"
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{mime_encoding.TOKEN_LENGTH}}}")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[A-Za-z0-9.-]+>")
_DATE = re.compile(r"[A-Za-z0-9,:+ -]{16,40}")


@dataclass(frozen=True, slots=True)
class Identity:
    """The sender of all digests of an edition."""

    site_url: str
    site_name: str
    sender: str  # From, with or without a display name
    reply_to: str
    bounce_domain: str
    list_id: str  # without phrase and brackets: digest.example.org
    list_help_url: str
    list_subscribe_url: str
    list_owner: str  # a mail address
    list_archive_url: str
    feedback_sender_id: str
    unsubscribe_mailbox: str = ""  # empty: no mailto in List-Unsubscribe


class Composer:
    """Makes messages of one edition. Build one per edition and process."""

    def __init__(self, compiled: dict[str, Any], identity: Identity) -> None:
        # Keyed by whether it is a first digest. Editions frozen by an older version have no welcome in some parts.
        self._subjects, self._welcomes = (
            {int(key): item.get(name, item["subject"]).encode("ascii") for key, item in compiled["items"].items()}
            for name in ("subject", "welcome_subject")
        )
        self._alone = compiled.get("alone", "").encode("ascii")  # the subject of a mail without papers chosen
        self._has_sections = "sections" in compiled["html"]
        self._topics = {int(key): item.get("topic", "") for key, item in compiled["items"].items()}
        self._more = [tail.encode("ascii") for tail in compiled["more"]]
        self._text = _planes(compiled, part="text")
        self._html = _planes(compiled, part="html")
        self._standing = _standing_headers(identity, campaign=compiled["campaign"])
        url, _, self._after_token = compiled["unsubscribe_url"].partition(compiled["marks"]["unsubscribe"])
        self._one_click = f"List-Unsubscribe: <{url}"
        self._by_mail = f">,\r\n <mailto:{identity.unsubscribe_mailbox}?subject=unsubscribe%20"
        self._has_mailbox = bool(identity.unsubscribe_mailbox)
        self._new = NewPapers(compiled.get("also", ()))  # none in editions of an older version
        self._fitting = lru_cache(maxsize=256)(self._find_fitting)  # readers of the same papers have the same lines
        boundary = compiled["boundary"].encode("ascii")
        self._multipart = b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n\r\n' % boundary
        self._part = b"--%b\r\n" % boundary
        self._end = b"--%b--\r\n" % boundary
        pieces = [piece for plane in (*self._text, *self._html) for piece in plane.all_pieces()]
        headers = [self._standing, self._alone, *self._subjects.values(), *self._welcomes.values(), *self._more]
        # The encoding prevents it; checked once for all messages, because a lone dot would end one too early.
        has_dots = any(b"\n." in piece for piece in (*headers, *pieces)) or any(piece[:1] == b"." for piece in pieces)
        self.is_dotless = not has_dots

    def compose(self, recipient: Recipient) -> bytes:
        """The whole message. ValueError when a value of the recipient could break a header, or a pick is unknown."""
        headers = self._headers(recipient)
        if self._has_sections and not recipient.interests:
            recipient = recipient._replace(picks=in_sections(recipient.picks, self._topics))
        full, room = len(recipient.picks), ALSO_BUDGET
        try:
            listed = self._listed(recipient, room=room)
            if not (full or listed):
                raise ValueError(f"delivery {recipient.delivery_id}: it has no paper")
            if not recipient.wants_html:
                return headers + _shorter(self._text, recipient, full=full, listed=listed)
            html = _shorter(self._html, recipient, full=full, listed=listed)
            while listed and listed.lines and len(html) > HTML_BUDGET:
                room -= len(html) - HTML_BUDGET  # the lines make way for the papers chosen
                listed = self._listed(recipient, room=room)
                html = _shorter(self._html, recipient, full=full, listed=listed)
            text = _shorter(self._text, recipient, full=full, listed=listed)
            while full and len(html) > HTML_BUDGET:
                full -= 1  # the last papers shrink to a title first, so that the footer is never clipped
                html = _shorter(self._html, recipient, full=full, listed=listed)
        except KeyError as error:
            raise ValueError(f"delivery {recipient.delivery_id}: the edition has no {error}") from error
        return b"".join([headers, self._multipart, self._part, text, self._part, html, self._end])

    def size_in_full(self, recipient: Recipient) -> int:
        """Return the encoded bytes of the HTML part if no paper were shortened and no other paper listed."""
        return len(_shorter(self._html, recipient, full=len(recipient.picks), listed=None))

    def _listed(self, recipient: Recipient, *, room: int) -> Listed | None:
        """The lines of other new papers that fit into ``room`` bytes; None when there is no such paper."""
        if not recipient.also:
            return None
        chosen = tuple([pick[0] for pick in recipient.picks])
        return self._fitting(Wanted.of(recipient.also), chosen, recipient.wants_html, room)

    def _find_fitting(self, wanted: Wanted, chosen: tuple[int, ...], with_html: bool, room: int) -> Listed | None:
        lines, count = self._new.of(wanted, chosen=chosen)
        planes = (self._text[0], self._html[0]) if with_html else (self._text[0],)
        kept = []
        for line in lines:
            if size := sum(len(plane.line(line)) for plane in planes):
                room -= size
                if room < 0:
                    break
                kept.append(line)
        return Listed(kept, count - len(kept)) if count else None

    def _headers(self, recipient: Recipient) -> bytes:
        message_id = recipient.message_id if recipient.message_id[:1] == "<" else f"<{recipient.message_id}>"
        papers = len(recipient.picks)
        if not (
            _ADDRESS.fullmatch(recipient.email)
            and _MESSAGE_ID.fullmatch(message_id)
            and _DATE.fullmatch(recipient.date_header)
            and _TOKEN.fullmatch(recipient.unsubscribe_token)
            and _TOKEN.fullmatch(recipient.delivery_token)
        ):
            raise ValueError(f"delivery {recipient.delivery_id}: address, id, date or token cannot stand in a header")
        subjects = self._welcomes if recipient.is_welcome else self._subjects
        subject = subjects.get(recipient.picks[0][0]) if papers else self._alone
        if papers > MAX_PAPERS or not subject:
            raise ValueError(f"delivery {recipient.delivery_id}: a digest of {papers} papers cannot be made")
        token = recipient.unsubscribe_token
        by_mail = self._by_mail + token if self._has_mailbox else ""
        personal = (
            f"To: {recipient.email}\r\nDate: {recipient.date_header}\r\nMessage-ID: {message_id}\r\n"
            f"{self._one_click}{token}{self._after_token}{by_mail}>\r\nSubject: "
        )
        tail = self._more[papers - 1] if papers else b""
        fold = b"\r\n" if tail and len(subject) - subject.rfind(b"\n") + len(tail) > SUBJECT_LINE else b""
        return b"".join([self._standing, personal.encode("ascii"), subject, fold, tail, b"\r\n"])


def _planes(compiled: dict[str, Any], *, part: str) -> list[Plane]:
    """Return both encodings of a part, or only the one that is never longer: most editions are in one script."""
    quoted, based = (Plane(compiled, part=part, coding=coding) for coding in range(len(CODINGS)))
    if quoted.is_never_longer(based):
        return [quoted]
    return [based] if based.is_never_longer(quoted) else [quoted, based]


def _shorter(planes: list[Plane], recipient: Recipient, *, full: int, listed: Listed | None) -> bytes:
    """Return the part in the encoding that makes it smaller."""
    return min((plane.part(recipient, full=full, listed=listed) for plane in planes), key=len)


def _standing_headers(identity: Identity, *, campaign: str) -> bytes:
    """Return the headers common to all messages of the edition. ValueError when a setting is not valid in a header.

    No Precedence: RFC 3834 section 3.1.8 advises against it, and Auto-Submitted with List-Id says the same.
    """
    site = identity.site_url
    phrase = mime_encoding.header_phrase(identity.site_name, column=len("List-Id: "))
    lines = [
        f"From: {mime_encoding.mailbox(identity.sender, column=len('From: '))}",
        f"Reply-To: {mime_encoding.mailbox(identity.reply_to, column=len('Reply-To: '))}",
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-generated",
        f"List-Id: {phrase} <{identity.list_id}>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        f"List-Help: <{identity.list_help_url}>",
        f"List-Subscribe: <{identity.list_subscribe_url}>",
        f"List-Owner: <mailto:{identity.list_owner}>",
        f"List-Archive: <{identity.list_archive_url}>",
        "List-Post: NO",
        f"Feedback-ID: {campaign}:{identity.feedback_sender_id}",
    ]
    for value in (site, identity.list_id, identity.unsubscribe_mailbox, *lines):
        if not value.replace("\r\n ", " ").isascii() or not value.replace("\r\n ", " ").isprintable():
            raise ValueError(f"this setting cannot stand in a mail header: {value!r}")
    return "".join(line + "\r\n" for line in lines).encode("ascii")
