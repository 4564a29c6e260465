"""What an editor should know before approving an edition: one sentence each, with what to do.

In: an edition with its papers. Out: findings, the gravest first, in four queries however many papers there are. Nothing
is asked of the network and nothing is written; only a withdrawn paper stands in the way of an approval.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from newsletter.mail.assemble import HTML_BUDGET
from newsletter.mail.subject_lines import TOP_PAPER
from newsletter.models import Edition, EditionItem, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIRST = 10  # papers of a usual digest
SAME = 5  # of these from the last edition are many
OF_ONE_LAB = 3  # of these; more are many
NAMED = 3


@dataclass(frozen=True)
class Finding:
    """One sentence; ``level``: "bad" stands in the way, "warn" wants a look, "" is good to know."""

    text: str
    level: str = "warn"


def findings(edition: Edition) -> list[Finding]:
    """Return what is to be looked at; an empty list: nothing is."""
    rows = edition.items.listed().select_related("paper").prefetch_related("paper__links")
    items = list(rows.order_by("position", "pk"))
    found = [
        withdrawn(items),
        *_as_the_last(edition, items),
        *_of_one_lab(items),
        _without_key_sentence(items),
        *_links(items),
        _pictures(items),
    ]
    return [one for one in found if one]


def withdrawn(items: Sequence[EditionItem]) -> Finding | None:
    """Return which papers their authors withdrew, if any."""
    gone = [item for item in items if item.paper.withdrawn_at]
    text = _("The authors withdrew %s. Press “Out” beside it: the edition cannot be approved with it.")
    return Finding(text % _names(gone), "bad") if gone else None


def of_size(in_full: int) -> Finding | None:
    """Return that mails of this many bytes would be shortened, if they would."""
    if in_full <= HTML_BUDGET:
        return None
    text = _(
        "A mail with every paper in full would have %(size)d KB, and mail programs cut off what is longer than "
        "%(most)d KB: the last papers are shortened to their titles. A shorter note leaves more room."
    )
    return Finding(text % {"size": in_full // 1000, "most": HTML_BUDGET // 1000})


def _as_the_last(edition: Edition, items: Sequence[EditionItem]) -> list[Finding]:
    before = Edition.objects.filter(
        cadence=edition.cadence, period_on__lt=edition.period_on, state__in=Edition.WENT_OUT
    )
    last = before.order_by("-period_on").first()
    if last is None:
        return []
    found = []
    for name, label in (("subject", _("subject")), ("headline", _("headline"))):
        own = getattr(edition, name).strip()
        if own and own == getattr(last, name).strip() and TOP_PAPER not in own:
            found.append(Finding(_("The %s is that of the last edition. Write another, or none.") % label))
    had = set(last.items.listed().values_list("paper_id", flat=True))
    same = [item for item in items[:FIRST] if item.paper_id in had]
    if len(same) >= SAME:
        text = _(
            "%(count)d of the first %(first)d papers were in the last edition; readers who had them get others. Move "
            "new ones up: %(names)s."
        )
        new = [item for item in items[FIRST:] if item.paper_id not in had]
        told = {"count": len(same), "first": len(items[:FIRST]), "names": _names(new) or _("there are none")}
        found.append(Finding(text % told))
    return found


def _of_one_lab(items: Sequence[EditionItem]) -> list[Finding]:
    counts = Counter(item.paper.organization for item in items[:FIRST] if item.paper.organization)
    text = _("%(count)d of the first %(first)d papers are of %(lab)s. Move one down, or one of another place up.")
    return [
        Finding(text % {"count": count, "first": len(items[:FIRST]), "lab": lab})
        for lab, count in counts.most_common()
        if count > OF_ONE_LAB
    ]


def _without_key_sentence(items: Sequence[EditionItem]) -> Finding | None:
    bare = [item for item in items if not item.paper.key_sentence and not item.note]
    text = _("No key sentence: %s. Readers see how the abstract begins; a line of yours under the title helps.")
    return Finding(text % _names(bare)) if bare else None


def _links(items: Sequence[EditionItem]) -> list[Finding]:
    links = {item: [link for link in item.paper.links.all() if not link.is_removed] for item in items}
    gone = [item for item, known in links.items() if any(link.is_gone for link in known)]
    unasked = sum(link.check_after is not None and not link.is_gone for known in links.values() for link in known)
    found = []
    if gone:
        text = _("A link is dead, and is left out of mails: %s. Open the paper to give it another.")
        found.append(Finding(text % _names(gone)))
    if unasked:
        text = _("Links that wait to be checked: %d. Look again in some minutes.")
        found.append(Finding(text % unasked, ""))
    return found


def _pictures(items: Sequence[EditionItem]) -> Finding | None:
    asked = [item.paper.thumbnail_url for item in items if item.paper.thumbnail_url and not item.paper.picture]
    failed = set(Picture.objects.filter(url__in=asked, name="").values_list("url", flat=True)) if asked else set()
    bare = [item for item in items if item.paper.thumbnail_url in failed]
    text = _("The picture could not be fetched: %s. The paper is shown without one; “Check links” asks again.")
    return Finding(text % _names(bare), "") if bare else None


def _names(items: Iterable[EditionItem]) -> str:
    """Return the first titles, shortened, and how many more there are."""
    titles = [f"“{Truncator(item.paper.title).chars(60)}”" for item in items]
    shown, rest = titles[:NAMED], len(titles) - NAMED
    return ", ".join(shown) + (_(" and %d more") % rest if rest > 0 else "")
