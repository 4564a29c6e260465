"""Ask once whether a paper's links answer, and a forge for licence and stars.

In: links that are due. Out: their columns, another first link of the paper where one is gone, and what a project page
calls its code, model, data or demo. A repository is asked
for at its forge's API, at the rate the forge allows; any other page is asked itself. A host in trouble says nothing of
the link: it is asked again later. What is gone is asked for weekly for two months, as authors announce repositories
before they open them. May run twice at once: a host has one turn for all workers.

https://docs.github.com/en/rest/repos/repos#get-a-repository, https://huggingface.co/docs/hub/api,
https://docs.gitlab.com/api/projects/ and https://codeberg.org/api/swagger
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.utils import timezone

from newsletter.catalogue import http_client
from newsletter.catalogue.http_client import FetchError, FetchPolicy, HostBusy
from newsletter.catalogue.sources.paper_links import PAGE, links_on_page
from newsletter.catalogue.store_links import add_links, renew_first_links
from newsletter.models import Paper, PaperLink, PaperLinkQuerySet, Picture

RULES = FetchPolicy(max_bytes=512 * 1024, silence=10.0, in_all=20.0)
_AT_ONCE_RULES = replace(RULES, silence=4.0, in_all=8.0)  # while somebody waits for the page
_AT_ONCE = 20  # links of one forge in one call
_SHORT_WAIT = timedelta(seconds=2)
_TRY_AGAIN, _TRY_FOR = timedelta(hours=1), timedelta(days=7)  # a page whose host is in trouble
_ASK_AGAIN, _ASK_FOR = timedelta(days=7), timedelta(days=60)  # a link that is gone
_LICENCE, _STARS = 64, 2**31 - 1
_JSON = frozenset({"application/json"})


class _AnyHost(frozenset[str]):
    """Pages may redirect anywhere that is public."""

    def __contains__(self, host: object) -> bool:
        return True


@dataclass(frozen=True)
class Facts:
    licence: str = ""
    stars: int | None = None


@dataclass(frozen=True, kw_only=True)
class Forge:
    """A host of repositories, and how its API is asked about one."""

    site: str  # links that begin so are its own
    api: str  # {path}: owner and name; {quoted}: the same as one part
    read: Callable[[Mapping[str, Any]], Facts]
    spacing: timedelta = timedelta(seconds=1)
    gone: frozenset[int] = frozenset({404, 410, 451})
    parts: int | None = 2  # of the path that name a repository; None: all
    headers: Mapping[str, str] = field(default_factory=dict)

    def address(self, link: PaperLink) -> str:
        path = "/".join(link.url.removeprefix(self.site).split("/")[: self.parts])
        return self.api.format(path=path, quoted=quote(path, safe=""))


def _github(facts: Mapping[str, Any]) -> Facts:
    licence = _text(_mapping(facts.get("license")), "spdx_id")
    return Facts("" if licence == "NOASSERTION" else licence, _number(facts.get("stargazers_count")))


def _hub(facts: Mapping[str, Any]) -> Facts:
    tags = facts.get("tags") if isinstance(facts.get("tags"), list) else []
    tagged = next((tag for tag in tags or [] if isinstance(tag, str) and tag.startswith("license:")), "")
    return Facts(tagged.partition(":")[2][:_LICENCE], _number(facts.get("likes")))


def _gitlab(facts: Mapping[str, Any]) -> Facts:
    return Facts(_text(_mapping(facts.get("license")), "name"), _number(facts.get("star_count")))


def _forgejo(facts: Mapping[str, Any]) -> Facts:
    licences = facts.get("licenses")
    first = licences[0] if isinstance(licences, list) and licences and isinstance(licences[0], str) else ""
    return Facts(first[:_LICENCE], _number(facts.get("stars_count")))


def forges() -> list[Forge]:
    """The forges whose API we know, the narrower address first."""
    hub = "https://huggingface.co/"
    of_hub = partial(Forge, read=_hub, gone=frozenset({401, 404, 410}))  # 401: private, or not there
    token = settings.GITHUB_TOKEN
    return [
        Forge(
            site="https://github.com/",
            api="https://api.github.com/repos/{path}",
            read=_github,
            # https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api: 60 an hour, or 5,000
            spacing=timedelta(seconds=1 if token else 61),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        ),
        of_hub(site=f"{hub}datasets/", api=f"{hub}api/datasets/{{path}}"),
        of_hub(site=f"{hub}spaces/", api=f"{hub}api/spaces/{{path}}"),
        of_hub(site=f"{hub}collections/", api=f"{hub}api/collections/{{path}}"),
        of_hub(site=hub, api=f"{hub}api/models/{{path}}"),
        Forge(
            site="https://gitlab.com/",
            api="https://gitlab.com/api/v4/projects/{quoted}?license=true",
            read=_gitlab,
            parts=None,
        ),
        Forge(site="https://codeberg.org/", api="https://codeberg.org/api/v1/repos/{path}", read=_forgejo),
    ]


def check_due(
    *,
    now: datetime,
    deadline: datetime,
    should_stop: Callable[[], bool] = lambda: False,
    known: Sequence[Forge] | None = None,
    rules: FetchPolicy = RULES,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Check links that are due until ``deadline``, newest first; returns how many answered one way or the other."""
    if not settings.CHECK_LINKS:
        return 0
    checked, rest, started = 0, PaperLink.objects.due(now), time.monotonic()
    queues: list[tuple[Forge | None, PaperLinkQuerySet]] = []
    for each in forges() if known is None else known:
        queues.append((each, rest.filter(url__startswith=each.site)))
        rest = rest.exclude(url__startswith=each.site)
    for forge, due in [*queues, (None, rest)]:
        for link in due[:_AT_ONCE]:
            if should_stop() or timezone.now() >= deadline:
                return checked
            present = now + timedelta(seconds=time.monotonic() - started)
            is_settled = _check(link, forge, now=present, rules=rules, sleep=sleep)
            checked += is_settled
            if forge and not is_settled:
                break  # its other links wait for the same turn
    return checked


