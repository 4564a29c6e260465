"""Papers submitted by programs with a key: POST papers/.

In: a title, an abstract and an address, or an arXiv id alone. Out: the paper, or a place in the curator's queue. What
comes in here is an observation like a saved page: it can be found, followed and picked by a curator, but it never
trends, and enters no draft by itself, until a source that counts has seen the paper (decision 0008). The same paper
submitted again is the same row. A key changes only what it brought: of a paper that anybody else has shown it
fills nothing. What an editor declined stays declined for as long as for readers.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone
from ninja import Body
from ninja.decorators import decorate_view
from ninja.errors import HttpError

from newsletter.api import schemas
from newsletter.api.papers import router
from newsletter.api.request_checks import json_response
from newsletter.catalogue import submissions
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.provenance import API as SOURCE
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_name, clean_title, source_text
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.sources.paper_identifiers import arxiv_id as parsed_arxiv_id
from newsletter.catalogue.sources.paper_identifiers import could_exist, title_key
from newsletter.catalogue.sources.public_urls import safe_url
from newsletter.editions import public_serializers
from newsletter.models import Paper, Sighting, Submission
from subscriptions.models import ApiKey
from subscriptions.signup_api import KeyAuth, KeyThrottle, guarded, key_of

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

WHAT_TO_SEND = {
    "arxiv_id": "arxiv_id: not a valid arXiv id. Give one such as 2603.01234, or a URL that contains one.",
    "title": "title: give text of at most 500 characters, with an abstract and an address; or an arXiv id alone.",
    "abstract": "abstract: give text of at most 10000 characters.",
    "authors": "authors: give a list of at most 200 names.",
    "url": "url: give the public https address where the paper can be read.",
    "code_url": "code_url: give a public https address.",
    "published_on": "published_on: give a day such as 2026-03-18 that is not in the future.",
    "": "Send a JSON object with arxiv_id, or with title, abstract and url, "
    "and optionally authors, code_url and published_on; nothing else.",
}
NOT_ASKED = "arxiv_id: this site does not fetch from arXiv. Send the title, the abstract and a URL as well."
MESSAGES = {
    "known": "This paper is already in the catalogue.",
    "added": "The paper was added. It appears in trends and digests once another source lists it or an editor "
    "picks it.",
    "waiting": "The paper was queued. An editor will review it.",
    "hidden": "This paper is hidden on this site by an editor.",
    "declined": "An editor declined this paper recently: {note}",
}
ADDED_STATUS, WAITING_STATUS = 201, 202


@router.post(
    "papers/",
    auth=KeyAuth(ApiKey.Scope.PAPERS),
    throttle=[KeyThrottle()],
    response={
        (200, ADDED_STATUS, WAITING_STATUS): schemas.Submitted,
        (400, 401, 403, 413, 422, 429, 500): schemas.Error,
    },
    url_name="papers",
    summary="Submit a paper",
)
@decorate_view(guarded)
def submit_paper(request: HttpRequest, submission: Body[schemas.Submission]) -> HttpResponse:
    """The same paper sent again is answered 200 with the same row."""
    now = timezone.now()
    seen = _observation(submission, by=key_of(request), now=now)
    if seen.arxiv_id and (declined := submissions.declined(seen.arxiv_id, now=now)):
        note = declined.note or "arXiv knows no such paper."
        return json_response({"state": "declined", "message": MESSAGES["declined"].format(note=note), "paper": None})
    if seen.title:
        return _take_in(seen, now=now)
    return _queue(seen.arxiv_id or "", by=key_of(request), now=now)


def _observation(sent: schemas.Submission, *, by: ApiKey, now: datetime) -> Observation:
    """Return the submission, cleaned like the text of every source. Raises HttpError that says what to send instead."""
    parsed = parsed_arxiv_id(sent.arxiv_id) if sent.arxiv_id else None
    if sent.arxiv_id and (parsed is None or not could_exist(parsed[0], on=(now + timedelta(days=1)).date())):
        raise HttpError(422, WHAT_TO_SEND["arxiv_id"])
    title, abstract = clean_title(sent.title), clean_abstract(sent.abstract)
    links = {name: safe_url(getattr(sent, name)) for name in ("url", "code_url")}
    for name, link in links.items():
        if getattr(sent, name) and not 0 < len(link) <= 300:
            raise HttpError(422, WHAT_TO_SEND[name])
    if sent.published_on and sent.published_on > now.date():
        raise HttpError(422, WHAT_TO_SEND["published_on"])
    if title or not parsed:
        if not title_key(title):
            raise HttpError(422, WHAT_TO_SEND["title"])
        if not abstract:
            raise HttpError(422, WHAT_TO_SEND["abstract"])
        if not (links["url"] or parsed):
            raise HttpError(422, WHAT_TO_SEND["url"])
    return Observation(
        source=SOURCE,
        key=f"{by.pk}:{parsed[0] if parsed else hashlib.sha256(title_key(title).encode()).hexdigest()}",
        api_key=by.pk,
        title=title,
        abstract=abstract,
        title_source=source_text(sent.title),
        abstract_source=source_text(sent.abstract),
        arxiv_id=parsed[0] if parsed else None,
        authors=tuple(filter(None, map(clean_name, sent.authors))),
        published_on=sent.published_on,
        url=links["url"],
        code_url=links["code_url"],
        seen_at=now,
    )


def _take_in(seen: Observation, *, now: datetime) -> HttpResponse:
    with transaction.atomic():
        is_new = ingest([seen], now=now).new > 0
        sighting = Sighting.objects.filter(source=SOURCE, key=seen.key).select_related("paper").latest("pk")
    return _response(sighting.paper, state="added" if is_new else "known", status=ADDED_STATUS if is_new else 200)


def _queue(identifier: str, *, by: ApiKey, now: datetime) -> HttpResponse:
    """Queue an arXiv id for a curator. It is fetched from arXiv once accepted."""
    paper = Paper.objects.filter(arxiv_id=identifier).first()
    if paper is not None:
        return _response(paper, state="known", status=200)
    if not submissions.accepts_submissions():
        raise HttpError(422, NOT_ASKED)
    try:
        with transaction.atomic():
            link = f"arXiv:{identifier} (API: {by.name})"
            Submission.objects.create(link=link[:300], arxiv_id=identifier, at=now)
    except IntegrityError:
        pass  # it waits already: a paper waits once, however many programs submit it
    return json_response({"state": "waiting", "message": MESSAGES["waiting"], "paper": None}, status=WAITING_STATUS)


def _response(paper: Paper, *, state: str, status: int) -> HttpResponse:
    key = paper.merged_into_id or paper.pk
    shown = Paper.objects.published().with_topics().filter(pk=key).first()
    message = MESSAGES[state] if shown else MESSAGES["hidden"]
    return json_response(
        {"state": state, "message": message, "paper": public_serializers.of_paper(shown) if shown else None},
        status=status,
    )
