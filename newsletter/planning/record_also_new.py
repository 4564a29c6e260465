"""Whose other new papers a digest lists below those chosen: topics, and what is left out of them.

In: an edition and a chunk of readers as planning has them. Out: what `mail.also_new_lines` lists by, per reader, JSON.
The lines themselves are never written: compiled parts and this record give them, in the mail and on the web.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Q

from newsletter.interests.select.arrays import Bools
from newsletter.mail.also_new_lines import NewPapers, Wanted
from newsletter.models import Compiled, Edition
from newsletter.planning.followed_picks import Followed
from newsletter.planning.readers_due import Due

NO_LINES = "{}"


class Had(NamedTuple):
    """What readers had: candidate columns, and until when the editions went that overlap with this one's window."""

    columns: Mapping[int, Sequence[int]]
    until: Mapping[int, datetime]


class AlsoNew:
    """Records of one edition's other new papers, a reader each."""

    def __init__(self, edition: Edition, *, item_ids: Sequence[int], topics: Sequence[int]) -> None:
        frozen_at = edition.frozen_at or edition.cutoff_at
        gone = Q(paper__is_hidden=True) | Q(paper__merged_into__isnull=False) | Q(paper__withdrawn_at__gt=frozen_at)
        self._gone = list(edition.items.filter(gone).order_by("pk").values_list("pk", flat=True))  # since the freeze
        self._edition, self._item_ids, self._topics = edition.pk, item_ids, topics
        self._records: dict[tuple[bytes, datetime], tuple[dict[str, Any], str]] = {}
        # What came before the cut-off of a reader's last digest, of whatever cadence, is not new to them.
        self._since = edition.lists_since
        others = Edition.objects.filter(frozen_at__isnull=False, cutoff_at__gt=self._since)
        self.overlapping = dict(others.exclude(pk=edition.pk).values_list("pk", "cutoff_at"))

    def records(
        self,
        readers: Sequence[Due],
        *,
        follows: Bools,
        mutes: Bools,
        followed: Mapping[int, Followed],
        until: Mapping[int, datetime],
    ) -> list[str]:
        """Return each reader's record. ``follows``, ``mutes``: readers x topics. Equal wishes are written once."""
        packed = np.packbits(np.hstack([follows, mutes]), axis=1)
        found = []
        for wish, reader in zip(map(bytes, packed), readers, strict=True):
            if not reader.wants_also:
                found.append(NO_LINES)
                continue
            key = wish, until.get(reader.pk, self._since)
            if key not in self._records:
                record = self._record(*key)
                self._records[key] = record, json.dumps(record)
            record, written = self._records[key]
            found.append(self._special(record, followed[reader.pk]) if reader.pk in followed else written)
        return found

    def count(self, record: str) -> int:
        """Return how many papers a digest by this record lists where none was chosen; 0 until they are compiled."""
        wanted = Wanted.of(json.loads(record))
        return self._new.of(wanted, chosen=())[1] if self._new and wanted != Wanted() else 0

    @cached_property
    def _new(self) -> NewPapers | None:
        """The edition's new papers; None where it was compiled by a version that made no mails of lines alone."""
        found = (
            Compiled.objects.filter(edition=self._edition).values_list("fragments__alone", "fragments__also").first()
        )
        return NewPapers(found[1]) if found and found[0] else None

    def _record(self, wish: bytes, after: datetime) -> dict[str, Any]:
        topics = self._topics
        columns = np.flatnonzero(np.unpackbits(np.frombuffer(wish, np.uint8))).tolist()  # followed, then muted
        followed = [topics[column] for column in columns if column < len(topics)]
        muted = [topics[column - len(topics)] for column in columns if column >= len(topics)]
        topics = [topic for topic in followed if topic not in muted]
        since = int(after.timestamp()) if after > self._since else 0
        record = {"topics": topics, "mutes": muted, "without": self._gone, "after": since}
        return {name: value for name, value in record.items() if value} if topics else {}

    def _special(self, record: Mapping[str, Any], own: Followed) -> str:
        """The record of a reader whose followed queries have a say in it."""
        follows = [[self._item_ids[column], text] for column, text in own.no_room.items()]
        if not record and not follows:
            return NO_LINES
        more = {
            "without": [*self._gone, *(self._item_ids[column] for column in sorted(own.barred))],
            "follows": follows,
        }
        return json.dumps({**record} | {name: value for name, value in more.items() if value})
