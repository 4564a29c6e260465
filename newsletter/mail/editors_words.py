"""An editor's words, the note and the lines under titles, as safe HTML and as text.

In: an edition, and what was written in the active language: Markdown, or plain text in editions older than that. Out:
HTML of paragraphs, lists, quotes, emphasis and links alone (what else is typed is shown as typed), or wrapped text.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.utils.html import conditional_escape, format_html, format_html_join, linebreaks
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from markdown_it import MarkdownIt

from subscriptions import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from markdown_it.token import Token

    from newsletter.models import Edition, EditionItem

RULES = ("autolink", "blockquote", "emphasis", "escape", "link", "linkify", "list", "newline")
SCHEMES = ("https://", "http://", "mailto:")
# What the style sheet of the mail calls each element; paragraphs of tight lists are hidden, their items are not.
_CLASSES = {
    "paragraph_open": "note",
    "bullet_list_open": "note-list",
    "ordered_list_open": "note-list",
    "list_item_open": "note",
    "blockquote_open": "note-quote",
    "link_open": "also-link",  # whose dark colour stands in every mail
}


def said(row: Edition | EditionItem, field: str) -> str:
    """Return a field in the active language if an editor wrote it in that language, else as it is for everybody."""
    words = row.translations.get(get_language() or "", {}).get(field) or getattr(row, field)
    return str(words)


def note_html(edition: Edition) -> SafeString:
    """Return the note with its signature for pages and feeds; empty when there is none."""
    note = said(edition, "editor_note")
    html = _html(note) if edition.note_is_markdown else SafeString(linebreaks(_cleaned(note), autoescape=True))
    return html + _signature(edition) if note.strip() else SafeString("")


def note_in_mail(edition: Edition) -> SafeString:
    """Return the same with the classes of the mail's style sheet."""
    note = said(edition, "editor_note")
    if edition.note_is_markdown:
        html = _html(note, with_classes=True)
    else:
        lines = ((paragraph,) for paragraph in plain_text.paragraphs(note))
        html = format_html_join("", '<p class="note" dir="auto">{}</p>\n', lines)
    return html + _signature(edition) if note.strip() else SafeString("")


def note_text(edition: Edition) -> str:
    """Return the note with its signature, wrapped for the text part."""
    note = said(edition, "editor_note")
    blocks = plain_text.paragraphs(note)
    text = _text(note) if edition.note_is_markdown else "\n\n".join(map(plain_text.wrap, blocks))
    name = plain_text.one_line(edition.signature)
    return f"{text}\n\n— {name}" if text and name else text


def correction_html(edition: Edition, *, in_mail: bool = False) -> SafeString:
    """Return the correction as HTML, with the classes of the mail's style sheet where it is for one; "" for none."""
    return _html(edition.correction, with_classes=in_mail)


def correction_text(edition: Edition) -> str:
    """Return the same wrapped for the text part."""
    return _text(edition.correction)


def line_html(edition: Edition, line: str) -> SafeString:
    """Return a line under a title as HTML without paragraphs."""
    line = plain_text.one_line(line)
    if not edition.note_is_markdown:
        return conditional_escape(line)
    return SafeString(_rendered(_markdown().parseInline(line), with_classes=True).strip())


def line_text(edition: Edition, line: str) -> str:
    """Return the same as text on one line, each link's address behind its words."""
    line = plain_text.one_line(line)
    return plain_text.one_line(_words(_inline(line))) if edition.note_is_markdown else line


def links_of(edition: Edition) -> list[str]:
    """Return the addresses that an editor's words in Markdown link to, each once, in order."""
    said_of = [edition.editor_note, *(words.get("editor_note", "") for words in edition.translations.values())]
    said_of += edition.items.exclude(note="").order_by("position").values_list("note", flat=True)
    tokens = (token for text in said_of for token in _all(_markdown().parse(_cleaned(text))))
    found = (str(token.attrGet("href")) for token in tokens if token.type == "link_open")
    return list(dict.fromkeys(found)) if edition.note_is_markdown else []


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("zero", {"html": False, "breaks": True, "linkify": True}).enable(list(RULES))
    if markdown.linkify:  # an address begins with its scheme: "ResNet.in" is no link
        markdown.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    markdown.validateLink = lambda url: url.lower().startswith(SCHEMES)  # type: ignore[method-assign]
    return markdown


def _cleaned(text: str) -> str:
    return "\n".join(plain_text.UNSAFE.sub(" ", line).rstrip() for line in text.splitlines())


def _html(text: str, *, with_classes: bool = False) -> SafeString:
    return SafeString(_rendered(_markdown().parse(_cleaned(text)), with_classes=with_classes))


def _rendered(tokens: Sequence[Token], *, with_classes: bool) -> str:
    for token in _all(tokens):
        if token.type == "link_open" and not with_classes:
            token.attrSet("rel", "noreferrer")
        if (token.type == "paragraph_open" and not token.hidden) or token.type == "list_item_open":
            token.attrSet("dir", "auto")
        if with_classes and token.type in _CLASSES:
            token.attrSet("class", _CLASSES[token.type])
    markdown = _markdown()
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _all(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or ())


def _inline(line: str) -> list[Token]:
    return _markdown().parseInline(line)[0].children or []


def _signature(edition: Edition) -> SafeString:
    name = plain_text.one_line(edition.signature)
    return format_html('<p class="note" dir="auto">— {}</p>\n', name) if name else SafeString("")


def _text(note: str) -> str:
    """Return Markdown as wrapped text: items and quotes keep their marks, links their addresses."""
    text, margins, marker, is_tight = "", [""], "", False
    for token in _markdown().parse(_cleaned(note)):
        if token.type == "blockquote_open":
            margins.append("> ")
        elif token.type == "list_item_open":
            marker = f"{token.info}. " if token.info else "- "
            margins.append(" " * len(marker))
        elif token.type in {"blockquote_close", "list_item_close"}:
            margins.pop()
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            is_tight = False
        elif token.type == "inline":
            block = _wrapped(token, "".join(margins), marker)
            text += ("\n" if is_tight else "\n\n" if text else "") + block
            marker = ""
        elif token.type == "paragraph_close":
            is_tight = token.hidden
    return text


def _wrapped(token: Token, margin: str, marker: str) -> str:
    lines = _words(token.children or []).split("\n")
    block = "\n".join(plain_text.wrap(line, indent=margin) for line in lines if line.strip())
    start = len(margin) - len(marker)
    return block[:start] + marker + block[len(margin) :] if marker else block


def _words(tokens: Sequence[Token]) -> str:
    """Return the words of inline tokens, each link's address in angle brackets behind them (RFC 3986 appendix C)."""
    words, label, address = "", 0, ""
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            words += "\n"
        elif token.type == "link_open":
            label, address = len(words), str(token.attrs["href"])
        elif token.type == "link_close":
            is_told = words[label:] in {address, address.removeprefix("mailto:")}
            words += "" if is_told else f" <{address}>"
        else:
            words += token.content
    return words
