"""Readers who keep several interests apart: one digest in sections, each paper once and for a true reason."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter import search
from newsletter.delivery.claim_deliveries import claim_due
from newsletter.delivery.compose_message import SCOPE, Composers
from newsletter.models import Delivery, Edition, EditionItem, LibraryEntry, Paper, Verdict
from newsletter.planning import EditionPlan, plan_due
from newsletter.planning.reader_picks import RULES
from newsletter.planning.several_interests import choose_apart, interests_of, places_of
from newsletter.planning.why_not_chosen import Reason, Why, due_of, reasons_left_out
from newsletter.search.standing_queries import follow_key
from subscriptions import gdpr, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import CatchUp, Follow, Interest, Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic
from tests.environment import examples

pytestmark = pytest.mark.django_db
EARLIER = NOON - timedelta(hours=5)


def papers_on(topic: str, count: int, **over: Any) -> list[Paper]:
    return [assign(make_paper(title=f"{topic} {n}", score_daily=9.0 - n / 10, **over), topic) for n in range(count)]


def freeze(papers: list[Paper], **over: Any) -> Edition:
    late = timezone.now() + timedelta(minutes=5)
    search.keep_up(now=NOON, deadline=late)
    search.keep_queries(now=NOON, deadline=late)
    return make_edition(papers=papers, state=Edition.State.FROZEN, **over)


def divide(reader: Subscriber, **shares: Any) -> dict[str, Interest]:
    """The reader's interests by these names, the first being what they had; a share in per cent, or in papers."""
    found = {}
    for position, (name, share) in enumerate(shares.items()):
        number, unit = share if isinstance(share, tuple) else (share, "percent")
        found[name] = reader.interests.create(
            name=name, position=position, is_first=not position, share=number, unit=unit
        )
    return found


def follow(reader: Subscriber, text: str, interest: Interest | None = None, stance: str = "follow") -> None:
    reader.follows.create(text=text, key=follow_key(text), stance=stance, at=NOON, interest=interest)


def thesis_and_teaching(thesis: Any = 50, teaching: Any = 50, **over: Any) -> tuple[Subscriber, Interest, Interest]:
    """A reader of robotics for the thesis, and of vision for teaching."""
    reader = make_reader(follows=("robotics",), **{"wants_outside": False, **over})
    first, second = divide(reader, thesis=thesis, teaching=teaching).values()
    second.topics.create(topic=make_topic("vision"))
    return reader, first, second


def chosen(edition: Edition, reader: Subscriber) -> list[list[Any]]:
    picks: list[list[Any]] = json.loads(EditionPlan(edition).choose([due_of(reader)])[0].json)
    return picks


def sections(edition: Edition, reader: Subscriber) -> dict[str, list[str]]:
    """The name of each section, in order, and the titles of its papers."""
    names = {row.pk: row.name for row in reader.interests.all()} | {0: "beyond"}
    titles = dict(EditionItem.objects.values_list("pk", "paper__title"))
    found: dict[str, list[str]] = defaultdict(list)
    keys = [key for *_pick, key in chosen(edition, reader)]
    assert keys == sorted(keys, key=keys.index), "every section in one piece"
    for item, _lane, _reason, key in chosen(edition, reader):
        found[names[key]].append(titles[item])
    return dict(found)


def test_each_interest_has_its_share_in_order_and_says_why() -> None:
    reader, thesis, teaching = thesis_and_teaching(70, (3, "papers"), max_papers=10)
    edition = freeze([*papers_on("robotics", 8), *papers_on("vision", 8)])
    told = [(reason, key) for _item, _lane, reason, key in chosen(edition, reader)]
    assert told == [("topic:robotics", thesis.pk)] * 7 + [("topic:vision", teaching.pk)] * 3


def test_places_that_an_interest_cannot_fill_go_to_the_ranking_as_a_whole() -> None:
    reader, *_ = thesis_and_teaching(80, 20, max_papers=8)
    edition = freeze([*papers_on("robotics", 2), *papers_on("vision", 9), *papers_on("speech-audio", 2)])
    found = sections(edition, reader)
    assert found["thesis"] == ["robotics 0", "robotics 1"]
    assert len(found["teaching"]) > 1, "its share is one paper; the rest was left over"
    assert set(found) == {"thesis", "teaching"}


