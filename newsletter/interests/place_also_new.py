"""The other new papers of an edition: those on the readers' topics that are not ranked in it, a line each.

In: an edition about to be frozen. Out: `also` items that no query to follow found: they have a line and no card. Adding
twice adds nothing new. Later, those of one delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.db.models import Exists, OuterRef

from newsletter.interests.follows import place_also
from newsletter.mail.also_new_lines import Line, NewPapers, Wanted
from newsletter.models import Compiled, Delivery, Edition, Paper, PaperTopic, Sighting
from newsletter.models.papers import UNMEASURED

log = logging.getLogger(__name__)
MOST = 5_000  # papers of one edition that are there for their line alone, the best first


def add_new(edition: Edition) -> None:
    """Add the new papers that are on a topic and not in the edition yet as `also` items."""
    measured = Sighting.objects.filter(paper=OuterRef("pk")).exclude(source__in=UNMEASURED)
    on_topic = PaperTopic.objects.filter(paper=OuterRef("pk"), is_assigned=True, topic__is_active=True)
    new = Paper.objects.published().filter(
        Exists(measured),
        Exists(on_topic),
        withdrawn_at__isnull=True,
        first_seen_at__gt=edition.lists_since,
        first_seen_at__lte=edition.cutoff_at,
    )
    others = new.exclude(pk__in=edition.items.values("paper"))
    best = list(others.order_by(f"-score_{edition.cadence}", "-first_seen_at", "-pk").values_list("pk", flat=True))
    if len(best) > MOST:
        log.warning("Edition %s lists %d of %d other new papers, the best", edition, MOST, len(best))
    place_also(edition, best[:MOST])


def others_of(delivery: Delivery) -> tuple[Iterator[Line], int]:
    """Return the other new papers of the reader's topics and follows, as recorded by planning, and how many.

    The mail has the first of them that fit.
    """
    if not delivery.also:
        return iter(()), 0
    new = Compiled.objects.filter(edition=delivery.edition_id).values_list("fragments__also", flat=True).first() or ()
    return NewPapers(new, first=len(new)).of(Wanted.of(delivery.also), chosen=[item for item, *_ in delivery.picks])
