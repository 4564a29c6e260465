"""The page of one paper: its data, papers like it, the editions it appeared in; and its share picture. Read-only.

In: the paper's number. Out: its page, and the PNG that is shown where somebody shares a link to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Min
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition

from newsletter.catalogue.pictures import as_jpeg, file_of
from newsletter.catalogue.sources import registry
from newsletter.catalogue.sources.paper_identifiers import meant_arxiv_id
from newsletter.editions import share_card_cache as kept_cards
from newsletter.editions import share_cards
from newsletter.interests.library.write_formats import write_bibtex
from newsletter.mail.reasons import grouped
from newsletter.models import EditionItem, Paper, Sighting
from newsletter.ranking.explain_trend import gains_line
from newsletter.search import similar_papers
from newsletter.views.page_context import frame, public_page, sites_own_picture
from newsletter.views.reading_list import cited_as, reference_to
from newsletter.views.structured_data import citation_meta, scholarly_article
from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from django.core.files import File
    from django.http import HttpRequest

CADENCES = ("daily", "weekly", "monthly")
PEOPLE_AND_PROGRAMS = {"api": _("another program"), "readers": _("our readers")}
SIMILAR_SHOWN = 5
VERSIONS_SHOWN = 12
SHARED_TITLE = 180  # columns: title and address fit into the 300 characters of Bluesky


@public_page
def paper(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one paper. A merged row redirects for good to the paper it was merged into."""
    found = Paper.objects.published().with_topics().prefetch_related("identifiers").filter(pk=pk).first()
    if found is None:
        merged = get_object_or_404(Paper, pk=pk, is_hidden=False, merged_into__isnull=False)
        return redirect("newsletter:paper", merged.merged_into_id, permanent=True)
    context = {
        "paper": found,
        "json_ld": scholarly_article(found),
        "citation": citation_meta(found),
        "has_card": share_cards.can_draw(found.title),
        "gone": [link for link in found.links.all() if link.is_gone and not link.is_removed],
        "whys": _whys(found),
        "follow_authors": list(dict.fromkeys([*found.authors[:1], *found.authors[-1:]])),
        "sightings": _first_seen(found),
        "versions": _versions(found),
        "shares": _shares(found),
        "bibtex": write_bibtex([reference_to(found)]),
        "formats": cited_as([found]),
        "similar": similar_to(found),
        "items": EditionItem.objects.issued().filter(paper=found).select_related("edition"),
    }
    return render(request, "newsletter/paper.html", context | frame(request))


def by_arxiv_id(request: HttpRequest, name: str) -> HttpResponse:
    """Redirect from an arXiv id to the paper's page, or to a search that says it is not here."""
    identifier = meant_arxiv_id(name, on=timezone.now().date())
    if identifier is None:
        raise Http404("This is not an arXiv identifier.")
    pk = Paper.objects.published().filter(arxiv_id=identifier).values_list("pk", flat=True).first()
    if pk:
        return redirect("newsletter:paper", pk)
    return redirect(f"{reverse('newsletter:search')}?{urlencode({'q': f'arXiv:{identifier}'})}")


def _card_etag(request: HttpRequest, pk: int) -> str | None:
    """Return a hash of what the picture shows."""
    paper = _shown(pk)
    return f'"{kept_cards.name_of(*kept_cards.shown_of_paper(paper))}"' if paper else None


@cache_control(public=True, max_age=7 * 86400)
@condition(etag_func=_card_etag)
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Serve the picture of a paper; the site's own where its title cannot be drawn or the paper is gone."""
    paper = _shown(pk)
    drawn = kept_cards.card(*kept_cards.shown_of_paper(paper)) if paper else None
    if drawn is None:
        return sites_own_picture()
    return HttpResponse(drawn, content_type="image/png")


@cache_control(public=True, max_age=365 * 86400, immutable=True)
def picture(request: HttpRequest, name: str) -> FileResponse:
    """Serve our copy of a paper's picture. Its name is a hash of what it holds, so it may be kept for ever."""
    return _file(name, lambda name: default_storage.open(file_of(name)), kind="image/webp")


@cache_control(public=True, max_age=365 * 86400, immutable=True)
def jpeg(request: HttpRequest, name: str) -> FileResponse:
    """Serve the same as mail programs show it."""
    return _file(name, as_jpeg, kind="image/jpeg")


def _file(name: str, opened: Callable[[str], File[Any]], *, kind: str) -> FileResponse:
    if not re.fullmatch(r"[0-9a-f]{32}", name):
        raise Http404
    try:
        return FileResponse(opened(name), content_type=kind)
    except FileNotFoundError:
        raise Http404 from None


def _shown(pk: int) -> Paper | None:
    return Paper.objects.published().with_topics().filter(pk=pk).first()


def _whys(paper: Paper) -> list[str]:
    """Return what it gained in the day, week and month, without repeating a sentence."""
    parts = (paper.score_parts.get(cadence) or {} for cadence in CADENCES)
    lines = (gains_line(each, gettext=gettext, ngettext=ngettext, grouped=grouped) for each in parts)
    return list(dict.fromkeys(filter(None, lines)))


def _versions(paper: Paper) -> list[tuple[str, str]]:
    """Return the name and address of each version, the newest first; none where there is one only."""
    newest = paper.version if paper.arxiv_id and paper.version > 1 else 0
    shown = range(newest, max(0, newest - VERSIONS_SHOWN), -1)
    return [(f"v{number}", f"{paper.arxiv_url}v{number}") for number in shown]


def _shares(paper: Paper) -> list[tuple[str, str]]:
    """Return places to tell of the paper, each with a plain link that says what and asks nobody anything before."""
    address = settings.SITE_URL + paper.get_absolute_url()
    title = mail_text.shorten(paper.title, width=SHARED_TITLE)
    text = quote(f"{title}\n{address}", safe="")
    return [
        ("Mastodon", f"https://share.joinmastodon.org/#text={text}"),
        ("Bluesky", f"https://bsky.app/intent/compose?text={text}"),
        ("LinkedIn", f"https://www.linkedin.com/sharing/share-offsite/?url={quote(address, safe='')}"),
        (gettext("Email"), f"mailto:?subject={quote(title, safe='')}&body={text}"),
    ]


def _first_seen(paper: Paper) -> dict[str, datetime]:
    """Return each source's name and when it first showed the paper, earliest first."""
    seen = Sighting.objects.filter(paper=paper).values("source").annotate(first_at=Min("seen_at")).order_by("first_at")
    found: dict[str, datetime] = {}
    for each in seen:
        found.setdefault(_label(each["source"]), each["first_at"])
    return found


def _label(source: str) -> str:
    origin = registry.origins().get(source)
    return gettext(origin.LABEL) if origin else str(PEOPLE_AND_PROGRAMS.get(source, source))


def similar_to(paper: Paper) -> Sequence[Paper]:
    best = [pk for pk, _likeness in similar_papers.similar_to(paper, limit=SIMILAR_SHOWN)]
    found = (
        Paper.objects.published()
        .only("title", "title_source", "listed_on", "withdrawn_at", "key_sentence")
        .in_bulk(best)
    )
    return [found[pk] for pk in best if pk in found]