def test_extras_stand_behind_the_sections() -> None:
    reader, *_ = thesis_and_teaching(None, None, wants_outside=True, max_papers=10)
    edition = freeze([*papers_on("robotics", 9), *papers_on("vision", 9), *papers_on("speech-audio", 1)])
    found = sections(edition, reader)
    assert list(found) == ["thesis", "teaching", "beyond"]
    assert found["beyond"] == ["speech-audio 0"]
    assert sum(map(len, found.values())) == 10


def test_a_paper_of_two_interests_stands_once_with_the_first() -> None:
    reader, _thesis, teaching = thesis_and_teaching()
    teaching.topics.create(topic=make_topic("robotics"))
    edition = freeze(papers_on("robotics", 12))
    found = sections(edition, reader)
    every = [title for titles in found.values() for title in titles]
    assert len(every) == len(set(every)) == 10
    assert "robotics 0" in found["thesis"]
    assert found["teaching"], "the next best ones"


def test_a_topic_muted_for_one_interest_comes_for_another() -> None:
    reader, *_ = thesis_and_teaching()
    reader.preferences.create(topic=make_topic("vision"), stance="mute")
    edition = freeze([*papers_on("robotics", 3), *papers_on("vision", 3)])
    assert sections(edition, reader) == {
        "thesis": ["robotics 0", "robotics 1", "robotics 2"],
        "teaching": ["vision 0", "vision 1", "vision 2"],
    }


def test_followed_papers_come_first_in_their_section_and_what_found_no_room_there_behind() -> None:
    reader, _thesis, teaching = thesis_and_teaching((4, "papers"), (1, "papers"), max_papers=6)
    edition_papers = [*papers_on("robotics", 9), *papers_on("vision", 3)]
    for number in range(2):
        assign(make_paper(title=f"Lecture {number}", authors=["Nora Quist"], first_seen_at=EARLIER), "speech-audio")
    follow(reader, 'author:"Nora Quist"', teaching)
    edition = freeze(edition_papers)
    picks = chosen(edition, reader)
    lectures = [(lane, reason, key) for _item, lane, reason, key in picks if lane == "follow"]
    assert lectures == [("follow", 'follow:author:"Nora Quist"', teaching.pk)] * 2
    assert set(sections(edition, reader)["teaching"]) >= {"Lecture 0", "Lecture 1"}


def test_what_one_interest_leaves_out_comes_for_another_and_never_from_the_whole() -> None:
    reader, thesis, _teaching = thesis_and_teaching(50, 50, max_papers=10)
    follow(reader, "robotics", stance="not")
    edition = freeze([*papers_on("robotics", 3), *papers_on("vision", 9)])
    assert set(sections(edition, reader)) == {"teaching"}
    Follow.objects.update(interest=reader.interests.get(name="teaching"))
    assert "robotics 0" in sections(edition, reader)["thesis"]
    assert thesis.is_first


def test_an_interest_that_follows_queries_only_is_not_filled_with_what_trends() -> None:
    reader = make_reader(follows=("robotics",), wants_outside=False)
    teaching = divide(reader, thesis=50, teaching=50)["teaching"]
    assign(make_paper(title="Lecture", authors=["Nora Quist"], first_seen_at=EARLIER), "speech-audio")
    follow(reader, 'author:"Nora Quist"', teaching)
    edition = freeze([*papers_on("robotics", 3), *papers_on("speech-audio", 8)])
    found = sections(edition, reader)
    assert found == {"thesis": ["robotics 0", "robotics 1", "robotics 2"], "teaching": ["Lecture"]}


def test_one_that_is_switched_off_is_not_asked() -> None:
    reader, _thesis, teaching = thesis_and_teaching()
    edition = freeze([*papers_on("robotics", 3), *papers_on("vision", 3)])
    Interest.objects.filter(pk=teaching.pk).update(is_on=False)
    assert set(sections(edition, reader)) == {"thesis"}


