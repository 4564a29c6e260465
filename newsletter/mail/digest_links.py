"""Links of a digest: to our own pages behind a reader's token, or to a paper and what belongs to it.

In: a paper, the token of a delivery. Out: addresses. Nothing is stored: what a link of a mail stands for is looked up
in the rows when it is followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings

from newsletter.models import Click
from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from newsletter.models import Edition, Paper

LinkKind = Click.Kind
_KINDS = {
    "code": LinkKind.CODE,
    "model": LinkKind.MODEL,
    "data": LinkKind.DATA,
    "demo": LinkKind.DEMO,
    "page": LinkKind.HOME,
}


def digest_url(delivery_token: str) -> str:
    """The reader's digest on the web, where papers are also judged."""
    return f"{settings.SITE_URL}/d/{delivery_token}"


def verdict_url(delivery_token: str, item_id: int) -> str:
    """The page that saves one paper, or asks for more or less like it, by POST; #save, #more … point at its buttons."""
    return f"{digest_url(delivery_token)}/{item_id}"


def click_url(delivery_token: str, item_id: int, kind: str) -> str:
    """Return the link that counts the paper as opened; only for readers who agreed to that."""
    return f"{settings.SITE_URL}/c/{delivery_token}/{item_id}/{kind}"


def edition_url(edition: Edition) -> str:
    """Return the edition's public page: an address to pass on, the same in everybody's mail."""
    return settings.SITE_URL + edition.get_absolute_url()


def public_url(paper: Paper) -> str:
    """Return the paper's page on this site: an address to pass on, the same in everybody's mail."""
    return settings.SITE_URL + paper.get_absolute_url()


def picture_url(paper: Paper) -> str:
    """Return our own copy of the paper's picture, of a kind that all mail programs show; the same in every mail."""
    return f"{settings.SITE_URL}/picture/{paper.picture}.jpg"


def links_of(paper: Paper) -> dict[LinkKind, str]:
    """Return every address of a paper that a mail may link to, its own page first."""
    found = {LinkKind.PAPER: paper_url(paper), LinkKind.FILE: safe_link(paper.pdf_url)}
    for link in paper.shown_links:
        kind = _KINDS[link.kind]
        found[kind] = found.get(kind) or safe_link(link.url)  # the first of its kind
    return {kind: address for kind, address in found.items() if address}


def paper_url(paper: Paper) -> str:
    """Return where the title leads: the paper's own page if we link to its host, else arXiv's, else ours."""
    if link := safe_link(paper.url):
        return link
    if paper.arxiv_id:
        return f"https://arxiv.org/abs/{paper.arxiv_id}"
    return public_url(paper)


def safe_link(url: str) -> str:
    """Return the address if a mail may link to it (https, our host or one of PAPER_LINK_HOSTS), else an empty text."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if parts.scheme != "https" or parts.username is not None or port not in {None, 443}:
        return ""
    known = host == settings.SITE_HOST or any(
        host == name or (name.startswith(".") and host.endswith(name)) for name in settings.PAPER_LINK_HOSTS
    )
    return mail_text.one_line(url).replace(" ", "%20") if known else ""
