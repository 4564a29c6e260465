"""Pictures of papers: fetched from the hosts that sources name, checked, and kept as small WebP files of our own.

In: papers of the last days with the address of a picture. Out: a Picture row for each address that was asked, a file in
Django's default storage, and its name on the paper. No reader's browser or mail ever sees the address. An address is
asked once, whatever it answers; one whose host is busy or ailing waits. May run anywhere at once: the row is unique.
"""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef
from django.utils import timezone

from newsletter.catalogue import http_client
from newsletter.catalogue.polling import enabled_sources
from newsletter.models import Paper, Picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.core.files import File

LATELY = timedelta(days=14)
AT_ONCE = 50  # papers of one pass
SIZE = (480, 270)  # pixels: twice what a list shows
_MOST_PIXELS = 30_000_000  # a bomb of a few kilobytes unpacks to more
_SPACING = timedelta(seconds=1)
_TYPES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
_LIMITS = http_client.FetchPolicy(max_bytes=8 * 1024 * 1024, in_all=30.0)


class NoPictureError(Exception):
    """The bytes are no picture that can be shown."""


def fetch_due(
    *,
    now: datetime,
    deadline: datetime,
    should_stop: Callable[[], bool] = lambda: False,
    hosts: frozenset[str] | None = None,
    rules: http_client.FetchPolicy = _LIMITS,
) -> int:
    """Fetch the pictures that new papers lack, the newest first, until the deadline; returns how many were kept."""
    hosts = _hosts() if hosts is None else hosts
    kept = 0
    for address in _due(now=now) if hosts else ():
        if should_stop() or timezone.now() >= deadline:
            break
        try:
            answer = http_client.fetch(
                address,
                hosts=hosts,
                content_types=frozenset(_TYPES),
                now=timezone.now(),
                spacing=_SPACING,
                rules=rules,
            )
            name = keep(answer.body, of=address)
        except NoPictureError:
            name = ""
        except http_client.FetchError as error:
            if error.retry_at is not None:
                break  # the host asked for patience
            name = ""
        Picture.objects.get_or_create(url=address, defaults={"name": name, "at": now})
        if name:
            kept += Paper.objects.filter(thumbnail_url=address).update(picture=name)
    return kept


def small(data: bytes) -> bytes:
    """Return a picture as WebP of SIZE, cut to its proportions, without what its file tells beside it.

    Raises NoPictureError for what is no PNG, JPEG, WebP or GIF, is cut short, or would unpack to too many pixels.
    """
    from PIL import Image, ImageOps  # the site and the senders do without

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            if image.width * image.height > _MOST_PIXELS or min(image.size) < 32:
                raise NoPictureError
            image.draft("RGB", SIZE)
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NoPictureError from error
    ground = Image.new("RGB", upright.size, "white")
    ground.paste(upright, mask=upright)
    written = io.BytesIO()
    ImageOps.fit(ground, SIZE, centering=(0.5, 0.0)).save(written, "WEBP", quality=72)
    return written.getvalue()


def keep(data: bytes, *, of: str) -> str:
    """Keep a picture small, for pages and for mails, and return its name. Raises NoPictureError like `small`."""
    kept = small(data)
    name = blake2b(of.encode() + kept, digest_size=16).hexdigest()
    if not default_storage.exists(file_of(name)):
        default_storage.save(file_of(name), ContentFile(kept))
    as_jpeg(name)
    return name


def file_of(name: str) -> str:
    return f"pictures/{name}.webp"


def read(name: str) -> bytes:
    """Return the file of a name; nothing for no name or where it is gone."""
    with suppress(FileNotFoundError):
        if name:
            with default_storage.open(file_of(name)) as kept:
                return bytes(kept.read())
    return b""


def as_jpeg(name: str) -> File[bytes]:
    """Return the picture as mail programs show it: some of them know no WebP. Raises FileNotFoundError."""
    from PIL import Image

    path = file_of(name).replace(".webp", ".jpg")
    if not default_storage.exists(path):
        written = io.BytesIO()
        with default_storage.open(file_of(name)) as kept:
            Image.open(kept).save(written, "JPEG", quality=78, progressive=True)
        default_storage.save(path, ContentFile(written.getvalue()))
    return default_storage.open(path)


def _due(*, now: datetime) -> list[str]:
    asked = Picture.objects.filter(url=OuterRef("thumbnail_url"))
    lately = Paper.objects.published().filter(first_seen_at__gt=now - LATELY).exclude(thumbnail_url="")
    found = lately.exclude(Exists(asked)).order_by("-first_seen_at", "id")
    return list(dict.fromkeys(found.values_list("thumbnail_url", flat=True)[:AT_ONCE]))


def _hosts() -> frozenset[str]:
    """Return the hosts that the sources we ask name for pictures; none where no source is asked."""
    return frozenset().union(*(getattr(source, "PICTURE_HOSTS", ()) for source in enabled_sources()))