def ask_again(papers: Collection[int], *, now: datetime) -> int:
    """Have the links of these papers, and pictures that could not be fetched, asked for anew; returns how many."""
    links = PaperLink.objects.filter(paper__in=papers, is_removed=False)
    pictures = Picture.objects.filter(name="", url__in=Paper.objects.filter(pk__in=papers).values("thumbnail_url"))
    return (links.update(check_after=now) if settings.CHECK_LINKS else 0) + pictures.delete()[0]


def trouble_with(url: str, *, now: datetime, rules: FetchPolicy = _AT_ONCE_RULES) -> str:
    """Ask for one page now. Returns why it did not answer, or ""."""
    try:
        http_client.fetch(
            url,
            hosts=_AnyHost(),
            content_types=frozenset({"text/html"}),
            now=now,
            spacing=timedelta(seconds=1),
            rules=rules,
        )
    except HostBusy:
        return ""  # it was asked just now
    except FetchError as error:
        return "" if error.status == 200 else error.reason  # an answer that is no page is one
    return ""


def _check(
    link: PaperLink, forge: Forge | None, *, now: datetime, rules: FetchPolicy, sleep: Callable[[float], None]
) -> bool:
    """Check one link. False: its host could not say."""
    gone = forge.gone if forge else frozenset({404, 410})
    try:
        facts = _ask(link, forge, now=now, rules=replace(rules, wrong_questions=gone), sleep=sleep)
    except HostBusy:
        return False
    except FetchError as error:
        if error.status in gone:
            _settle(link, now=now, is_gone=True, check_after=_before(link, _ASK_FOR, now=now, then=now + _ASK_AGAIN))
            return True
        if error.status != 200:
            again = max(error.retry_at or now, now + _TRY_AGAIN)
            PaperLink.objects.filter(pk=link.pk).update(
                check_after=again if forge else _before(link, _TRY_FOR, now=now, then=again)
            )
            return False
        facts = Facts()  # it answered, with something that we do not read
    _settle(link, now=now, is_gone=False, check_after=None, licence=facts.licence, stars=facts.stars)
    return True


def _ask(
    link: PaperLink, forge: Forge | None, *, now: datetime, rules: FetchPolicy, sleep: Callable[[float], None]
) -> Facts:
    address = forge.address(link) if forge else link.url
    host = urlsplit(address).hostname or ""
    for waited in (timedelta(), _SHORT_WAIT):
        try:
            answer = http_client.fetch(
                address,
                hosts=frozenset({host}) if forge else _AnyHost(),
                content_types=_JSON if forge else frozenset({"text/html"}),
                now=now + waited,
                spacing=forge.spacing if forge else timedelta(seconds=1),
                headers=forge.headers if forge else None,
                rules=rules,
            )
        except HostBusy as busy:
            if waited or (busy.retry_at or now) - now > _SHORT_WAIT:
                raise
            sleep(_SHORT_WAIT.total_seconds())
        else:
            if forge:
                return forge.read(_mapping(_json(answer.body)))
            if link.kind == PAGE:
                add_links(
                    link.paper, links_on_page(answer.body.decode("utf-8", "replace")), source=link.source, now=now
                )
            return Facts()
    raise HostBusy("another worker has the turn")


def _settle(link: PaperLink, *, now: datetime, **outcome: Any) -> None:
    """Record the answer, and lead the paper to another link, or back to this one, when that has changed."""
    PaperLink.objects.filter(pk=link.pk).update(checked_at=now, **outcome)
    if link.is_gone == outcome["is_gone"]:
        return
    paper = Paper.objects.get(pk=link.paper_id)
    had_code = bool(paper.code_url)
    renew_first_links(paper)
    if link.is_gone and paper.code_url and not had_code:  # announced before it was opened
        Paper.objects.filter(pk=paper.pk, coded_at=None).update(coded_at=now)


def _before(link: PaperLink, limit: timedelta, *, now: datetime, then: datetime) -> datetime | None:
    return then if now - link.seen_at < limit else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value[:_LICENCE] if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _STARS else None