def test_verdicts_count_for_the_interest_their_paper_came_by() -> None:
    words = {"whales": "Songs of whales under water", "trains": "Time tables of trains on rails"}
    papers = [
        assign(make_paper(title=f"{kind} {n}", abstract=f"{text}, part {n}.", score_daily=5.0), topic)
        for topic in ("robotics", "vision")
        for kind, text in words.items()
        for n in range(6)
    ]
    reader, _thesis, teaching = thesis_and_teaching((5, "papers"), (5, "papers"))
    judged = [make_paper(title=f"More {n}", abstract=f"Songs of whales under water, again {n}.") for n in range(12)]
    for paper in judged:
        Verdict.objects.create(subscriber=reader, paper=paper, value=-1, at=NOON, interest=None)
    edition = freeze(papers)
    found = sections(edition, reader)
    assert sum(title.startswith("trains") for title in found["thesis"]) == 5
    before = found["teaching"]
    Verdict.objects.update(interest=teaching)
    assert sum(title.startswith("trains") for title in sections(edition, reader)["teaching"]) == 5
    assert before != sections(edition, reader)["teaching"]


@pytest.mark.parametrize("other", [{}, {"cadence": "weekly", "period_on": (NOON - timedelta(days=2)).date()}])
def test_what_was_had_for_any_interest_never_comes_again(other: dict[str, Any]) -> None:
    """Nor as another version that was merged into it, or in another cadence."""
    reader, _thesis, teaching = thesis_and_teaching()
    teaching.topics.create(topic=make_topic("robotics"))
    papers = papers_on("robotics", 4)
    fields = {"period_on": (NOON - timedelta(days=1)).date(), **other}
    earlier = freeze(papers[:2], **fields)
    Delivery.objects.create(
        edition=earlier, subscriber=reader, local_on=NOON.date() - timedelta(days=1), due_at=NOON - timedelta(days=1),
        expires_at=NOON, state="sent", picks=chosen(earlier, reader),
    )  # fmt: skip
    twin = assign(make_paper(title="Twin"), "robotics")
    edition = freeze([*papers, twin])
    Paper.objects.filter(pk=papers[0].pk).update(merged_into=twin)
    assert [title for titles in sections(edition, reader).values() for title in titles] == ["robotics 2", "robotics 3"]


def test_back_from_a_pause_the_missed_papers_stand_in_their_sections() -> None:
    reader, *_ = thesis_and_teaching(max_papers=4)
    CatchUp.objects.create(subscriber=reader, since=NOON - timedelta(days=20), until=EARLIER, asked_at=EARLIER)
    edition = freeze([*papers_on("robotics", 9), *papers_on("vision", 9)])
    found = sections(edition, reader)
    assert sum(map(len, found.values())) == 15
    assert set(found) == {"thesis", "teaching"}


def test_digests_of_readers_who_keep_nothing_apart_stay_the_same_bytes() -> None:
    readers = [make_reader(follows=topics) for topics in ((), ("vision",), ("vision", "robotics"))]
    edition = freeze([*papers_on("robotics", 9), *papers_on("vision", 9), *papers_on("speech-audio", 2)])
    dues = [due_of(reader) for reader in readers]
    before = EditionPlan(edition).choose(dues)
    several, *_ = thesis_and_teaching()
    after = EditionPlan(edition).choose([dues[0], due_of(several), *dues[1:]])
    assert [after[0], *after[2:]] == before
    assert {len(pick) for stored in before for pick in json.loads(stored.json)} == {3}


def test_the_number_of_queries_grows_with_the_interests_of_one_reader_and_not_with_the_readers() -> None:
    def queries(readers: list[Subscriber]) -> int:
        plan = EditionPlan(edition)
        dues = [due_of(reader) for reader in readers]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            plan.choose(dues)
        return len(captured)

    plain = make_reader(follows=("vision",))
    edition = freeze([*papers_on("robotics", 9), *papers_on("vision", 9)])
    alone = queries([plain])
    readers = [thesis_and_teaching()[0] for _ in range(5)]
    few, many = queries([plain, readers[0]]), queries([plain, *readers])
    assert few == many
    assert queries([plain]) == alone + 1, "whether they keep interests apart; none of it before anybody did"


@given(
    limit=st.integers(1, 50),
    shares=st.lists(
        st.tuples(st.none() | st.integers(1, 100), st.sampled_from(["percent", "papers"])), min_size=1, max_size=8
    ),
)
def test_places_never_exceed_the_digest_and_nobody_is_left_without_while_there_is_room(
    limit: int, shares: list[tuple[int | None, str]]
) -> None:
    interests = [Interest(share=share, unit=unit) for share, unit in shares]
    places = places_of(interests, limit=limit, extras=0.3)
    assert sum(places) <= limit
    assert all(places) or sum(places) == limit
    assert places == places_of(interests, limit=limit, extras=0.3)


