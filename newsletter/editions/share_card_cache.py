"""Share cards drawn once and kept: a picture costs a tenth of a second of CPU, and anybody may ask for any of them.

In: what a card says. Out: the PNG, from a file in VAR_DIR whose name is a hash of everything it is drawn from. Those of
new papers are drawn ahead by the ingest task; a request that comes before, or for an old paper, draws one at a time in
each process, so that pictures never take more than one thread. Files may go at any moment; where they cannot be
written, cards are drawn anew.
"""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone, translation

from newsletter.catalogue import pictures
from newsletter.editions import share_cards
from newsletter.models import Paper

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

AHEAD = timedelta(days=2)  # papers first seen since then have their card before anybody asks
AHEAD_MOST = 300
LOOK = 2  # a change of how cards are drawn is a new number here
KEPT = 5000  # files of some 15 kB; the oldest go
_drawing = threading.Lock()


def card(title: str, topic: str, picture: str = "") -> bytes | None:
    """The card, or None for a title that our font cannot draw. ``picture``: the name of our copy of the paper's."""
    path = _folder() / f"{name_of(title, topic, picture)}.png"
    with suppress(OSError):
        return path.read_bytes()
    with _drawing:
        with suppress(OSError):  # another thread drew it while this one waited
            return path.read_bytes()
        drawn = share_cards.draw(title, topic, settings.SITE_NAME, pictures.read(picture))
        if drawn is not None:
            with suppress(OSError):
                _keep(path, drawn)
        return drawn


def shown_of_paper(paper: Paper) -> tuple[str, str, str]:
    """Return title, topic and picture, in the site's language; social networks cache one card for everyone."""
    with translation.override(settings.LANGUAGE_CODE):
        return paper.title, next((each.topic.local_name for each in paper.shown_topics), ""), paper.picture


def draw_ahead(*, now: datetime, deadline: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Draw the cards that new papers lack, the most trending first, until the deadline; return how many."""
    drawn = 0
    new = Paper.objects.published().with_topics().filter(first_seen_at__gt=now - AHEAD)
    for paper in new.order_by("-score_daily", "-pk")[:AHEAD_MOST]:
        if should_stop() or timezone.now() >= deadline:
            break
        shown = shown_of_paper(paper)
        if not (_folder() / f"{name_of(*shown)}.png").exists() and share_cards.can_draw(paper.title):
            card(*shown)
            drawn += 1
    return drawn


def name_of(*said: str) -> str:
    return blake2b(repr((LOOK, settings.SITE_NAME, *said)).encode(), digest_size=16).hexdigest()


def _folder() -> Path:
    folder: Path = settings.VAR_DIR / "share-cards"
    return folder


def _keep(path: Path, drawn: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(f".{secrets.token_hex(4)}.new")
    beside.write_bytes(drawn)
    beside.replace(path)  # readers see a whole file or none
    if secrets.randbelow(KEPT // 10) == 0:
        forget_oldest()


def forget_oldest(*, kept: int = KEPT) -> int:
    """Delete all but the newest; returns how many."""
    with os.scandir(_folder()) as found:
        ages = sorted(((each.stat().st_mtime, each.path) for each in found), reverse=True)
    for _age, path in ages[kept:]:
        with suppress(OSError):
            os.unlink(path)
    return len(ages[kept:])
