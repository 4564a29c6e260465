import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from newsletter import planning
from newsletter.delivery.compose_message import SCOPE
from newsletter.models import Delivery, Edition, Verdict
from subscriptions import gdpr, token_links
from subscriptions.models import TopicPreference
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db


@pytest.fixture
def row() -> Delivery:
    papers = [assign(make_paper(title="A <b>bold</b> claim", score_daily=2.0), "vision", "generation")]
    make_edition(papers=papers, state=Edition.State.FROZEN, editor_note="Hello <script>")
    make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    Delivery.objects.update(due_at=timezone.now())
    return Delivery.objects.get()


def address(row: Delivery, *, item: bool = False) -> str:
    token = token_links.row_token(SCOPE, row.pk)
    return f"/d/{token}/{row.picks[0][0]}" if item else f"/d/{token}"


def test_the_digest_on_the_web_shows_what_was_recorded(client: Client, row: Delivery) -> None:
    page = client.get(address(row))
    assert page.status_code == 200
    text = page.content.decode()
    assert "A &lt;b&gt;bold&lt;/b&gt; claim" in text
    assert "<script>" not in text.replace('<script src="', "")
    assert "you follow Computer vision" in text


def test_the_digest_on_the_web_shows_pictures_and_drawings_as_the_lists_do(client: Client, row: Delivery) -> None:
    paper = row.edition.items.get().paper
    assert f'src="/picture/vision/{paper.pk % 10}.svg"' in client.get(address(row)).content.decode()
    paper.picture = "5" * 32
    paper.save(update_fields=["picture"])
    assert f'src="/picture/{paper.picture}.webp"' in client.get(address(row)).content.decode()


def test_the_digest_of_a_week_is_called_what_its_mail_is(client: Client, row: Delivery) -> None:
    Edition.objects.update(cadence=Edition.Cadence.WEEKLY, period_on=date(2026, 3, 23))
    assert ">The week in papers, 16–22 March 2026</h1>" in client.get(address(row)).content.decode()


def test_the_digest_of_a_week_has_the_sections_of_its_mail(client: Client) -> None:
    topics = ("speech", "vision", "robotics", "vision", "speech", "speech")
    papers = [assign(make_paper(title=f"On {topic}", score_weekly=9.0 - n), topic) for n, topic in enumerate(topics)]
    edition = make_edition(papers=papers, state=Edition.State.FROZEN, cadence="weekly")
    picks = [[item.pk, "trending", "trending"] for item in edition.items.order_by("position")]
    row = Delivery.objects.create(
        edition=edition,
        subscriber=make_reader(),
        picks=picks,
        due_at=timezone.now(),
        local_on=NOON.date(),
        expires_at=NOON,
        not_before=NOON,
    )
    text = client.get(address(row)).content.decode()
    heads = r'(?:paper-title" dir="auto"><a [^>]*|digest-section" dir="auto")>([^<]*)<'
    speech, vision, robotics = (make_topic(slug).name for slug in ("speech", "vision", "robotics"))
    assert robotics not in re.findall(heads, text)
    assert re.findall(heads, text) == [
        *("On speech", vision, "On vision", "On vision"),
        *(speech, "On speech", "On speech", "On other topics", "On robotics"),
    ]


def test_the_digest_leads_to_pages_that_may_be_passed_on(client: Client, row: Delivery) -> None:
    public, paper = row.edition.get_absolute_url(), row.edition.items.get().paper.get_absolute_url()
    text = client.get(address(row)).content.decode()
    assert f'href="{paper}"' in text
    assert f'href="{public}"' in text
    Edition.objects.update(state=Edition.State.CANCELLED)
    assert f'href="{public}"' not in client.get(address(row)).content.decode(), "it has no public page"


@pytest.mark.parametrize("item", [False, True])
def test_token_pages_leak_nothing(client: Client, row: Delivery, item: bool) -> None:
    page = client.get(address(row, item=item))
    assert page["Referrer-Policy"] == "no-referrer"
    assert page["Cache-Control"] == "no-store"
    assert "noindex" in page["X-Robots-Tag"]
    assert not page.cookies


