"""What somebody who thinks of subscribing would read."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from newsletter.models import Edition, Paper
from subscriptions.models import Topic
from tests.builders import NOON, assign, make_edition, make_paper, make_topic

pytestmark = pytest.mark.django_db
URL = "/subscribe/preview/"


@pytest.fixture
def edition() -> Edition:
    make_topic("speech-audio")
    papers = [
        assign(make_paper(title="Seeing <i>well</i>", score_daily=3.0), "vision"),
        assign(make_paper(title="Hearing well", score_daily=2.0), "speech-audio"),
    ]
    return make_edition(papers=papers, state=Edition.State.SENDING)


def test_the_preview_follows_the_topics_ticked(client: Client, edition: Edition) -> None:
    page = client.get(URL, {"topics": ["vision"]}).content.decode()
    assert "Seeing &lt;i&gt;well&lt;/i&gt;" in page
    both = client.get(URL).content.decode()
    assert "Seeing" in both
    assert "Hearing well" in both


def test_what_is_muted_is_not_shown(client: Client, edition: Edition) -> None:
    page = client.get(URL, {"mutes": ["vision"]}).content.decode()
    assert "Seeing" not in page
    assert "Hearing well" in page


@pytest.mark.parametrize("state", [Edition.State.DRAFT, Edition.State.FROZEN, Edition.State.CANCELLED])
def test_what_did_not_go_out_is_shown_to_nobody(client: Client, edition: Edition, state: str) -> None:
    Edition.objects.update(state=state)
    page = client.get(URL).content.decode()
    assert "Seeing" not in page
    assert "being prepared" in page


@pytest.mark.parametrize("taken_back", [{"withdrawn_at": NOON}, {"is_hidden": True}])
def test_what_was_taken_back_since_is_not_shown(client: Client, edition: Edition, taken_back: Any) -> None:
    Paper.objects.filter(title="Hearing well").update(**taken_back)
    page = client.get(URL).content.decode()
    assert "Seeing" in page
    assert "Hearing" not in page


@pytest.mark.parametrize(
    "query", [{"topics": ["alchemy", "<script>"]}, {"cadence": "hourly"}, {"topics": [""] * 200}, {"topics": ["a\0"]}]
)
def test_odd_questions_get_an_answer(client: Client, edition: Edition, query: Any) -> None:
    answer = client.get(URL, query)
    assert answer.status_code == 200
    assert "<script>" not in answer.content.decode()


@pytest.mark.filterwarnings("error::django.core.cache.backends.base.CacheKeyWarning")
def test_all_topics_ticked_make_a_cache_key_that_every_cache_takes(client: Client, edition: Edition) -> None:
    slugs = list(Topic.objects.values_list("slug", flat=True))
    assert 2 * len(",".join(slugs)) > 250
    assert client.get(URL, {"topics": slugs, "mutes": slugs}).status_code == 200
    assert "Hearing" in client.get(URL, {"topics": slugs}).content.decode()


def test_looking_is_all_one_can_do(client: Client) -> None:
    assert client.put(URL).status_code == 405
    assert client.post(URL).status_code == 200  # papers brought are read, and kept nowhere
    assert "max-age=300" in client.get(URL)["Cache-Control"]


def test_a_second_look_costs_little(client: Client, edition: Edition, django_assert_max_num_queries: Any) -> None:
    client.get(URL, {"topics": ["vision"]})
    with django_assert_max_num_queries(3):
        client.get(URL, {"topics": ["vision"]})


def test_one_network_gets_so_many_previews_of_papers_and_then_a_sentence(edition: Edition, settings: Any) -> None:
    settings.SIGNUPS_PER_NETWORK_AND_HOUR = 6  # 60 previews an hour, twelve of them at once
    papers = {"references": "1706.03762"}
    with time_machine.travel(NOON, tick=False) as clock:
        someone, other = Client(REMOTE_ADDR="192.0.2.1"), Client(REMOTE_ADDR="198.51.100.1")
        assert {someone.post(URL, papers).status_code for _ in range(12)} == {200}
        refused = someone.post(URL, papers)
        assert refused.status_code == 429
        assert "Your network has asked for many previews" in refused.content.decode()
        assert "no-store" in refused["Cache-Control"]
        assert Client(REMOTE_ADDR="192.0.2.99").post(URL, papers).status_code == 429, "of the same network"
        assert other.post(URL, papers).status_code == 200
        assert someone.get(URL).status_code == 200, "topics alone cost nothing"
        clock.shift(timedelta(minutes=1))
        assert someone.post(URL, papers).status_code == 200