@pytest.mark.parametrize(
    ("shares", "places"),
    [
        ([(50, "percent"), (50, "percent")], [5, 5]),
        ([(70, "percent"), (2, "papers")], [7, 2]),
        ([(None, "percent"), (None, "percent")], [3, 3]),
        ([(4, "papers"), (None, "percent")], [4, 4]),
        ([(15, "papers"), (5, "papers")], [7, 2]),
        ([(100, "percent"), (None, "percent")], [10, 0]),
        ([(1, "percent"), (99, "percent")], [1, 9]),
    ],
)
def test_shares_are_places(shares: list[tuple[int | None, str]], places: list[int]) -> None:
    interests = [Interest(share=share, unit=unit) for share, unit in shares]
    assert places_of(interests, limit=10, extras=0.3) == places


STANCES = st.dictionaries(
    st.sampled_from(["robotics", "vision", "speech-audio", "agents"]), st.sampled_from(["follow", "more", "mute"])
)


@pytest.mark.more_examples
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    first=STANCES,
    second=STANCES,
    shares=st.tuples(*[st.none() | st.integers(1, 50)] * 2),
    unit=st.sampled_from(["percent", "papers"]),
    limit=st.integers(1, 12),
)
def test_whatever_is_said_no_paper_stands_twice_nor_where_it_is_muted(
    first: dict[str, str], second: dict[str, str], shares: tuple[int | None, int | None], unit: str, limit: int
) -> None:
    edition = Edition.objects.first() or freeze(
        [
            assign(make_paper(title=f"{one} {other}", score_daily=9.0 - n / 10), one, other)
            for n, (one, other) in enumerate(permutations(("robotics", "vision", "speech-audio", "agents"), 2))
        ]
    )
    reader = make_reader(max_papers=limit)
    thesis, teaching = divide(reader, thesis=(shares[0], unit), teaching=(shares[1], unit)).values()
    for slug, stance in first.items():
        reader.preferences.create(topic=make_topic(slug), stance=stance)
    for slug, stance in second.items():
        teaching.topics.create(topic=make_topic(slug), stance=stance)
    picks = chosen(edition, reader)
    items = [item for item, *_ in picks]
    assert len(items) == len(set(items)) <= limit
    said = {thesis.pk: first, teaching.pk: second, 0: {}}
    primary = dict(
        EditionItem.objects.filter(paper__paper_topics__is_primary=True).values_list(
            "pk", "paper__paper_topics__topic__slug"
        )
    )
    for item, _lane, reason, key in picks:
        assert said[key].get(primary[item]) != "mute"
        if reason.startswith("topic:"):
            assert {first.get(reason[6:]), second.get(reason[6:])} & {"follow", "more"}


def test_a_paper_left_over_is_not_put_where_its_main_topic_is_muted() -> None:
    reader, _thesis, teaching = thesis_and_teaching((1, "papers"), (1, "papers"), max_papers=6)
    teaching.topics.create(topic=make_topic("robotics"), stance="mute")
    papers = papers_on("robotics", 3)
    for paper in papers:  # as a curator may have it: the main topic is not the one with the best fit
        paper.paper_topics.update(score=0.5)
        paper.paper_topics.create(topic=make_topic("vision"), score=0.9)
    assert sections(freeze(papers), reader) == {"thesis": ["robotics 0", "robotics 1", "robotics 2"]}


def test_planning_records_the_sections() -> None:
    reader, thesis, teaching = thesis_and_teaching()
    freeze([*papers_on("robotics", 9), *papers_on("vision", 9)])
    plan_due(now=NOON)
    picks = reader.deliveries.get().picks
    assert {key for *_pick, key in picks} == {thesis.pk, teaching.pk}


def mail_of(reader: Subscriber) -> Any:
    (row,) = (
        row for row in claim_due(token="t", limit=50, now=NOON + timedelta(hours=1)) or [] if row.email == reader.email
    )
    return message_from_bytes(Composers().message(row, now=NOON).data, policy=policy.default)


