"""One part of a digest, text or HTML, in one encoding: every piece an edition has of it, joined for one reader.

In: what `compile_edition` made, and one reader. Out: the bytes of the part, with its MIME headers. Pure.
"""

from __future__ import annotations

from html import escape
from itertools import chain, pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from newsletter.mail import mime_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from newsletter.mail.also_new_lines import Line, Listed

FIRST = 3  # papers in what mail readers make a summary of
CONTENTS = range(5, 21)  # papers of a digest that lists its titles at the top
FOLLOW = "follow:"  # what the reason of a followed paper begins with; the query's text is the rest
LEAD = "lead"  # the lane of the story that comes first for everybody
CODINGS = ("quoted-printable", "base64")  # the order of every pair in the compiled fragments


class Recipient(NamedTuple):
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
    also: Mapping[str, Any] = MappingProxyType({})  # whose other new papers are listed: see also_new
    confirmed_on: date | None = None  # named in the footer as the day of consent
    is_welcome: bool = False  # the first digest, right after confirming
    counts_clicks: bool = False  # agreed to links that count which papers are opened
    interests: Mapping[int, str] | None = None  # names of those that the reader keeps apart
    shows_pictures: bool = False  # of papers, loaded from our own address


class _Papers:
    """Pieces of every paper by item, in full or in short, with counted links or without."""

    def __init__(self, mark: bytes, *, whys: Mapping[tuple[int, str], bytes], follows: Mapping[str, bytes]) -> None:
        self._mark, self._whys, self._follows = mark, whys, follows
        self._pieces: dict[int, tuple[bytes, bytes]] = {}
        self.ready: dict[tuple[int, str], list[bytes]] = {}  # joined once for each reason of the edition's own

    def add(self, item: int, lead: bytes, rest: bytes) -> None:
        self._pieces[item] = lead, rest

    def of(self, item: int, reason: str) -> list[bytes]:
        """Return the paper with its reason, cut at the delivery's mark. KeyError when the edition does not have it."""
        why = self._whys.get((item, reason))
        lead, rest = self._pieces[item]
        words = why or self._follows.get(reason.removeprefix(FOLLOW)) or self._whys[item, "trending"]
        cut = b"".join([lead, words, rest]).split(self._mark)
        if why:
            self.ready[item, reason] = cut
        return cut

    def whole(self) -> list[bytes]:
        """Every piece, uncut, always in the same order."""
        return [piece for pair in self._pieces.values() for piece in pair]


