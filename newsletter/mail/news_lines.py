"""News of a paper in words: the same line in the mail and on the digest's page.

In: a paper and the kind of news. Out: the line and the address it leads to, in the active language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from newsletter.models import Paper

TITLE_WIDTH = 120


def news_line(paper: Paper, *, kind: str) -> dict[str, Any]:
    """Return `line`, `url`, `title`, `said` (the paper's own words, if any) and both wrapped as `line_text`."""
    line, url, said = _("Withdrawn by its authors:"), paper.home_url, list[str]()
    if kind == "code" and paper.code_link:
        line, url = _("Its code is out:"), paper.code_link
    elif kind == "accepted":
        line, said = _("Its authors now name a venue:"), [_quoted(paper.accepted)] if paper.accepted else []
    elif kind.startswith("v"):
        line, said = _("New version, with another abstract:"), _changes(paper.revision)
    title = mail_text.shorten(paper.title, width=TITLE_WIDTH)
    wrapped = "\n".join(mail_text.wrap(one, indent="    ") for one in (f"{line} {title}", *said))
    return {"line": line, "url": url, "title": title, "said": said, "line_text": wrapped}


def _changes(revision: Mapping[str, Sequence[str]]) -> list[str]:
    now = [_("Now: %s") % _quoted(text) for text in revision.get("now", ())]
    return now + [_("No longer: %s") % _quoted(text) for text in revision.get("gone", ())]


def _quoted(text: str) -> str:
    return _("“%s”") % text
