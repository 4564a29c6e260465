"""Render and encode every part of an edition's digests once, when the edition is frozen.

In: an edition with its items. Out: a JSON-able dict of parts that `assemble.Composer` joins per reader.
Harmless to run twice: it only reads rows, and the same rows give the same messages.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import css_inline
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.formats import date_format
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from newsletter.mail import assemble, mime_encoding, subject_lines
from newsletter.mail.also_new_lines import New, NewPapers
from newsletter.mail.around_papers import around_papers
from newsletter.mail.digest_links import click_url, digest_url, links_of, picture_url
from newsletter.mail.editors_words import said
from newsletter.mail.news_lines import news_line
from newsletter.mail.paper_texts import INDENT, Sheet, line_of_paper
from newsletter.mail.period_in_numbers import in_numbers
from newsletter.mail.reasons import follow_line, primary_topic, reasons, short_reasons
from newsletter.mail.sections import OTHERS
from newsletter.models import Edition, EditionItem, Paper
from subscriptions import plain_text as mail_text
from subscriptions import token_links
from subscriptions.mail import han_faces
from subscriptions.models import Subscriber, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

TEMPLATES = "emails/digest"
SUBJECT_WIDTH = 80
PREVIEW_WIDTH = 120
SUMMARY = 300  # characters from which mail readers make a summary: the first three papers stand in them
TOP_WIDTHS = (120, 52)  # columns of a title among them; the first where there is room
CONTENTS_WIDTH = 40  # columns of a title in the list of all: a line on a phone
_SLOTS = (
    *("preview", "welcome", "welcome_end", "contents", "contents_list", "contents_end", "papers"),
    *("picture", "number", "why"),
    *("period", "period_end"),
    *("because", "because_welcome", "because_end"),
    *("topics", "topics_list", "topics_end", "confirmed", "confirmed_day", "confirmed_end"),
    *("frequency", "frequency_welcome", "frequency_end"),
    *("more", "count", "more_end"),
)


class CompileError(Exception):
    """A part of the digest cannot be rendered; the message names the item."""


def languages_in_use() -> list[str]:
    """Return the other languages that current readers use; each is compiled once."""
    gone = [Subscriber.State.UNSUBSCRIBED, Subscriber.State.SUPPRESSED, Subscriber.State.ERASED]
    read = Subscriber.objects.exclude(state__in=gone).order_by().values_list("language", flat=True).distinct()
    return sorted(set(read).intersection(dict(settings.LANGUAGES)).difference([settings.LANGUAGE_CODE]))


def compile_edition(edition: Edition, *, now: datetime, languages: Iterable[str] = ()) -> dict[str, Any]:
    """Every fragment of the edition's digests, inlined and encoded. CompileError names the item that fails.

    In the site's language; under "languages" the same once more in each of the others that are wanted.
    """
    compiled = compile_in(edition, language=settings.LANGUAGE_CODE, now=now)
    if others := {language: compile_in(edition, language=language, now=now) for language in languages}:
        compiled["languages"] = others
    return compiled


def compile_in(edition: Edition, *, language: str, now: datetime) -> dict[str, Any]:
    """Return the fragments in one language. CompileError names the item that fails."""
    with translation.override(language):
        press = _Press(edition)
        active = list(Topic.objects.filter(is_active=True))
        more = subject_lines.more(edition.cadence)
        has_own = bool(said(edition, "subject").strip())  # the editor's subject ends as they wrote it
        tail = (lambda _text: "") if has_own else mime_encoding.header_tail
        topics = {topic.slug: mail_text.one_line(topic.local_name) for topic in active}
        compiled: dict[str, Any] = {
            "compiled_at": now.isoformat(),
            "campaign": f"{edition.pk}:digest:{edition.cadence}",
            "marks": {"unsubscribe": press.unsubscribe_mark, "delivery": press.delivery_mark},
            "unsubscribe_url": token_links.unsubscribe_url(press.unsubscribe_mark),
            "day": _("%(day)d %(month)s %(year)d"),
            "months": [date_format(date(2026, number, 1), _("F")) for number in range(1, 13)],
            "more": ["", *(tail(more % rest) for rest in range(1, assemble.MAX_PAPERS))],
            "items": {},
        }
        rows = edition.items.exclude(standing=EditionItem.Standing.EXCLUDED).select_related("paper")
        items = list(rows.prefetch_related("paper__paper_topics__topic", "paper__links").order_by("position", "pk"))
        compiled |= press.frame(topics, in_numbers(edition, items, topics=topics))
        if any(item.paper.picture for item in items):
            compiled["html"]["beside_pictures"] = press.beside_pictures()
        compiled["also"] = new_papers(edition, items)
        compiled["alone"] = _subject(f"{title_of_lines(edition)}: {subject_lines.headline(edition)}")
        followed: set[str] = set()
        for item in items:
            if item.has_no_card:
                continue
            followed.update(text for _key, text in item.found_by)
            try:
                compiled["items"][str(item.pk)] = press.item(item, topics=topics)
                compiled["items"][str(item.pk)]["topic"] = primary_topic(item)
            except Exception as error:
                raise CompileError(f"Item {item.pk} ({item.paper.title[:80]}) cannot be rendered: {error}") from error
        for part in ("html", "text"):
            if edition.news:
                compiled[part]["news"] = press.news(part=part)
            compiled[part]["headline"] = press.headline(part=part)
            if edition.cadence != Edition.Cadence.DAILY:
                compiled[part]["sections"] = press.sections(topics, part=part)
            compiled[part]["also"] = press.also(
                {item.pk: item.paper for item in items},
                compiled["also"],
                topics={topic.pk: topics[topic.slug] for topic in active},
                part=part,
            )
            compiled[part]["follows"] = {text: press.why(follow_line(text), part=part) for text in sorted(followed)}
    # "=_" can stand in neither encoding, so no line of a part is ever taken for the boundary (RFC 2045 section 6.7).
    compiled["boundary"] = f"=_digest_{edition.pk}_{edition.cadence}"
    if json.dumps(compiled).count(compiled["boundary"]) != 1:
        raise CompileError("A fragment holds the edition's boundary.")
    return compiled


class _Press:
    """Renders the templates of one edition, inlines the CSS, and cuts what comes out at the slots."""

    def __init__(self, edition: Edition) -> None:
        self.edition = edition
        self.recent = subject_lines.recent_titles(edition)
        self.unsubscribe_mark, self.delivery_mark = secrets.token_hex(12), secrets.token_hex(12)
        self.marks = (self.unsubscribe_mark, self.delivery_mark)
        nonce = secrets.token_hex(8)  # no text of a paper can look like a slot or a mark
        self.slots = {name: SafeString(f"<!--{nonce}:{name}-->") for name in _SLOTS}
        self.cut = re.compile(f"<!--{nonce}:(\\w+)-->")
        self.css = render_to_string(f"{TEMPLATES}/style.css", {"han_faces": han_faces()})
        self.inliner = css_inline.CSSInliner(extra_css=self.css, load_remote_stylesheets=False, minify_css=True)

    def encode(self, text: str) -> list[str]:
        return mime_encoding.encode(text, marks=self.marks)

    def pieces(self, rendered: str) -> dict[str, str]:
        """Return the text before the first slot as "start", and after each slot under the slot's name."""
        start, *rest = self.cut.split(rendered)
        return {"start": start} | dict(zip(rest[::2], rest[1::2], strict=True))

    def frame(self, topics: Mapping[str, str], period: Mapping[str, Any]) -> dict[str, Any]:
        """Return everything around the papers, for both parts."""
        around = around_papers(self.edition, unsubscribe_mark=self.unsubscribe_mark, delivery_mark=self.delivery_mark)
        context = around | {"slots": self.slots, "period": period}
        html = self.inliner.inline(render_to_string(f"{TEMPLATES}/frame.html", context))
        shape = self.pieces(_ended(_tightened(html.replace(' data-css-inline="keep"', ""))))
        sample, line = self._sheet("paper.html", {}), self._sheet("contents_line.html", {})
        text = self.pieces(_ended(render_to_string(f"{TEMPLATES}/frame.txt", context)))
        numbers = range(1, assemble.MAX_PAPERS + 1)
        return {
            "html": {
                "numbers": [self.encode(sample["start"] + number) for number in self._numbered(sample)],
                "contents": [self.encode(f"{line['start']}{number}{line['number']}") for number in numbers],
                "frame": self._frame_pieces(shape, topics_join=_(", ")),
                "room": max(SUMMARY - mail_text.columns(around["preheader"]), 0),
                "topics": {slug: self.encode(conditional_escape(name)) for slug, name in topics.items()},
            },
            "text": {
                "numbers": [self.encode(f"\n{number:2d}. ") for number in numbers],
                "frame": self._frame_pieces(text, topics_join=""),
                "room": SUMMARY - len(text["start"] + text["contents"]),
                "topics": {slug: self.encode(f"  - {name}\n") for slug, name in topics.items()},
            },
        }

    def beside_pictures(self) -> list[list[str]]:
        """Return the numbers as they stand after a picture, which opens its paper in place of them."""
        return [self.encode(number) for number in self._numbered(self._sheet("paper.html", {}))]

    def _numbered(self, sample: Mapping[str, str]) -> list[str]:
        return [f"{sample['picture']}{number}{sample['number']}" for number in range(1, assemble.MAX_PAPERS + 1)]

    def _frame_pieces(self, shape: Mapping[str, str], *, topics_join: str) -> dict[str, list[str]]:
        ready = {
            "head": shape["start"],
            "opening": shape["preview"] + shape["welcome_end"],
            "welcome": shape["preview"] + shape["welcome"] + shape["welcome_end"],
            "contents": shape["contents"],
            "contents_close": shape.get("contents_list", ""),
            "period": shape["papers"] + shape["period"],
            "foot": shape["period_end"] + shape["because"] + shape["because_end"],
            "foot_welcome": shape["period_end"] + shape["because_welcome"] + shape["because_end"],
            "topics_open": shape["topics"],
            "topics_join": topics_join,
            "topics_close": shape["topics_list"],
            "confirmed_open": shape["confirmed"],
            "confirmed_close": shape["confirmed_day"],
            "end": shape["confirmed_end"] + shape["frequency"] + shape["frequency_end"],
            "end_welcome": shape["confirmed_end"] + shape["frequency_welcome"] + shape["frequency_end"],
        }
        return {name: self.encode(text) for name, text in ready.items()}

    def news(self, *, part: str) -> dict[str, list[str]]:
        """The lines of the edition's news by "paper:kind", and what stands around them."""
        papers = Paper.objects.in_bulk([paper for paper, *_rest in self.edition.news])
        found: dict[str, str] = {}
        for paper, kind, _at in self.edition.news:
            context = news_line(papers[paper], kind=kind) | {"off_url": f"{digest_url(self.delivery_mark)}#news"}
            shape = self._sheet(f"news.{'html' if part == 'html' else 'txt'}", context)
            found |= {"open": shape["start"], "close": shape["why"], f"{paper}:{kind}": shape["papers"]}
        return {name: self.encode(text) for name, text in found.items()}

    def headline(self, *, part: str) -> dict[str, list[str]]:
        """What stands around the name of an interest, and the heading of papers that came by none."""
        start, end = self._around_heading(part)
        around = {"open": start, "close": end, "beyond": self._heading(_("Beyond your interests"), part=part)}
        return {name: self.encode(text) for name, text in around.items()}

    def sections(self, topics: Mapping[str, str], *, part: str) -> dict[str, list[str]]:
        """The headings of a week's or month's topics, and of the papers that are alone on theirs."""
        names = {**topics, OTHERS: _("On other topics")}
        return {slug: self.encode(self._heading(name, part=part)) for slug, name in names.items()}

    def _heading(self, name: str, *, part: str) -> str:
        start, end = self._around_heading(part)
        return start + (conditional_escape(name) if part == "html" else name) + end

    def _around_heading(self, part: str) -> tuple[str, str]:
        shape = self._sheet(f"headline.{'html' if part == 'html' else 'txt'}", {})
        return shape["start"], shape["papers"]

    def also(
        self, papers: Mapping[int, Paper], new: Sequence[New], *, topics: Mapping[int, str], part: str
    ) -> dict[str, dict[str, list[str]]]:
        """The lines of other new papers by item and by topic, and what stands around them."""
        template = f"also.{'html' if part == 'html' else 'txt'}"
        digest = digest_url(self.delivery_mark)
        around: dict[str, Any] = {
            "title_of_lines": title_of_lines(self.edition),
            "all_url": f"{digest}/left-out#also-new",
            "off_url": f"{digest}#also-new",
        }
        shape = self._sheet(template, around)
        names = {"open": "start", "line_end": "why", "more": "more", "more_end": "count", "close": "more_end"}
        found: dict[str, dict[str, str]] = {"frame": {name: shape[slot] for name, slot in names.items()}}
        found |= {"lines": {}, "whys": {}}
        start = self.edition.window_start_at
        since = [int(moment.timestamp()) for moment in (self.edition.lists_since, start - timedelta(days=1), start)]
        for item, topic in NewPapers(new).lines(since):
            if str(item) not in found["lines"]:
                found["lines"][str(item)] = self._sheet(template, around | line_of_paper(papers[item]))["papers"]
            if str(topic) not in found["whys"]:
                why = _("New in %s") % topics[topic]
                context = around | {"why": why, "why_text": mail_text.wrap(why, indent=INDENT)}
                found["whys"][str(topic)] = self._sheet(template, context)["why"]
        return {name: {key: self.encode(text) for key, text in pieces.items()} for name, pieces in found.items()}

    def _sheet(self, template: str, context: dict[str, Any]) -> dict[str, str]:
        rendered = render_to_string(f"{TEMPLATES}/{template}", context | {"slots": self.slots})
        if template.endswith(".html"):
            return self.pieces(_tightened(self.inliner.inline_fragment(rendered, self.css)))
        return self.pieces(_ended(rendered))

    def item(self, item: EditionItem, *, topics: Mapping[str, str]) -> dict[str, Any]:
        """Return one paper's subject, its pieces for both parts, in full and in short, and its why-lines."""
        addresses = links_of(item.paper)
        sheet = Sheet.of(item, addresses=addresses, delivery_mark=self.delivery_mark)
        parts: dict[str, Any] = {}
        whys, shorter = reasons(item, topics=topics), short_reasons(item, topics=topics)
        for part in ("html", "text"):
            line = sheet.summary or sheet.authors or sheet.title
            preview = mail_text.shorten(subject_lines.preheader(self.edition, line), width=PREVIEW_WIDTH)
            pieces = self._pieces_of_paper(sheet, part=part)
            pieces["preview"] = conditional_escape(preview) if part == "html" else ""
            parts[part] = {
                "pieces": {name: self.encode(text) for name, text in pieces.items()},
                "whys": {reason: self.why(why, part=part) for reason, why in whys.items()},
                "tops": {reason: self.top(sheet.title, why, part=part) for reason, why in shorter.items()},
                "contents": self.contents_line(sheet.title, part=part),
            }
        if item.paper.picture:
            context = {"public_url": sheet.public_url, "picture_url": picture_url(item.paper)}
            parts["html"]["picture"] = self.encode(self._sheet("picture.html", context)["start"])
        if settings.CLICK_TRACKING:  # the same paper with counted links, for readers who agreed to them
            doors = {kind: click_url(self.delivery_mark, item.pk, kind) for kind in addresses}
            sheet = Sheet.of(item, addresses=doors, delivery_mark=self.delivery_mark)
            for part in ("html", "text"):
                pieces = self._pieces_of_paper(sheet, part=part)
                parts[part]["counted"] = {name: self.encode(text) for name, text in pieces.items()}
        others = [title for paper, title in self.recent if paper != item.paper_id]
        author = mail_text.one_line(str(next(iter(item.paper.authors), "")))
        subject = subject_lines.own_subject(self.edition, sheet.title, width=SUBJECT_WIDTH)
        subject = subject or subject_lines.subject(sheet.title, author=author, others=others)
        welcome = _("Welcome: %s") % sheet.title
        return {"subject": _subject(subject), "welcome_subject": _subject(welcome), **parts}

    def why(self, why: str, *, part: str) -> list[str]:
        return self.encode(_unbroken(why) if part == "html" else mail_text.wrap(why, indent=INDENT) + "\n")

    def top(self, title: str, why: str, *, part: str) -> list[Any]:
        """Return title and reason as the list at the top has them, long and short, with the columns of both."""
        found: list[Any] = []
        for width in TOP_WIDTHS:
            short = mail_text.shorten(title, width=width)
            line = f"{short} ({why})" if part == "html" else f"{mail_text.item(short)}\n  {why}\n"
            found += [self.encode(conditional_escape(line) if part == "html" else line), mail_text.columns(line)]
        return found

    def contents_line(self, title: str, *, part: str) -> list[str]:
        """Return the end of a title's line in the list of all titles; its number stands before it."""
        if part == "text":
            return self.encode(mail_text.item(mail_text.shorten(title, width=TOP_WIDTHS[-1])) + "\n")
        short = mail_text.shorten(title, width=CONTENTS_WIDTH)
        return self.encode(conditional_escape(short) + self._sheet("contents_line.html", {})["papers"])

    def _pieces_of_paper(self, sheet: Sheet, *, part: str) -> dict[str, str]:
        """Return the pieces before and after the reason, in full and in short."""
        suffix = "html" if part == "html" else "txt"
        full = self._sheet(f"paper.{suffix}", sheet.context())
        short = self._sheet(f"paper_short.{suffix}", sheet.context())
        is_text = part == "text"  # the HTML part numbers its papers by a piece of its own
        return {
            "lead": full["number"] if is_text else "",
            "rest": full["why"],
            "short_lead": short["number"] if is_text else "",
            "short_rest": short["why"],
        }


