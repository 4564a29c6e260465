"""Renders and encodes every part of an edition's digests once, when the edition is frozen.

In: an edition with its items. Out: a JSON-able dict of fragments that `rendering.Composer` joins per reader.
Harmless to run twice: it only reads rows, and the same rows give the same fragments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from newsletter.models import Edition


class FragmentError(Exception):
    """A part of the digest cannot be rendered; the message names the item."""


def compile_edition(edition: Edition, *, now: datetime) -> dict[str, Any]:
    """Every fragment of the edition's digests, inlined and encoded. FragmentError names the item that fails."""
    raise NotImplementedError