def test_fetching_changes_nothing(client: Client, row: Delivery) -> None:
    for method in (client.get, client.head, client.options):
        method(address(row, item=True))
    assert not Verdict.objects.exists()


@pytest.mark.parametrize(("word", "value"), [("more", 1), ("less", -1)])
def test_a_word_is_taken_and_taken_back(client: Client, row: Delivery, word: str, value: int) -> None:
    page = client.post(address(row, item=True), {"word": word}, follow=True)
    assert f"Saved: {word} like this" in page.content.decode()
    assert Verdict.objects.get().value == value
    client.post(address(row, item=True), {"word": "take-back"})
    assert not Verdict.objects.exists()


def test_a_changed_mind_replaces_the_first_word(client: Client, row: Delivery) -> None:
    for word in ("more", "less", "less"):
        client.post(address(row, item=True), {"word": word})
    assert Verdict.objects.get().value == -1


def test_a_topic_is_muted_and_unmuted(client: Client, row: Delivery) -> None:
    page = client.post(address(row, item=True), {"word": "mute", "topic": "generation"}, follow=True)
    assert "is muted: undo" in page.content.decode()
    assert TopicPreference.objects.get(topic__slug="generation").stance == "mute"
    client.post(address(row, item=True), {"word": "unmute", "topic": "generation"})
    assert not TopicPreference.objects.filter(topic__slug="generation").exists()


def test_undoing_a_mute_of_a_followed_topic_follows_it_again(client: Client, row: Delivery) -> None:
    client.post(address(row, item=True), {"word": "mute", "topic": "vision"})
    client.post(address(row, item=True), {"word": "unmute", "topic": "vision"})
    assert TopicPreference.objects.get(topic__slug="vision").stance == "follow"


@pytest.mark.parametrize(
    "data", [{}, {"word": "nonsense"}, {"word": "mute", "topic": "no-such-topic"}, {"word": "mute", "topic": "a\0"}]
)
def test_nonsense_changes_nothing(client: Client, row: Delivery, data: dict[str, str]) -> None:
    assert client.post(address(row, item=True), data).status_code in {302, 404}
    assert not Verdict.objects.exists()


def test_another_readers_paper_is_not_in_this_digest(client: Client, row: Delivery) -> None:
    assert client.get(f"{address(row)}/999999").status_code == 404


@pytest.mark.parametrize("token", ["x", "A" * 24, "é" * 24])
def test_a_made_up_token_opens_nothing(client: Client, token: str) -> None:
    assert client.get(f"/d/{token}").status_code == 404


def test_a_token_of_another_scope_opens_nothing(client: Client, row: Delivery) -> None:
    assert client.get(f"/d/{token_links.row_token('other', row.pk)}").status_code == 404
    assert client.get(f"/d/{row.subscriber.unsubscribe_token}").status_code == 404


def test_nothing_is_shown_or_noted_once_the_reader_is_erased(client: Client, row: Delivery) -> None:
    gdpr.erase(row.subscriber, now=timezone.now(), method="test")
    assert client.get(address(row)).status_code == 404
    assert client.post(address(row, item=True), {"word": "more"}).status_code == 404
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("days", [90, 30])
def test_a_digest_stays_as_long_as_the_privacy_page_says(
    client: Client, row: Delivery, settings: object, days: int
) -> None:
    settings.RETENTION_DELIVERY_DAYS = days  # type: ignore[attr-defined]
    for age, status in ((days - 1, 200), (days + 1, 404)):
        Delivery.objects.update(due_at=timezone.now() - timedelta(days=age))
        assert client.get(address(row)).status_code == status


def test_tokens_of_the_former_secret_key_still_open(client: Client, row: Delivery, settings: object) -> None:
    old = address(row)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]  # type: ignore[attr-defined]
    assert client.get(old).status_code == 200
