"""The texts about one paper in a mail: its card's words and links, or its one line.

In: an item of an edition with its paper and topics. Out: values for the templates, in the active language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from newsletter.catalogue.key_sentence import key_sentence
from newsletter.mail import plain_text as mail_text
from newsletter.mail.digest_links import LinkKind, paper_url, verdict_url
from newsletter.models import EditionItem, Paper

if TYPE_CHECKING:
    from collections.abc import Mapping

INDENT = "    "
TITLE_WIDTH = 300  # columns; a longer title is shortened in the mail
SUMMARY_WIDTH = 600  # columns; no sentence of a thousand abstracts is longer but a list that goes on
SHORT_TITLE_WIDTH = 72
LINE_TITLE_WIDTH = 120
AUTHORS_SHOWN = 4
LINE_AUTHORS_SHOWN = 2
TOPICS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Sheet:
    """The texts about one paper in a mail."""

    title: str
    authors: str
    summary: str
    note: str
    topics: tuple[str, ...]
    url: str
    links: tuple[tuple[str, str], ...]
    verdicts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, item: EditionItem, *, addresses: Mapping[LinkKind, str], delivery_mark: str) -> Sheet:
        paper = item.paper
        shown = [row.topic for row in paper.paper_topics.all() if row.is_assigned][:TOPICS_SHOWN]
        chosen = paper.key_sentence
        if chosen is None:
            chosen = key_sentence(paper.title, paper.abstract)
        judge = verdict_url(delivery_mark, item.pk)
        verdicts = [(_("Save"), f"{judge}#save")]
        verdicts += [(_("More like this"), f"{judge}#more"), (_("Less like this"), f"{judge}#less")]
        if shown:
            verdicts.append((_("Mute this topic"), f"{judge}#mute"))
        names = {
            LinkKind.PAPER: _("Read the paper"),
            LinkKind.FILE: _("PDF"),
            LinkKind.CODE: _("Code"),
            LinkKind.HOME: _("Project"),
        }
        return cls(
            title=mail_text.shorten(paper.title, width=TITLE_WIDTH),
            authors=authors_line(_names(paper)),
            summary=mail_text.shorten(chosen, width=SUMMARY_WIDTH),
            note=_("Editor: %s") % note if (note := mail_text.one_line(item.note)) else "",
            topics=tuple(mail_text.one_line(topic.local_name) for topic in shown),
            url=addresses[LinkKind.PAPER],
            links=tuple((names[kind], address) for kind, address in addresses.items()),
            verdicts=tuple(verdicts),
        )

    def context(self) -> dict[str, Any]:
        """For the HTML templates as it is; the keys in _text are wrapped for the text templates."""
        return {
            "title": self.title,
            "short_title": mail_text.shorten(self.title, width=SHORT_TITLE_WIDTH),
            "authors": self.authors,
            "summary": self.summary,
            "note": self.note,
            "topics": self.topics,
            "url": self.url,
            "links": self.links,
            "verdicts": self.verdicts,
            "verdict_url": self.verdicts[0][1].partition("#")[0],
            "title_text": mail_text.wrap(self.title, indent=INDENT).removeprefix(INDENT),  # the number stands there
            "authors_text": mail_text.wrap(self.authors, indent=INDENT),
            "summary_text": mail_text.wrap(self.summary, indent=INDENT),
            "note_text": mail_text.wrap(self.note, indent=INDENT),
            "topics_text": mail_text.wrap(_("Topics: %s") % ", ".join(self.topics), indent=INDENT)
            if self.topics
            else "",
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


def _names(paper: Paper) -> list[str]:
    return [mail_text.one_line(str(name)) for name in paper.authors]


def authors_line(names: list[str], *, shown: int = AUTHORS_SHOWN) -> str:
    """Return the first few names and how many more there are."""
    if len(names) <= shown + 1:
        return ", ".join(names)
    return _("%(names)s and %(rest)d others") % {"names": ", ".join(names[:shown]), "rest": len(names) - shown}