def in_order(text: str, *words: str) -> bool:
    """Whether each is found behind the one before. The opening of a mail names papers, too."""
    place = 0
    for word in words:
        place = text.find(word, place)
        if place < 0:
            return False
    return True


def test_one_mail_has_a_heading_for_each_interest_and_names_the_topics_of_all() -> None:
    reader, _thesis, teaching = thesis_and_teaching(40, 40, wants_outside=True)
    Interest.objects.filter(pk=teaching.pk).update(name="Teaching & <care>")
    freeze([*papers_on("robotics", 9), *papers_on("vision", 9), *papers_on("speech-audio", 1)])
    plan_due(now=NOON)
    mail = mail_of(reader)
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    order = ("robotics 0", "Teaching & <care>", "vision 0", "Beyond your interests", "speech-audio 0")
    assert in_order(text, "----- thesis -----", *order)
    assert in_order(
        html, ">thesis</h2>", *(word.replace("&", "&amp;").replace("<care>", "&lt;care&gt;") for word in order)
    )
    assert "Robotics" in text.partition("You follow:")[2]
    assert "Computer vision" in text.partition("You follow:")[2]


def test_who_has_one_interest_sees_no_heading() -> None:
    plain = make_reader(follows=("robotics",))
    thesis_and_teaching()
    freeze(papers_on("robotics", 9))
    plan_due(now=NOON)
    mail = mail_of(plain)
    for kind in ("plain", "html"):
        content = mail.get_body((kind,)).get_content()
        assert "your interests" not in content
        assert "headline" not in content
        assert "-----\n" not in content.replace("-" * 72, "")


def test_one_removed_between_planning_and_sending_has_no_name_any_more() -> None:
    reader, _thesis, teaching = thesis_and_teaching()
    freeze([*papers_on("robotics", 9), *papers_on("vision", 9)])
    plan_due(now=NOON)
    teaching.delete()
    text = mail_of(reader).get_body(("plain",)).get_content()
    assert in_order(text, "----- thesis -----", "robotics 0", "Beyond your interests", "vision 0")


def test_what_is_pressed_in_a_mail_counts_for_the_interest_of_its_section(client: Client) -> None:
    reader, thesis, teaching = thesis_and_teaching()
    freeze([*papers_on("robotics", 9), *papers_on("vision", 9)])
    plan_due(now=NOON)
    delivery = reader.deliveries.get()
    Delivery.objects.update(due_at=timezone.now())
    items = {key: item for item, _lane, _reason, key in delivery.picks}
    token = token_links.row_token(SCOPE, delivery.pk)
    for interest in (thesis, teaching):
        page = f"/d/{token}/{items[interest.pk]}"
        for word in ("more", "save"):
            assert client.post(page, {"word": word}).status_code == 302
    assert set(Verdict.objects.values_list("interest__name", flat=True)) == {None, "teaching"}
    assert set(LibraryEntry.objects.values_list("interest__name", flat=True)) == {None, "teaching"}
    page = f"/d/{token}/{items[teaching.pk]}"
    client.post(page, {"word": "mute", "topic": "vision"})
    assert teaching.topics.get().stance == "mute"
    assert teaching.topics.get().muted_from == "follow"
    assert "is muted: undo" in client.get(page).content.decode()
    assert not reader.preferences.filter(stance="mute").exists()
    client.post(page, {"word": "unmute", "topic": "vision"})
    assert teaching.topics.get().stance == "follow"
    web = client.get(f"/d/{token}").content.decode()
    assert in_order(web, ">thesis</h2>", "robotics 0", ">teaching</h2>", "vision 0")


def test_the_reader_is_told_by_which_interest_each_paper_came() -> None:
    reader, *_ = thesis_and_teaching()
    freeze([*papers_on("robotics", 9), *papers_on("vision", 9)])
    plan_due(now=NOON)
    (row,) = gdpr.export(reader, now=NOON, method="test", origin=Origin())["delivery"]
    assert {pick["interest"] for pick in row["picks"]} == {"thesis", "teaching"}


