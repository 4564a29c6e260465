"""Pictures in mails by the reader's choice: our own addresses, room kept, and nothing for those who did not ask."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree
from PIL import Image

from newsletter import planning
from newsletter.catalogue import pictures
from newsletter.mail import compile_edition as mail_compile
from newsletter.mail.assemble import Composer
from newsletter.models import Edition, Paper
from subscriptions.models import Subscriber
from tests import mail_samples
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport
from tests.mail_lint import bodies, lint
from tests.test_delivery import run
from tests.test_pictures import drawn
from tests.test_preferences import FORM, path_of

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db
NAME = "0123456789abcdef0123456789abcdef"


def edition_with(*, papers: int) -> Edition:
    made = [make_paper(title=f"Paper {number}", abstract="Words. " * 200, picture=NAME) for number in range(papers)]
    return make_edition(papers=[assign(paper, "vision") for paper in made])


def composed(edition: Edition, **over: Any) -> bytes:
    compiled = json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON)))
    return Composer(compiled, mail_samples.IDENTITY).compose(mail_samples.make_recipient(edition, **over))


def images(raw: bytes) -> list[dict[str, str]]:
    return [dict(image.attrib) for image in etree.HTML(bodies(raw)["html"]).iter("img")]


def test_who_asks_for_pictures_gets_our_own_with_their_size_and_words_in_their_place() -> None:
    edition = edition_with(papers=2)
    Paper.objects.filter(title="Paper 1").update(picture="")

    raw = composed(edition, shows_pictures=True)

    (image,) = images(raw)
    assert image["src"] == f"https://papers.example.org/picture/{NAME}.jpg"
    assert (image["width"], image["height"], image["alt"]) == ("272", "153", "Picture of this paper")
    assert lint(raw, hosts=("example.org", "arxiv.org")) == []
    assert bodies(raw)["plain"] == bodies(composed(edition))["plain"]
    html = bodies(raw)["html"]
    assert html.index("<img") < html.index("Paper 0</a>") < html.index("Paper 1</a>")


def test_who_does_not_ask_gets_the_same_mail_as_if_there_were_none() -> None:
    edition = edition_with(papers=3)
    before = bodies(composed(edition))
    Paper.objects.update(picture="")

    assert before == bodies(composed(edition))
    assert "<img" not in before["html"]


@pytest.mark.parametrize("papers", [10, 50])
def test_a_mail_with_pictures_keeps_within_its_bytes(papers: int) -> None:
    raw = composed(edition_with(papers=papers), shows_pictures=True)

    html = bodies(raw)["html"]
    assert len(html.encode()) <= 80_000
    assert len(images(raw)) == papers if papers == 10 else 0 < len(images(raw)) < papers
    assert "Unsubscribe" in html


def test_a_reader_chooses_pictures_and_finds_them_on_this_site(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    name = pictures.keep(drawn(), of="anything")
    make_edition(papers=[assign(make_paper(picture=name), "vision")], state=Edition.State.FROZEN)
    reader = make_reader("dora@example.net", follows=("vision",))
    assert reader.mail_format == Subscriber.MailFormat.HTML
    client.post(f"{path_of(reader)}digest/", FORM | {"mail_format": "pics", "thin_policy": "send"})
    make_reader("emil@example.net", follows=("vision",))
    planning.plan_due(now=NOON)

    transport = MemoryTransport()
    run(transport)

    mails = {message.recipient: message.data for message in transport.sent}
    (image,) = images(mails["dora@example.net"])
    assert images(mails["emil@example.net"]) == []
    answer = client.get(image["src"].removeprefix(settings.SITE_URL))
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    with Image.open(io.BytesIO(b"".join(answer))) as kept:  # type: ignore[arg-type]
        assert (kept.format, kept.size) == ("JPEG", pictures.SIZE)