def title_of_lines(edition: Edition) -> str:
    """Return what stands above the lines of other new papers; a mail of them alone has it in its subject."""
    return _("Also new") if edition.cadence == Edition.Cadence.DAILY else _("What you may have missed")


def new_papers(edition: Edition, items: Iterable[EditionItem]) -> list[New]:
    """Those of the items whose paper is new in the edition, the best first: ranked, then the others by their score."""
    also = EditionItem.Standing.ALSO
    new = [
        item
        for item in sorted(items, key=lambda item: (item.standing == also, item.standing == also and -item.score))
        if item.standing != EditionItem.Standing.MISSED and item.paper.first_seen_at > edition.lists_since
    ]
    return [(item.pk, _topics(item.paper), int(item.paper.first_seen_at.timestamp())) for item in new]


def _topics(paper: Paper) -> list[int]:
    return [row.topic_id for row in paper.paper_topics.all() if row.is_assigned and row.topic.is_active]


def _subject(text: str) -> str:
    return mime_encoding.header_text(mail_text.shorten(text, width=SUBJECT_WIDTH), column=len("Subject: "))


def _tightened(html: str) -> str:
    """Return the HTML without line ends between tags, which cost bytes in every mail."""
    return re.sub(r">\n+<", "><", html)


def _ended(text: str) -> str:
    """Return the text with exactly one line end."""
    return text.rstrip() + "\n"


def _unbroken(why: str) -> str:
    """Return the text as HTML, with no line break before a unit or a separating dot."""
    return re.sub(r" (·|h\b|days\b)", "&nbsp;\\1", conditional_escape(why))