def test_every_paper_left_out_has_a_reason() -> None:
    reader, *_ = thesis_and_teaching((2, "papers"), (2, "papers"), max_papers=4)
    reader.preferences.create(topic=make_topic("speech-audio"), stance="mute")
    edition = freeze([*papers_on("robotics", 9), *papers_on("vision", 9), *papers_on("speech-audio", 1)])
    reasons = reasons_left_out(EditionPlan(edition), due_of(reader), before=None)
    assert len(reasons) == 19 - 4
    assert not set(reasons).intersection(item for item, *_ in chosen(edition, reader))
    titles = dict(EditionItem.objects.values_list("pk", "paper__title"))
    found = {titles[item]: reason for item, reason in reasons.items()}
    assert found["speech-audio 0"].why == Why.MUTED
    assert found["robotics 2"] == Reason(Why.INTEREST_FULL, papers=5, interest="thesis", places=2)
    assert found["vision 8"][2:] == ("teaching", 2)
    assert found["vision 8"].why == Why.INTEREST_FULL


@pytest.mark.parametrize("shares", [(50, 50), ((2, "papers"), None), (None, 20), (10, (3, "papers"))])
def test_a_longer_digest_that_a_reason_names_would_hold_the_paper_in_its_sections(shares: tuple[Any, Any]) -> None:
    reader, _thesis, teaching = thesis_and_teaching(*shares, wants_outside=True, max_papers=8)
    teaching.topics.create(topic=make_topic("speech-audio"))
    edition = freeze([*papers_on("robotics", 9), *papers_on("vision", 9), *papers_on("speech-audio", 4)])
    reasons = reasons_left_out(EditionPlan(edition), due_of(reader), before=None)
    named = {item: reason for item, reason in reasons.items() if reason.papers}
    assert {reason.why for reason in named.values()} == {Why.INTEREST_FULL}
    for item, reason in named.items():
        Subscriber.objects.filter(pk=reader.pk).update(max_papers=reason.papers)
        assert item in {pick[0] for pick in chosen(edition, reader)}


def test_the_mixture_of_sections_is_blamed_where_they_would_hold_the_paper_without_it() -> None:
    reader, *_ = thesis_and_teaching((5, "papers"), None, wants_outside=True, max_papers=8)
    edition = freeze([*papers_on("robotics", 9), *papers_on("vision", 9), *papers_on("speech-audio", 2)])
    plan = EditionPlan(edition)
    reasons = reasons_left_out(plan, due_of(reader), before=None)
    without = replace(RULES, extras_share=0.0)
    (stored,) = choose_apart(plan, [due_of(reader)], interests_of([due_of(reader)]), rules=without, before=None)
    gained = {item for item, *_pick in json.loads(stored.json)} - {item for item, *_pick in chosen(edition, reader)}
    assert gained == {item for item, reason in reasons.items() if reason.why == Why.EXTRAS}
    assert gained


def test_the_page_names_the_interest_whose_places_were_taken(client: Client) -> None:
    thesis_and_teaching((1, "papers"), (3, "papers"), max_papers=4)
    freeze([*papers_on("robotics", 3), *papers_on("vision", 3)])
    plan_due(now=NOON)
    Delivery.objects.update(due_at=timezone.now())
    page = f"/d/{token_links.row_token(SCOPE, Delivery.objects.get().pk)}/left-out"
    answer = client.get(page, {"paper": "robotics 1"}).content.decode()
    assert (
        "The places of “thesis” in this digest (1) went to other papers. Your digests hold at most 4. In one of"
        in answer
    )


def test_the_page_of_reasons_shows_each_interest_apart(client: Client) -> None:
    reader, _thesis, teaching = thesis_and_teaching()
    freeze([*papers_on("robotics", 9), *papers_on("vision", 9)])
    for number in range(5):
        Verdict.objects.create(
            subscriber=reader, paper=make_paper(title=f"Whale song {number}"), value=1, at=NOON, interest=teaching
        )
    page = f"/r/{token_links.manage_token(reader, now=timezone.now())}/profile/"
    first, second = (client.get(page + query).content.decode() for query in ("", f"?interest={teaching.pk}"))
    assert "Robotics &amp; autonomous driving" in first
    assert "Whale song 0" not in first
    assert "Computer vision" in second
    assert "Whale song 0" in second
    assert (
        "Your interests"
        not in client.get(f"/r/{token_links.manage_token(make_reader(), now=timezone.now())}/profile/").content.decode()
    )
