"""Pictures of papers: fetched politely, checked, kept small, and never from a stranger's address in a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree

import pytest
from django.utils import timezone
from PIL import Image

from newsletter.catalogue import pictures, sample_pictures
from newsletter.catalogue.http_client import FetchPolicy
from newsletter.catalogue.sources import sample_papers
from newsletter.editions import share_card_cache
from newsletter.models import Paper, Picture
from newsletter.views import topic_drawings
from subscriptions.models import Topic
from tests.builders import assign, make_paper
from tests.replay import Replay, Reply, replaying
from tests.test_listing import parsed

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db
LOCAL = FetchPolicy(scheme="http", public_only=False)
HOSTS = frozenset({"127.0.0.1"})
PNG = "image/png"


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, settings: Settings) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def drawn(size: tuple[int, int] = (1200, 900), kind: str = "PNG", mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, "red").save(written, kind)
    return written.getvalue()


def fetch() -> int:
    now = timezone.now()
    return pictures.fetch_due(now=now, deadline=now + timedelta(minutes=1), hosts=HOSTS, rules=LOCAL)


def images(client: Client) -> list[str]:
    """Addresses of the pictures of papers on the front page, but for drawings that stand for none."""
    found = [str(image.get("src")) for image in parsed(client.get("/")).iter("img")]
    return [address for address in found if not address.endswith(".svg")]


def shown(address: str) -> Paper:
    return make_paper(thumbnail_url=address, first_seen_at=timezone.now())


def test_a_picture_is_kept_small_and_shown_from_our_own_address(web: Replay, client: Client) -> None:
    address = web.on("/a.png", Reply(drawn(), kind=PNG))
    paper = shown(address)

    assert (fetch(), fetch()) == (1, 0)

    paper.refresh_from_db()
    page = client.get("/").content.decode() + client.get(paper.get_absolute_url()).content.decode()
    assert address not in page
    (image,) = parsed(client.get("/")).iter("img")
    assert (image.get("width"), image.get("height"), image.get("loading")) == ("480", "270", "lazy")
    answer = client.get(image.get("src"))
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    with Image.open(io.BytesIO(b"".join(answer))) as kept:  # type: ignore[arg-type]
        assert (kept.format, kept.size) == ("WEBP", pictures.SIZE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_each_usual_kind_of_picture_is_read(kind: str) -> None:
    assert pictures.small(drawn(kind=kind))[8:12] == b"WEBP"
    assert pictures.small(drawn((33, 2000), kind=kind))[8:12] == b"WEBP"


@pytest.mark.parametrize(
    "data",
    [b"", b"<svg onload=alert(1)>", drawn()[:200], drawn((8000, 8000), mode="1"), drawn((20, 20)), drawn(kind="TIFF")],
    ids=["nothing", "svg", "cut short", "bomb", "speck", "tiff"],
)
def test_what_is_no_picture_is_asked_for_once_and_shown_nowhere(web: Replay, client: Client, data: bytes) -> None:
    shown(web.on("/a.png", Reply(data, kind=PNG)))

    assert (fetch(), fetch()) == (0, 0)

    assert Picture.objects.get().name == ""
    assert not images(client)


def test_a_strangers_host_is_never_asked(client: Client) -> None:
    shown("https://tracker.example.net/pixel.png")
    assert fetch() == 0
    assert not images(client)


def test_a_host_that_asks_for_patience_is_asked_again(web: Replay) -> None:
    shown(web.on("/a.png", Reply(b"", status=503, headers={"Retry-After": "1"})))
    assert fetch() == 0
    assert not Picture.objects.exists()


@pytest.mark.parametrize("name", ["0" * 32, "..%2F..%2Fetc", "a"])
def test_a_picture_that_is_not_there_is_not_found(client: Client, name: str) -> None:
    assert client.get(f"/picture/{name}.webp").status_code == 404


@pytest.mark.parametrize("topic", ["vision", ""])
def test_a_paper_without_a_picture_has_a_drawing_of_its_topic(client: Client, topic: str) -> None:
    paper = make_paper(first_seen_at=timezone.now())
    if topic:
        assign(paper, topic)

    (image,) = parsed(client.get("/")).iter("img")

    assert (image.get("width"), image.get("height"), image.get("alt")) == ("480", "270", "")
    assert str(image.get("src")) == f"/picture/{topic or 'paper'}/{paper.pk % 10}.svg"
    answer = client.get(image.get("src"))
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("image/svg+xml", "public, max-age=2592000")
    assert not answer.cookies


def test_each_topic_has_a_drawing_of_its_own_that_stays_and_is_small() -> None:
    slugs = Topic.objects.values_list("slug", flat=True)
    drawn = {topic_drawings.drawing(slug, variant) for slug in slugs for variant in range(10)}

    assert len(drawn) == 10 * len(slugs)
    assert drawn == {topic_drawings.drawing(slug, variant) for slug in slugs for variant in range(10)}
    for each in drawn:
        assert len(each) < 7000
        assert ElementTree.fromstring(each).tag.endswith("svg")


def test_a_paper_with_a_picture_has_it_on_its_share_card(client: Client, settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    paper = make_paper(title="A grand study")
    address = f"/paper/{paper.pk}/share.png"
    without = client.get(address)
    paper.picture = pictures.keep(drawn(), of="anything")
    paper.save()

    shown = client.get(address)

    assert shown["ETag"] != without["ETag"]
    with Image.open(io.BytesIO(shown.content)) as card:
        red, green, blue = cast("tuple[int, int, int]", card.convert("RGB").getpixel((900, 230)))
        assert red > 240 > 10 > green + blue
    assert len(shown.content) < 90_000


def test_a_share_card_goes_without_a_picture_whose_file_is_gone(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    assert share_card_cache.card("A title", "Vision", "0" * 32)


def test_made_up_papers_have_figures_of_our_own_drawing() -> None:
    for number in range(12):
        make_paper(title=f"Title {number}", organization=sample_papers.MADE_UP)
    make_paper(title="Of somebody else")

    drawn = sample_pictures.draw_for_all()

    assert 0 < drawn < 12
    kept = Paper.objects.exclude(picture="")
    assert kept.count() == drawn == kept.filter(organization=sample_papers.MADE_UP).count()
    assert sample_pictures.draw_for_all() == 0
    assert all(pictures.read(paper.picture)[8:12] == b"WEBP" for paper in kept)
