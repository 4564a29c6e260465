"""The texts about one paper in a mail: its card's words and links, or its one line.

In: an item of an edition with its paper and topics. Out: values for the templates, in the active language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from newsletter.catalogue.key_sentence import key_sentence, spans
from newsletter.mail.digest_links import LinkKind, paper_url, public_url, verdict_url
from newsletter.mail.editors_words import line_html, line_text, said
from newsletter.models import EditionItem, Paper
from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from collections.abc import Mapping

INDENT = "    "
TITLE_WIDTH = 300  # columns; a longer title is shortened in the mail
SUMMARY_WIDTH = 600  # columns; no sentence of a thousand abstracts is longer but a list that goes on
_CLAUSE_ENDS = (", ", "; ", ": ", " – ", " — ", "\uff0c", "\u3001")
REST_WIDTH = 200  # columns after the key sentence: two lines
SHORT_TITLE_WIDTH = 72
LINE_TITLE_WIDTH = 120
AUTHORS_SHOWN = 4
LINE_AUTHORS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Sheet:
    """The texts about one paper in a mail."""

    title: str
    authors: str
    summary: str
    rest: str
    note: SafeString
    note_text: str
    url: str
    public_url: str
    links: tuple[tuple[str, str], ...]
    verdicts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, item: EditionItem, *, addresses: Mapping[LinkKind, str], delivery_mark: str) -> Sheet:
        paper = item.paper
        chosen = paper.key_sentence
        if chosen is None:
            chosen = key_sentence(paper.title, paper.abstract)
        note, label = mail_text.one_line(said(item, "note")), _("Editor: %s")
        judge = verdict_url(delivery_mark, item.pk)
        verdicts = [(_("Save"), f"{judge}#save")]
        verdicts += [(_("More like this"), f"{judge}#more"), (_("Less like this"), f"{judge}#less")]
        if any(row.is_assigned for row in paper.paper_topics.all()):
            verdicts.append((_("Mute topic"), f"{judge}#mute"))
        names = {
            LinkKind.PAPER: _("Read the paper"),
            LinkKind.FILE: _("PDF"),
            LinkKind.CODE: _("Code"),
            LinkKind.MODEL: _("Model"),
            LinkKind.DATA: _("Data"),
            LinkKind.DEMO: _("Demo"),
            LinkKind.HOME: _("Project"),
        }
        return cls(
            title=mail_text.shorten(paper.title, width=TITLE_WIDTH),
            authors=authors_line(_names(paper)),
            summary=mail_text.shorten(chosen, width=SUMMARY_WIDTH),
            rest=_after(chosen, paper.abstract),
            note=SafeString(conditional_escape(label) % line_html(item.edition, note) if note else ""),
            note_text=label % line_text(item.edition, note) if note else "",
            url=addresses[LinkKind.PAPER],
            public_url=public_url(paper),
            links=tuple((names[kind], address) for kind, address in addresses.items()),
            verdicts=tuple(verdicts),
        )

    def context(self) -> dict[str, Any]:
        """Return values for the HTML templates; those under `_text` are wrapped for the text templates."""
        return {
            "title": self.title,
            "short_title": mail_text.shorten(self.title, width=SHORT_TITLE_WIDTH),
            "authors": self.authors,
            "summary": self.summary,
            "note": self.note,
            "rest": self.rest,
            "url": self.url,
            "public_url": self.public_url,
            "links": [(_unbroken(name), address) for name, address in self.links],
            "share": _unbroken(_("Share this")),
            "verdicts": [(_unbroken(name), address) for name, address in self.verdicts],
            "verdict_url": self.verdicts[0][1].partition("#")[0],
            "title_text": mail_text.wrap(self.title, indent=INDENT).removeprefix(INDENT),  # the number stands there
            "authors_text": mail_text.wrap(self.authors, indent=INDENT),
            "summary_text": mail_text.wrap(self.summary, indent=INDENT),
            "note_text": mail_text.wrap(self.note_text, indent=INDENT),
            "rest_text": mail_text.wrap(self.rest, indent=INDENT),
            "links_text": [_line(name, address) for name, address in self.links],
            "paper_text": _line(_("Paper"), self.url),
            "share_text": _line(_("Share this"), self.public_url),
            "verdicts_text": _line(_("Save, more or less like this"), self.verdicts[0][1].partition("#")[0]),
        }


def line_of_paper(paper: Paper) -> dict[str, str]:
    """Return `title`, `authors` and `url` of a paper's one line, and the same wrapped for the text part."""
    title = mail_text.shorten(paper.title, width=LINE_TITLE_WIDTH)
    authors = authors_line(_names(paper), shown=LINE_AUTHORS_SHOWN)
    return {
        "title": title,
        "authors": authors,
        "url": paper_url(paper),
        "title_text": mail_text.wrap(title, indent=INDENT).removeprefix(INDENT),
        "authors_text": mail_text.wrap(authors, indent=INDENT),
    }


def _unbroken(label: str) -> str:
    """Return a link's label without a place to break it: one over two lines would leave the next no room to be hit."""
    return label.replace(" ", "\xa0")


def _line(name: str, address: str) -> str:
    return mail_text.wrap(_("%(label)s: %(what)s") % {"label": name, "what": address}, indent=INDENT)


def _after(sentence: str, abstract: str) -> str:
    """Return the sentences that follow one of the abstract, as many as fit whole; of a longer one its first clauses."""
    text = mail_text.one_line(abstract.partition(sentence)[2] if sentence else "")
    ends = [end for _start, end in spans(text[: 2 * REST_WIDTH]) if mail_text.columns(text[:end]) <= REST_WIDTH]
    if ends:
        return text[: ends[-1]]
    cut = mail_text.shorten(text, width=REST_WIDTH)
    clause = max(cut.rfind(mark) for mark in _CLAUSE_ENDS)
    return cut[:clause] + "…" if clause > REST_WIDTH // 3 else ""


def _names(paper: Paper) -> list[str]:
    return [mail_text.one_line(str(name)) for name in paper.authors]


def authors_line(names: list[str], *, shown: int = AUTHORS_SHOWN) -> str:
    """Return the first few names and how many more there are."""
    if len(names) <= shown + 1:
        return ", ".join(names)
    return _("%(names)s and %(rest)d others") % {"names": ", ".join(names[:shown]), "rest": len(names) - shown}