class Plane:
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
        # What stands before the reason of a paper with its picture: the picture, and the number after it.
        self._beside = [pair[coding].encode("ascii") for pair in compiled[part].get("beside_pictures", ())]
        self._pictures: dict[int, bytes] = {}
        self._frame = pieces(compiled[part]["frame"])
        for name in ("foot", "end"):
            self._frame.setdefault(f"{name}_welcome", self._frame[name])
        self._topics = pieces(compiled[part]["topics"])
        self._follows = pieces(compiled[part].get("follows", {}))  # none in editions of an older version
        self._news = pieces(compiled[part].get("news", {}))
        self._sections = pieces(compiled[part].get("sections", {}))  # none in a daily edition
        self._headline = pieces(compiled[part].get("headline", {}))
        also = compiled[part].get("also", {})  # none in editions of an older version
        self._around, self._leads = pieces(also.get("frame", {})), pieces(also.get("lines", {}))
        line_whys = pieces(also.get("whys", {}))
        self._lines: dict[Line, bytes] = {
            (item, topic): self._leads[str(item)] + line_whys[str(topic)]
            for item, topics, _at in compiled.get("also", ())
            for topic in (topics if str(item) in self._leads else ())
        }
        cut = {
            "opening": self._frame["opening"],
            "welcome": self._frame["welcome"],
            "news": self._news.get("close", b""),
        }
        self._cut = {name: piece.split(self._delivery_mark) for name, piece in cut.items()}
        self._previews: dict[int, bytes] = {}
        self._whys: dict[tuple[int, str], bytes] = {}
        self._contents: dict[int, bytes] = {}
        self._tops: dict[tuple[int, str], tuple[bytes, int, bytes, int]] = {}
        self._places = [pair[coding].encode("ascii") for pair in compiled[part].get("contents", ())]
        self._room: int = compiled[part].get("room", 0)
        self._join = mime_encoding.encode(" · ")[coding].encode("ascii")
        whole, brief, whole_counted, brief_counted = self._papers = [
            _Papers(self._delivery_mark, whys=self._whys, follows=self._follows) for _ in range(4)
        ]
        for key, item in compiled["items"].items():
            ready = pieces(item[part]["pieces"])
            self._previews[int(key)] = ready["preview"]
            if "picture" in item[part]:
                self._pictures[int(key)] = item[part]["picture"][coding].encode("ascii")
            for reason, (long, size, short, less) in item[part].get("tops", {}).items():  # none in older editions
                self._tops[int(key), reason] = long[coding].encode("ascii"), size, short[coding].encode("ascii"), less
                self._contents[int(key)] = item[part]["contents"][coding].encode("ascii")
            self._whys.update({(int(key), reason): why for reason, why in pieces(item[part]["whys"]).items()})
            links = pieces(item[part]["counted"]) if "counted" in item[part] else ready
            for papers, own in ((whole, ready), (whole_counted, links)):
                papers.add(int(key), own["lead"], own["rest"])
            for papers, own in ((brief, ready), (brief_counted, links)):
                papers.add(int(key), own["short_lead"], own["short_rest"])
        self._months: list[str] = compiled["months"]
        self._day: str = compiled.get("day", "%(day)d %(month)s %(year)d")  # none in editions of an older version
        self._dates: dict[date, bytes] = {}
        self._counts: dict[int, bytes] = {}

    def all_pieces(self) -> Iterator[bytes]:
        """Everything that may become part of a message, but the day of consent, which begins with a digit."""
        yield self._opening
        yield from self._numbers
        yield from self._beside
        yield from self._pictures.values()
        yield from self._places
        own = (
            self._frame,
            self._topics,
            self._follows,
            self._news,
            self._headline,
            self._sections,
            self._around,
            self._leads,
        )
        for pieces in (*own, self._previews, self._contents):
            yield from pieces.values()
        yield from (piece for long, _size, short, _less in self._tops.values() for piece in (long, short))
        yield from self._lines.values()
        yield from self._whys.values()
        for papers in self._papers:
            yield from papers.whole()

    def is_never_longer(self, other: Plane) -> bool:
        """Whether every piece is at most as long as the same piece of the other plane."""
        mine, theirs = (
            [
                *chain(*(own.values() for own in (plane._frame, plane._follows, plane._news, plane._headline))),
                *plane._previews.values(),
                *plane._whys.values(),
                *chain(*(papers.whole() for papers in plane._papers)),
            ]
            for plane in (self, other)
        )
        return all(len(ours) <= len(others) for ours, others in zip(mine, theirs, strict=True))

    def _token(self, token: str) -> bytes:
        return (mime_encoding.base64_mark(token) if self._is_base64 else token).encode("ascii")

    def part(self, recipient: Recipient, *, full: int, listed: Listed | None) -> bytes:
        """The whole part, the first ``full`` papers with all there is, the rest with title and links.

        The reader's token joins what was cut at its mark: replacing the mark in the whole would take ten times as long.
        """
        frame, fill = self._frame, self._token(recipient.delivery_token).join
        opening = fill(self._cut["welcome" if recipient.is_welcome else "opening"])
        joined = [self._opening, frame["head"], *self._above(recipient.picks, opening)]
        papers, brief = self._papers[2:] if recipient.counts_clicks else self._papers[:2]
        headings = self._headings(recipient) if recipient.interests or self._sections else {}
        pictures = self._pictures if recipient.shows_pictures else None
        for place, pick in enumerate(recipient.picks):
            item, reason = pick[0], pick[2]
            if place == full:
                papers, pictures = brief, None
            if place in headings:
                joined += headings[place]
            if pictures and item in pictures:
                joined += pictures[item], self._beside[place]
            else:
                joined.append(self._numbers[place])
            joined.append(fill(papers.ready.get((item, reason)) or papers.of(item, reason)))
        if news := [self._news[key] for key in recipient.news if key in self._news]:
            joined += [self._news["open"], *news, fill(self._cut["news"])]
        if listed:
            joined.append(fill(self._also_new(listed)))
        if full:  # the numbers of a week make way last of all, for a mail of titles alone
            joined.append(frame.get("period", b""))
        joined.append(frame["foot_welcome" if recipient.is_welcome else "foot"])
        if topics := [self._topics[slug] for slug in recipient.topics if slug in self._topics]:
            joined += [frame["topics_open"], frame["topics_join"].join(topics), frame["topics_close"]]
        if recipient.confirmed_on:
            joined += [frame["confirmed_open"], self._date(recipient.confirmed_on), frame["confirmed_close"]]
        end = frame["end_welcome" if recipient.is_welcome else "end"]
        joined.append(end.replace(self._unsubscribe_mark, self._token(recipient.unsubscribe_token)))
        return b"".join(joined)

    def _above(self, picks: Sequence[Sequence[Any]], opening: bytes) -> list[bytes]:
        """What stands above the papers: the first titles with their reasons, and the list of all titles."""
        if not picks:
            return [opening]
        if len(picks) == 1 or not self._tops:
            return [self._previews[picks[0][0]], opening]
        first, frame, contents = self._first(picks[:FIRST]), self._frame, self._contents
        if not self._is_html:
            return [frame["contents"], *first, *[contents[pick[0]] for pick in picks[FIRST:]], opening]
        above = [self._join.join([*first[1:], first[0]]), opening]  # the first title is the subject
        if len(picks) in CONTENTS:
            above.append(frame["contents"])
            above += [
                part for number, pick in zip(self._places, picks, strict=False) for part in (number, contents[pick[0]])
            ]
            above.append(frame["contents_close"])
        return above

    def _first(self, picks: Sequence[Sequence[Any]]) -> list[bytes]:
        """The titles with their reasons, long where there is room: those behind are shortened first."""
        tops = self._tops
        found = [tops.get((pick[0], pick[2])) or tops[pick[0], ""] for pick in picks]
        lines = [top[0] for top in found]
        over = sum([top[1] for top in found]) - self._room
        for place in (2, 1, 0):
            if over > 0 and place < len(lines):
                _long, size, lines[place], less = found[place]
                over -= size - less
        return lines

    def _headings(self, recipient: Recipient) -> dict[int, list[bytes]]:
        """Place of a paper -> the heading above it, of an interest or a section; none in older editions."""
        if not self._headline:
            return {}
        if not recipient.interests:
            return self._headings_of_sections(recipient.picks)
        found, before = {}, None
        for place, (_item, lane, _reason, *interest) in enumerate(recipient.picks):
            if lane == LEAD:  # first for everybody, above all sections
                continue
            if interest != before:
                name = (recipient.interests or {}).get(*interest) if interest else None
                found[place] = [self._headline["beyond"]] if name is None else self._named(name)
            before = interest
        return found

    def _headings_of_sections(self, picks: Sequence[Sequence[Any]]) -> dict[int, list[bytes]]:
        sections = ["", *[pick[3] if len(pick) > 3 else "" for pick in picks]]
        return {
            place: [self._sections[after]]
            for place, (before, after) in enumerate(pairwise(sections))
            if after != before and after in self._sections
        }

    def _named(self, name: str) -> list[bytes]:
        pair = mime_encoding.encode(escape(name) if self._is_html else name)
        return [self._headline["open"], pair[self._is_base64].encode("ascii"), self._headline["close"]]

    def line(self, line: Line) -> bytes:
        """One paper's line; empty when it has none."""
        if ready := self._lines.get(line):
            return ready
        lead, why = self._leads.get(str(line[0])), self._follows.get(str(line[1]))
        return lead + why + self._around["line_end"] if lead and why else b""

    def _also_new(self, listed: Listed) -> list[bytes]:
        """The lines with what stands around them, cut at the delivery's mark."""
        if self not in listed.joined:
            around = self._around
            more = [around["more"], self._number(listed.more), around["more_end"]] if listed.more else []
            joined = b"".join([around["open"], *map(self.line, listed.lines), *more, around["close"]])
            listed.joined[self] = joined.split(self._delivery_mark)
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
