"""News of a paper in words: the same line in the mail and on the digest's page.

In: a paper and the kind of news. Out: the line and the address it leads to, in the active language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from newsletter.mail import plain_text as mail_text

if TYPE_CHECKING:
    from newsletter.models import Paper

TITLE_WIDTH = 120


def news_line(paper: Paper, *, kind: str) -> dict[str, str]:
    """Return `line`, `url`, `title` and `line_text`, wrapped, of one piece of news."""
    if kind == "code" and paper.code_link:
        line, url = _("Its code is out:"), paper.code_link
    else:
        line, url = _("Withdrawn by its authors:"), paper.home_url
    title = mail_text.shorten(paper.title, width=TITLE_WIDTH)
    return {"line": line, "url": url, "title": title, "line_text": mail_text.wrap(f"{line} {title}", indent="    ")}
