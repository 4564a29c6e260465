"""Join an edition's compiled parts into one reader's message.

In: what `compile.compile_edition` made of a frozen edition, and one reader. Out: the bytes of an RFC 5322 message,
CRLF and 7-bit, ready for the wire. Pure: the same values give the same bytes, as often as one likes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from newsletter.mail import mime_encoding
from newsletter.mail.also_new import Line, Listed, NewPapers, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

HTML_BUDGET = 79_000  # encoded bytes of the HTML part; mail readers clip at about 102 KB, the footer with it
ALSO_BUDGET = 12_000  # encoded bytes of the lines of other new papers, in both parts together
MAX_PAPERS = 50
SUBJECT_LINE = 67  # a longer line is folded before "+ 9 more"
FOLLOW = "follow:"  # what the reason of a followed paper begins with; the query's text is the rest
CODINGS = ("quoted-printable", "base64")  # the order of every pair in the compiled fragments
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


@dataclass(frozen=True, slots=True)
class Recipient:
    """One reader and the picks of their digest."""

    delivery_id: int
    email: str  # ASCII, an internationalised domain already as A-labels
    message_id: str  # with or without angle brackets; the same on every retry
    unsubscribe_token: str  # 24 characters
    delivery_token: str  # 24 characters
    picks: Sequence[
        Sequence[Any]
    ]  # [edition item id, lane, reason], in order; and the interest where several are apart
    wants_html: bool
    date_header: str
    topics: tuple[str, ...] = ()  # slugs of followed topics, named in the footer
    news: tuple[str, ...] = ()  # "paper:kind" of papers they liked or saved
    also: Mapping[str, Any] = field(default_factory=dict)  # whose other new papers are listed: see also_new
    confirmed_on: date | None = None  # named in the footer as the day of consent
    is_welcome: bool = False  # the first digest, right after confirming
    counts_clicks: bool = False  # agreed to links that count which papers are opened
    interests: Mapping[int, str] | None = None  # names of those that the reader keeps apart


class Composer:
    """Makes messages of one edition. Build one per edition and process."""

    def __init__(self, compiled: dict[str, Any], identity: Identity) -> None:
        # Keyed by whether it is a first digest. Editions frozen by an older version have no welcome in some parts.
        self._subjects, self._welcomes = (
            {int(key): item.get(name, item["subject"]).encode("ascii") for key, item in compiled["items"].items()}
            for name in ("subject", "welcome_subject")
        )
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
        headers = [self._standing, *self._subjects.values(), *self._welcomes.values(), *self._more]
        # The encoding prevents it; checked once for all messages, because a lone dot would end one too early.
        has_dots = any(b"\n." in piece for piece in (*headers, *pieces)) or any(piece[:1] == b"." for piece in pieces)
        self.is_dotless = not has_dots

    def compose(self, recipient: Recipient) -> bytes:
        """The whole message. ValueError when a value of the recipient could break a header, or a pick is unknown."""
        headers = self._headers(recipient)
        full, room = len(recipient.picks), ALSO_BUDGET
        try:
            listed = self._listed(recipient, room=room)
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
        if not 1 <= papers <= MAX_PAPERS or recipient.picks[0][0] not in self._subjects:
            raise ValueError(f"delivery {recipient.delivery_id}: a digest of {papers} papers cannot be made")
        token = recipient.unsubscribe_token
        by_mail = self._by_mail + token if self._has_mailbox else ""
        personal = (
            f"To: {recipient.email}\r\nDate: {recipient.date_header}\r\nMessage-ID: {message_id}\r\n"
            f"{self._one_click}{token}{self._after_token}{by_mail}>\r\nSubject: "
        )
        subjects = self._welcomes if recipient.is_welcome else self._subjects
        subject, tail = subjects[recipient.picks[0][0]], self._more[papers - 1]
        fold = b"\r\n" if tail and len(subject) - subject.rfind(b"\n") + len(tail) > SUBJECT_LINE else b""
        return b"".join([self._standing, personal.encode("ascii"), subject, fold, tail, b"\r\n"])


class _Papers:
    """Pieces of every paper, in full and in short, by item and reason."""

    def __init__(self) -> None:
        self.full: dict[tuple[int, str], bytes] = {}
        self.short: dict[tuple[int, str], bytes] = {}
        self.around: dict[int, Mapping[str, bytes]] = {}  # the reason

    def add(self, item: int, ready: Mapping[str, bytes], whys: Mapping[str, bytes]) -> None:
        self.around[item] = ready
        for reason, why in whys.items():
            self.full[item, reason] = ready["lead"] + why + ready["rest"]
            self.short[item, reason] = ready["short_lead"] + why + ready["short_rest"]

    def joined(self, item: int, why: bytes, *, is_full: bool) -> bytes:
        """A paper with a reason that many papers share, so that no paper is kept once for each of its followers."""
        ready, short = self.around[item], "" if is_full else "short_"
        return ready[f"{short}lead"] + why + ready[f"{short}rest"]


class _Plane:
    """All pieces of one part of the message in one encoding, ready to join."""

    def __init__(self, compiled: dict[str, Any], *, part: str, coding: int) -> None:
        def pieces(pairs: dict[str, list[str]]) -> dict[str, bytes]:
            return {name: pair[coding].encode("ascii") for name, pair in pairs.items()}

        self._is_html = part == "html"
        self._is_base64 = CODINGS[coding] == "base64"
        self._unsubscribe_mark = self._token(compiled["marks"]["unsubscribe"])
        self._delivery_mark = self._token(compiled["marks"]["delivery"])
        kind = "plain" if part == "text" else "html"
        self._opening = (
            f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {CODINGS[coding]}\r\n\r\n"
        ).encode("ascii")
        self._numbers = [pair[coding].encode("ascii") for pair in compiled[part]["numbers"]]
        self._frame = pieces(compiled[part]["frame"])
        for name in ("foot", "end"):
            self._frame.setdefault(f"{name}_welcome", self._frame[name])
        self._topics = pieces(compiled[part]["topics"])
        self._follows = pieces(compiled[part].get("follows", {}))  # none in editions of an older version
        self._news = pieces(compiled[part].get("news", {}))
        self._headline = pieces(compiled[part].get("headline", {}))
        also = compiled[part].get("also", {})  # none in editions of an older version
        self._around, self._leads = pieces(also.get("frame", {})), pieces(also.get("lines", {}))
        line_whys = pieces(also.get("whys", {}))
        self._lines: dict[Line, bytes] = {
            (item, topic): self._leads[str(item)] + line_whys[str(topic)]
            for item, topics, _at in compiled.get("also", ())
            for topic in (topics if str(item) in self._leads else ())
        }
        self._previews: dict[int, bytes] = {}
        plain, counted = _Papers(), _Papers()
        for key, item in compiled["items"].items():
            ready = pieces(item[part]["pieces"])
            self._previews[int(key)] = ready["preview"]
            whys = pieces(item[part]["whys"])
            plain.add(int(key), ready, whys)
            if "counted" in item[part]:
                counted.add(int(key), pieces(item[part]["counted"]), whys)
        self._papers = (plain, counted if counted.full else plain)  # by whether the reader agreed to counted links
        self._months: list[str] = compiled["months"]
        self._day: str = compiled.get("day", "%(day)d %(month)s %(year)d")  # none in editions of an older version
        self._dates: dict[date, bytes] = {}
        self._counts: dict[int, bytes] = {}

    def all_pieces(self) -> Iterator[bytes]:
        """Everything that may become part of a message, but the day of consent, which begins with a digit."""
        yield self._opening
        yield from self._numbers
        own = (self._frame, self._topics, self._follows, self._news, self._headline, self._around, self._leads)
        for pieces in (*own, self._previews):
            yield from pieces.values()
        yield from self._lines.values()
        for papers in self._papers:
            yield from papers.full.values()
            yield from papers.short.values()

    def is_never_longer(self, other: _Plane) -> bool:
        """Whether every piece is at most as long as the same piece of the other plane."""
        mine, theirs = (
            [
                piece
                for part in (plane._frame, plane._follows, plane._news, plane._headline, plane._previews)
                for piece in part.values()
            ]
            for plane in (self, other)
        )
        sizes = zip(mine, theirs, strict=True)
        pairs = zip(self._papers, other._papers, strict=True)
        papers = [pair for mine, theirs in pairs for pair in ((mine.full, theirs.full), (mine.short, theirs.short))]
        return all(len(ours) <= len(others) for ours, others in sizes) and all(
            len(ours[key]) <= len(others[key]) for ours, others in papers for key in ours
        )

    def _token(self, token: str) -> bytes:
        return (mime_encoding.base64_mark(token) if self._is_base64 else token).encode("ascii")

    def pieces(self, recipient: Recipient, *, full: int, listed: Listed | None) -> list[bytes]:
        """The part's pieces in order, the first ``full`` papers with all there is, the rest with title and links."""
        frame = self._frame
        opening = frame["welcome" if recipient.is_welcome else "opening"]
        joined = [self._opening, frame["head"], self._previews[recipient.picks[0][0]], opening]
        chosen = self._papers[recipient.counts_clicks]
        papers = chosen.full
        headings = self._headings(recipient) if recipient.interests else {}
        for place, pick in enumerate(recipient.picks):
            item, reason = pick[0], pick[2]
            if place == full:
                papers = chosen.short
            if place in headings:
                joined += headings[place]
            joined.append(self._numbers[place])
            if why := self._follows.get(reason.removeprefix(FOLLOW)) if reason.startswith(FOLLOW) else None:
                joined.append(chosen.joined(item, why, is_full=place < full))
            else:
                joined.append(papers.get((item, reason)) or papers[item, "trending"])
        if news := [self._news[key] for key in recipient.news if key in self._news]:
            joined += [self._news["open"], *news, self._news["close"]]
        if listed:
            joined.append(self._also_new(listed))
        joined.append(frame["foot_welcome" if recipient.is_welcome else "foot"])
        if topics := [self._topics[slug] for slug in recipient.topics if slug in self._topics]:
            joined += [frame["topics_open"], frame["topics_join"].join(topics), frame["topics_close"]]
        if recipient.confirmed_on:
            joined += [frame["confirmed_open"], self._date(recipient.confirmed_on), frame["confirmed_close"]]
        end = frame["end_welcome" if recipient.is_welcome else "end"]
        joined.append(end.replace(self._unsubscribe_mark, self._token(recipient.unsubscribe_token)))
        return joined

    def _headings(self, recipient: Recipient) -> dict[int, list[bytes]]:
        """Place of a paper -> the heading above it; none in editions of an older version."""
        if not self._headline:
            return {}
        found, before = {}, None
        for place, (_item, _lane, _reason, *interest) in enumerate(recipient.picks):
            if interest != before:
                name = (recipient.interests or {}).get(*interest) if interest else None
                found[place] = [self._headline["beyond"]] if name is None else self._named(name)
            before = interest
        return found

    def _named(self, name: str) -> list[bytes]:
        pair = mime_encoding.encode(escape(name) if self._is_html else name)
        return [self._headline["open"], pair[self._is_base64].encode("ascii"), self._headline["close"]]

    def line(self, line: Line) -> bytes:
        """One paper's line; empty when it has none."""
        if ready := self._lines.get(line):
            return ready
        lead, why = self._leads.get(str(line[0])), self._follows.get(str(line[1]))
        return lead + why + self._around["line_end"] if lead and why else b""

    def _also_new(self, listed: Listed) -> bytes:
        if self not in listed.joined:
            around = self._around
            more = [around["more"], self._number(listed.more), around["more_end"]] if listed.more else []
            listed.joined[self] = b"".join([around["open"], *map(self.line, listed.lines), *more, around["close"]])
        return listed.joined[self]

    def _number(self, number: int) -> bytes:
        if number not in self._counts:
            self._counts[number] = mime_encoding.encode(str(number))[self._is_base64].encode("ascii")
        return self._counts[number]

    def _date(self, day: date) -> bytes:
        if day not in self._dates:
            words = self._day % {"day": day.day, "month": self._months[day.month - 1], "year": day.year}
            pair = mime_encoding.encode(words)
            self._dates[day] = pair[self._is_base64].encode("ascii")
        return self._dates[day]

    def filled(self, pieces: list[bytes], recipient: Recipient) -> bytes:
        """Join the pieces, with the reader's token in their links."""
        return b"".join(pieces).replace(self._delivery_mark, self._token(recipient.delivery_token))


def _planes(compiled: dict[str, Any], *, part: str) -> list[_Plane]:
    """Return both encodings of a part, or only the one that is never longer: most editions are in one script."""
    quoted, based = (_Plane(compiled, part=part, coding=coding) for coding in range(len(CODINGS)))
    if quoted.is_never_longer(based):
        return [quoted]
    return [based] if based.is_never_longer(quoted) else [quoted, based]


def _shorter(planes: list[_Plane], recipient: Recipient, *, full: int, listed: Listed | None) -> bytes:
    """Return the part in the encoding that makes it smaller."""
    if len(planes) == 1:
        return planes[0].filled(planes[0].pieces(recipient, full=full, listed=listed), recipient)
    pieces, plane = min(
        ((plane.pieces(recipient, full=full, listed=listed), plane) for plane in planes),
        key=lambda pair: sum(map(len, pair[0])),
    )
    return plane.filled(pieces, recipient)


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
