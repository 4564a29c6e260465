"""The picture of a shared link: what it shows, what it refuses to draw, and what it costs to ask for again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from newsletter.editions import share_cards
from tests.builders import assign, make_paper, make_topic
from tests.test_listing import HOSTILE, parsed

if TYPE_CHECKING:
    from django.test import Client

SITE = "https://papers.example.org"
FOREIGN = [
    "漢字の論文",
    "دراسة عن النماذج",
    "מחקר על מודלים",
    "हिन्दी पत्र",
    "งานวิจัย",
    "🤗 Transformers",
    "x → y",
    "a\u0301\u0302",
    "\u202eevil",
]


def picture(title: str, topic: str = "Computer vision", site: str = "Paperboy") -> Image.Image:
    drawn = share_cards.draw(title, topic, site)
    assert drawn is not None
    return Image.open(io.BytesIO(drawn)).convert("RGB")


def ink(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    return sum(1 for pixel in image.crop(box).convert("L").get_flattened_data() if pixel < 128)


@pytest.mark.parametrize("title", ["A", "High-resolution things", "Supercalifragilistic" * 15, "Many words " * 40])
def test_a_title_of_any_length_stays_in_its_place(title: str) -> None:
    image = picture(title)

    assert image.size == (1200, 630)
    assert ink(image, (84, 90, 1116, 480)) > 100
    assert ink(image, (0, 24, 80, 630)) == 0, "left of the margin"
    assert ink(image, (1130, 24, 1200, 630)) == 0, "right of it"
    assert ink(image, (0, 490, 1200, 525)) == 0, "between the title and the foot"


def test_the_foot_names_the_site_and_the_topic_where_both_fit() -> None:
    foot = (700, 535, 1120, 585)

    assert ink(picture("A", topic="Computer vision"), foot) > 100
    assert ink(picture("A", topic=""), foot) == 0
    assert ink(picture("A", topic="Words " * 13, site="A site with quite a long name"), (900, 535, 1120, 585)) == 0


@pytest.mark.parametrize("title", [*FOREIGN, "", "   "])
def test_what_the_font_lacks_is_never_drawn_as_boxes(title: str) -> None:
    assert share_cards.can_draw(title) is False
    assert share_cards.draw(title, "", "Paperboy") is None


@pytest.mark.parametrize(
    "title", ["Éclairs über Łódź", "λ-β pruning in O(n²)", "ℓ₂ norms – “quoted”…", "Жизнь", "x ± 1"]
)
def test_latin_greek_and_cyrillic_letters_with_their_signs_are_drawn(title: str) -> None:
    assert share_cards.can_draw(title)


def test_the_same_words_make_the_same_picture_of_modest_weight() -> None:
    first = share_cards.draw("Many words of a title " * 12, "Vision", "Paperboy")
    share_cards.draw.cache_clear()

    assert share_cards.draw("Many words of a title " * 12, "Vision", "Paperboy") == first
    assert len(first or b"") < 60_000


@pytest.mark.django_db
def test_a_paper_has_its_picture_and_is_asked_for_once(client: Client) -> None:
    paper = assign(make_paper(title="A grand study"), "vision")
    address = f"/paper/{paper.pk}/share.png"

    answer = client.get(address)
    again = client.get(address, headers={"if-none-match": answer["ETag"]})

    assert answer["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (1200, 630)
    assert answer["Cache-Control"] == "public, max-age=604800" or answer["Cache-Control"] == "max-age=604800, public"
    assert again.status_code == 304
    assert not again.content
    assert not answer.cookies


@pytest.mark.django_db
def test_a_new_title_or_topic_is_a_new_picture(client: Client) -> None:
    paper = make_paper(title="A grand study")
    address = f"/paper/{paper.pk}/share.png"

    tags = {client.get(address)["ETag"]}
    assign(paper, "vision")
    tags.add(client.get(address)["ETag"])
    paper.title = "A grander study"
    paper.save()
    tags.add(client.get(address)["ETag"])

    assert len(tags) == 3


@pytest.mark.django_db
@pytest.mark.parametrize("over", [{"title": "漢字の論文"}, {"is_hidden": True}])
def test_what_cannot_be_shown_has_the_sites_own_picture(client: Client, over: dict[str, object]) -> None:
    paper = make_paper(**over)

    assert client.get(f"/paper/{paper.pk}/share.png")["Location"] == "/static/newsletter/share.png"
    assert client.get("/paper/999999/share.png")["Location"] == "/static/newsletter/share.png"


@pytest.mark.django_db
def test_a_paper_page_names_its_picture_and_what_it_shows(client: Client) -> None:
    make_topic("vision")

    def card(title: str) -> dict[str, str]:
        head = parsed(client.get(make_paper(title=title).get_absolute_url())).find("head")
        named = [each for each in head.iter("meta") if {"property", "name"} & each.attrib.keys()]
        return {each.attrib.get("property") or each.attrib["name"]: each.attrib["content"] for each in named}

    drawn, foreign = card("A grand study"), card("漢字の論文")

    assert drawn["og:image"].startswith(f"{SITE}/paper/")
    assert drawn["og:image"].endswith("/share.png")
    assert (drawn["og:image:width"], drawn["og:image:height"]) == ("1200", "630")
    assert drawn["og:image:alt"] == "A grand study · Paperboy"
    assert drawn["twitter:card"] == "summary_large_image"
    assert foreign["og:image"] == f"{SITE}/static/newsletter/share.png"
    assert foreign["og:image:alt"] == "Paperboy"


@pytest.mark.django_db
@pytest.mark.parametrize("title", HOSTILE)
def test_no_title_breaks_the_drawing(client: Client, title: str) -> None:
    assert client.get(f"/paper/{make_paper(title=title).pk}/share.png").status_code in {200, 302}
