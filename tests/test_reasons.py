"""Why a paper is in a digest: every number is the recorded one, and no line claims what is not so."""

from __future__ import annotations

import re
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter import planning
from newsletter.editions import lifecycle
from newsletter.mail import reasons as mail_reasons
from newsletter.models import Delivery, Edition, EditionItem, Paper, Verdict
from newsletter.ranking.explain_trend import GAINS
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

TOPICS = ("speech", "vision", "robots", "theory", "safety")

PARTS = st.fixed_dictionaries(
    {"topic": st.sampled_from(["speech", ""])},
    optional={
        "hours": st.sampled_from([24, 168, 720]),
        "cohort_median": st.one_of(st.none(), st.floats(0, 80).map(lambda value: round(value, 1))),
        **{f"{metric}_gain": st.integers(0, 99_999) for metric in GAINS},
    },
)


@given(PARTS, st.sampled_from(EditionItem.Lane.values))
@settings(max_examples=200)
@pytest.mark.django_db
def test_every_number_of_a_reason_is_one_that_was_recorded(parts: dict[str, Any], lane: str) -> None:
    item = EditionItem(paper=_unsaved(), parts=parts | {"akin": [[7, "A 3-D whisper"]]}, lane=lane)
    lines = mail_reasons.reasons(item, topics={"speech": "Speech", "vision": "Vision"})
    gains = {f"{parts[f'{metric}_gain']:,}" for metric in GAINS if parts.get(f"{metric}_gain", 0) > 0}
    spans = {"24", "7", "30"} if gains else set()
    for reason, line in lines.items():
        told = line.replace("“A 3-D whisper”", "")
        numbers = set(re.findall(r"\d[\d,]*(?:\.\d+)?", told))
        assert numbers <= gains | spans
        assert set(re.findall(r"\+([\d,]+)", told)) <= gains
        if "Trending" in told:
            median = parts.get("cohort_median")
            assert any(parts.get(f"{metric}_gain", 0) > (median or 0 if metric == "upvotes" else 0) for metric in GAINS)
        assert ("you follow" in told) == reason.startswith("topic:")
        assert ("which you liked" in told) == reason.startswith("like:")
        is_lead = lane == EditionItem.Lane.LEAD
        assert ("Lead story" in told) == is_lead
        assert ("Editor’s pick" in told) == (not is_lead and (reason == "pick" or lane == EditionItem.Lane.PICK))
        assert ("Outside your topics" in told) == (reason == "outside")


def _unsaved() -> Paper:
    paper = Paper(pk=1, title="A paper")
    paper._prefetched_objects_cache = {"paper_topics": []}  # type: ignore[attr-defined]
    return paper


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(2))
def test_what_a_digest_says_of_its_reader_is_true_of_them(seed: int) -> None:
    """Readers, papers, verdicts and mutes drawn at random, planned for real: every recorded reason is checked."""
    random = Random(seed)
    for topic in TOPICS:
        make_topic(topic)
    Paper.objects.bulk_create(
        Paper(title=f"Old {n}", title_key=f"old {n}", abstract=f"word{n} on word{n}.", first_seen_at=NOON)
        for n in range(110)
    )
    liked = [make_paper(title=f"{topic} classic", abstract=f"{topic} of {topic}s in {topic}.") for topic in TOPICS]
    papers = [
        assign(
            make_paper(title=f"{topic} {n}", abstract=f"{topic} in case{n} of {topic}.", score_daily=random.random()),
            *dict.fromkeys([topic, *random.sample(TOPICS, random.randint(0, 2))]),
        )
        for n in range(6)
        for topic in TOPICS
    ]
    readers = [
        make_reader(
            follows=tuple(random.sample(TOPICS, random.randint(0, 3))),
            wants_outside=random.random() < 0.7,
            thin_policy=random.choice(Subscriber.ThinPolicy.values),
        )
        for _ in range(20)
    ]
    for reader in readers:
        for paper in random.sample(liked, 2):
            Verdict.objects.create(subscriber=reader, paper=paper, value=random.choice([1, -1]), at=NOON)
        if random.random() < 0.4:
            free = set(TOPICS) - set(reader.preferences.values_list("topic__slug", flat=True))
            reader.preferences.create(topic=make_topic(random.choice(sorted(free))), stance="mute")
    edition = make_edition(papers=papers, state=Edition.State.APPROVED)
    edition.items.filter(position__in=[3, 9]).update(lane=EditionItem.Lane.PICK)
    assert lifecycle.freeze(edition, now=NOON - timedelta(minutes=30))
    planning.plan_due(now=NOON)
    assert Delivery.objects.count() == len(readers)
    seen_reasons = set()
    for row in Delivery.objects.select_related("subscriber"):
        stances = dict(row.subscriber.preferences.values_list("topic__slug", "stance"))
        follows = {slug for slug, stance in stances.items() if stance != "mute"}
        mutes = set(stances) - follows
        more = set(row.subscriber.verdicts.filter(value=1).values_list("paper_id", flat=True))
        items = EditionItem.objects.in_bulk([item for item, *_ in row.picks])
        for pk, lane, reason in row.picks:
            topics = set(items[pk].paper.paper_topics.values_list("topic__slug", flat=True))
            primary = items[pk].paper.paper_topics.get(is_primary=True).topic.slug
            seen_reasons.add(reason.partition(":")[0])
            assert reason in edition.compiled.fragments["items"][str(pk)]["text"]["whys"], reason
            assert primary not in mutes
            assert (items[pk].lane == EditionItem.Lane.PICK) == (lane == "pick")
            match reason.partition(":"):
                case ["topic", _, slug]:
                    assert slug in follows & topics
                case ["like", _, paper]:
                    assert int(paper) in more
                    assert Paper.objects.get(pk=paper).title.split()[0] == primary
                case ["outside", _, _]:
                    assert not topics & (follows | mutes)
                    assert follows
                case ["pick", _, _]:
                    assert lane == "pick"
                case ["trending", _, _]:
                    assert not follows or row.subscriber.thin_policy == "widen"
                case _:
                    pytest.fail(f"Nobody knows what {reason} means.")
    assert seen_reasons == {"topic", "like", "outside", "pick", "trending"}
