"""Why these papers, why not others: a profile in words that are true, what removing them changes, honest reasons."""

from __future__ import annotations

import json
import random
import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.test import Client
from django.utils import timezone

from newsletter import planning, search
from newsletter.catalogue import merging
from newsletter.delivery.compose_message import SCOPE
from newsletter.interests.load_profiles import ReaderProfiles
from newsletter.interests.profile_in_words import in_words, removals_named, remove
from newsletter.models import Delivery, Edition, EditionItem, LibraryEntry, Paper, ProfileRemoval, Sighting, Verdict
from newsletter.planning import EditionPlan
from newsletter.planning.why_not_chosen import Reason, Why, chosen, due_of, reasons_left_out
from newsletter.search.standing_queries import follow_key
from subscriptions import gdpr, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import Follow, Subscriber, TopicPreference
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db
FROZEN = Edition.State.FROZEN


def about(subject: str, number: int, **over: Any) -> Paper:
    """A paper of no other words: its number is too short to be one."""
    return make_paper(title=f"{subject} {number}", abstract=subject, **over)


def judge(reader: Subscriber, papers: list[Paper], value: int, *, at: Any = NOON) -> None:
    Verdict.objects.bulk_create(Verdict(subscriber=reader, paper=paper, value=value, at=at) for paper in papers)


def reader_of_whales(**over: Any) -> Subscriber:
    """Follows speech, likes whales (and in two of them bias), dislikes trains."""
    reader = make_reader(follows=("speech",), wants_outside=False, **over)
    judge(reader, [about("whales", n) for n in range(4)] + [about("whales bias", n) for n in range(4, 6)], 1)
    judge(reader, [about("trains", n) for n in range(2)], -1)
    return reader


def page_of(reader: Subscriber) -> str:
    return f"/r/{token_links.manage_token(reader, now=timezone.now())}/profile/"


def left_out_url(delivery: Delivery) -> str:
    return f"/d/{token_links.row_token(SCOPE, delivery.pk)}/left-out"


def edition_of(*papers: Paper) -> Edition:
    return make_edition(papers=papers, state=FROZEN)


def take_out(reader: Subscriber, *names: str, at: Any = NOON) -> None:
    remove(removals_named(reader, names, now=at))


def titles(items: list[int]) -> list[str]:
    found = dict(EditionItem.objects.values_list("pk", "paper__title"))
    return [found[item] for item in items]


def test_the_words_are_those_of_the_model_and_written_as_in_the_papers(client: Client) -> None:
    reader = reader_of_whales()
    offered = [assign(about(subject, 7 + n), "speech") for n, subject in enumerate(("whales", "trains", "bread"))]
    plan = EditionPlan(edition_of(*offered))
    portrait = plan.profiles.portrait(reader.pk)
    says = in_words(portrait)
    assert [term.label for term in says.words[:2]] == ["whales", "bias"], "not “whale” and “bia”, as the model has them"
    assert [term.label for term in says.words_against] == ["trains"]
    assert says.words[0].strength == 1
    assert says.words[1].strength == pytest.approx(portrait.words["bia"] / portrait.words["whale"])
    assert portrait.trust == pytest.approx(8 / 30)
    page = client.get(page_of(reader)).content.decode()
    assert "Learned from 8 papers" in page
    assert "It decides 27 % of the order" in page
    assert page.index("whales</span>") < page.index("bias</span>") < page.index("trains</span>")


def test_a_removed_word_no_longer_moves_the_papers_that_have_it() -> None:
    reader = reader_of_whales()
    offered = [about("whales", 9), about("bread", 9), about("bias", 9)]

    def margins() -> Any:
        found, _trust = ReaderProfiles([paper.pk for paper in offered]).of([reader.pk])
        assert found is not None
        return np.log(found[0] / (1 - found[0]))

    whale, bread, bias = margins()
    assert whale > bias > bread
    take_out(reader, "word:whales")
    whale, bread, bias = margins()
    assert bias > whale == pytest.approx(bread, abs=1e-3)
    portrait = ReaderProfiles([paper.pk for paper in offered]).portrait(reader.pk)
    assert "whale" not in portrait.words
    assert "bia" in portrait.words


def test_a_removed_topic_no_longer_moves_the_papers_on_it() -> None:
    reader, liked = make_reader(), [assign(about("speech", n), "speech") for n in range(6)]
    judge(reader, liked, 1)
    offered = [assign(about("bread", 9), "speech"), about("bread", 9)]
    topics = ReaderProfiles([paper.pk for paper in offered]).portrait(reader.pk).topics
    speech = make_topic("speech").pk
    assert max(topics, key=lambda topic: topics[topic]) == speech
    before, _ = ReaderProfiles([paper.pk for paper in offered]).of([reader.pk])
    take_out(reader, "topic:speech")
    after, _ = ReaderProfiles([paper.pk for paper in offered]).of([reader.pk])
    assert before is not None
    assert after is not None
    assert before[0, 0] > before[0, 1]
    assert after[0, 0] == pytest.approx(after[0, 1])
    assert speech not in ReaderProfiles([paper.pk for paper in offered]).portrait(reader.pk).topics


def test_others_are_chosen_for_as_before_when_one_removes() -> None:
    one, other = reader_of_whales(), reader_of_whales()
    offered = [about("whales", 9), about("trains", 9), about("bread", 9)]
    before, _ = ReaderProfiles([paper.pk for paper in offered]).of([one.pk, other.pk])
    take_out(one, "word:whales")
    after, _ = ReaderProfiles([paper.pk for paper in offered]).of([one.pk, other.pk])
    assert before is not None
    assert after is not None
    assert not np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])


def test_a_removed_paper_counts_again_once_it_is_judged_or_saved_anew() -> None:
    reader, papers = make_reader(), [about("whales", n) for n in range(5)]
    judge(reader, papers, 1)
    profiles = ReaderProfiles([about("whales", 9).pk])
    take_out(reader, f"paper:{papers[0].pk}")
    assert profiles.of([reader.pk]) == (None, None), "four are too few"
    Verdict.objects.filter(paper=papers[0]).update(at=NOON + timedelta(minutes=1))
    assert profiles.of([reader.pk])[1] is not None


def test_a_removed_paper_stays_removed_when_it_is_merged() -> None:
    reader, papers = make_reader(), [about("whales", n) for n in range(5)]
    judge(reader, papers[:4], 1)
    LibraryEntry.objects.create(subscriber=reader, paper=papers[4], identity="a", source="saved", at=NOON)
    profiles = ReaderProfiles([about("whales", 9).pk])
    assert profiles.of([reader.pk])[1] is not None
    take_out(reader, f"paper:{papers[4].pk}")
    assert profiles.of([reader.pk]) == (None, None)
    merging.merge(papers[4], into=about("whales", 8), by=None, now=NOON)
    assert profiles.of([reader.pk]) == (None, None)


def test_everything_is_removed_and_comes_back_as_it_was(client: Client) -> None:
    reader = reader_of_whales()
    LibraryEntry.objects.create(subscriber=reader, title="Whales", identity="w", source="uploaded", at=NOON)
    offered = [about("whales", 9).pk, about("trains", 9).pk]
    before, _ = ReaderProfiles(offered).of([reader.pk])
    client.post(page_of(reader), {"remove": "all", "action": "save"})
    assert ReaderProfiles(offered).of([reader.pk]) == (None, None)
    assert "so far there are 0" in client.get(page_of(reader)).content.decode()
    removal = reader.profile_removals.get()
    client.post(page_of(reader), {"removal": str(removal.pk), "action": "put-back"})
    after, _ = ReaderProfiles(offered).of([reader.pk])
    assert before is not None
    assert after is not None
    assert np.array_equal(before, after)


def test_no_digest_says_that_a_removed_paper_was_liked() -> None:
    reader = make_reader(follows=("speech",))
    Paper.objects.bulk_create(
        Paper(title=f"subject{n}", title_key=f"subject{n}", abstract=f"Of subject{n}.", first_seen_at=NOON)
        for n in range(100, 210)
    )
    liked = about("whales", 1)
    judge(reader, [liked], 1)
    edition = edition_of(assign(about("whales", 9), "speech"))
    plan = EditionPlan(edition)
    assert f"like:{liked.pk}" in plan.choose([due_of(reader)])[0].json
    take_out(reader, f"paper:{liked.pk}")
    assert "like:" not in plan.choose([due_of(reader)])[0].json


def test_the_preview_shows_what_the_saved_removal_then_does_and_keeps_nothing(client: Client) -> None:
    reader = reader_of_whales(max_papers=1)
    edition = edition_of(*(assign(about(subject, 9), "speech") for subject in ("bread", "whales")))
    before = chosen(EditionPlan(edition), due_of(reader), before=None)
    assert titles(before) == ["whales 9"]
    form = {"remove": ["word:whales", "word:bias"]}
    page = client.post(page_of(reader), form | {"action": "preview"}).content.decode()
    assert "<del>whales 9</del>" in page
    assert "<ins>bread 9</ins>" in page
    assert not ProfileRemoval.objects.exists()
    assert client.post(page_of(reader), form | {"action": "save"}).status_code == 303
    assert titles(chosen(EditionPlan(edition), due_of(reader), before=None)) == ["bread 9"]
    page = client.get(page_of(reader) + "?said=removed").content.decode()
    assert "Removed. It applies from your next digest." in page
    assert page.count('value="put-back"') == 2


def test_what_changes_nothing_says_so_and_what_names_nothing_is_refused(client: Client) -> None:
    reader = reader_of_whales()
    page = client.post(page_of(reader), {"remove": "word:quagga", "action": "preview"}).content.decode()
    assert "There is no edition yet to show it on." in page
    edition_of(assign(about("bread", 9), "speech"))
    page = client.post(page_of(reader), {"remove": "word:quagga", "action": "preview"}).content.decode()
    assert "would have had the same papers" in page
    for odd in (
        "",
        "word:",
        "word:a b",
        "word:" + "x" * 65,
        "topic:none",
        "paper:²",
        "paper:" + "9" * 30,
        "subscriber:1",
    ):
        page = client.post(page_of(reader), {"remove": odd, "action": "save"}).content.decode()
        assert "Tick what you want to remove." in page
    client.post(page_of(reader), {"removal": "²", "action": "put-back"})
    assert not ProfileRemoval.objects.exists()


def test_nobody_reads_or_changes_the_profile_of_another(client: Client) -> None:
    reader, other = reader_of_whales(), make_reader()
    take_out(reader, "word:whales")
    removal = reader.profile_removals.get()
    client.post(page_of(other), {"removal": str(removal.pk), "action": "put-back"})
    assert reader.profile_removals.exists()
    assert client.get("/r/nonsense/profile/").status_code == 410


def test_what_is_removed_is_exported_and_erased(client: Client) -> None:
    reader, paper = reader_of_whales(), about("whales", 8)
    take_out(reader, "word:whales", "topic:speech", f"paper:{paper.pk}", "all")
    take_out(reader, "word:whales", "all", at=NOON + timedelta(days=1))
    data = gdpr.export(reader, now=NOON, method="test", origin=Origin())
    told = {(row["kind"], row["word"], row.get("topic"), row.get("paper")) for row in data["profileremoval"]}
    assert told == {
        ("word", "whales", None, None),
        ("topic", "", make_topic("speech").name, None),
        ("paper", "", None, paper.title),
        ("all", "", None, None),
    }
    json.dumps(data, cls=DjangoJSONEncoder)
    gdpr.erase(reader, now=NOON, method="test")
    assert not ProfileRemoval.objects.exists()


# --- why not this one? ---------------------------------------------------------------------------------------------


def plan_for(reader: Subscriber, *papers: Paper) -> Delivery:
    edition_of(*papers)
    planning.plan_due(now=NOON)
    return Delivery.objects.filter(subscriber=reader).latest("due_at")


def reasons_of(delivery: Delivery) -> dict[str, Reason]:
    plan = EditionPlan(delivery.edition)
    found = reasons_left_out(plan, due_of(delivery.subscriber), before=delivery.due_at)
    return dict(zip(titles(list(found)), found.values(), strict=True))


def ranked(title: str, score: float, *slugs: str) -> Paper:
    return assign(make_paper(title=title, score_daily=score), *slugs)


def test_each_paper_left_out_has_the_reason_that_kept_it_out() -> None:
    reader = make_reader(follows=("speech", "vision"), max_papers=5, wants_outside=False)
    reader.preferences.create(topic=make_topic("robotics"), stance=TopicPreference.Stance.MUTE)
    had = ranked("Had", 20, "speech")
    earlier = make_edition(
        papers=[had], state=FROZEN, period_on=NOON.date() - timedelta(days=1), frozen_at=NOON - timedelta(days=1)
    )
    item = earlier.items.get()
    Delivery.objects.create(
        edition=earlier, subscriber=reader, state="sent", local_on=NOON.date() - timedelta(days=1),
        due_at=NOON - timedelta(days=1), expires_at=NOON, picks=[[item.pk, "for_you", "topic:speech"]],
    )  # fmt: skip
    speech = [ranked(f"Speech {n}", 10 - n, "speech") for n in range(8)]
    vision = [ranked(f"Vision {n}", 1 - n / 10, "vision") for n in range(3)]
    muted, other = ranked("Muted", 15, "robotics", "speech"), ranked("Other", 14, "retrieval")
    delivery = plan_for(reader, had, muted, other, *speech, *vision)
    sent = titles([item for item, *_ in delivery.picks])
    found = reasons_of(delivery)
    assert len(sent) == 5
    assert {*found, *sent} == {paper.title for paper in (had, muted, other, *speech, *vision)}
    assert (found["Had"], found["Muted"], found["Other"]) == (
        Reason(Why.HAD), Reason(Why.MUTED), Reason(Why.OTHER_TOPIC),
    )  # fmt: skip
    assert found["Speech 3"] == Reason(Why.TOPIC_FULL)
    assert found["Vision 2"] == Reason(Why.SIZE, papers=6)


def test_papers_for_followers_have_their_reasons_too() -> None:
    reader = make_reader(follows=("speech",), max_papers=2, wants_outside=False)
    reader.preferences.create(topic=make_topic("robotics"), stance=TopicPreference.Stance.MUTE)
    for text, stance in (('author:"Nora Quist"', "follow"), ('author:"Ole Skov"', "not")):
        Follow.objects.create(subscriber=reader, text=text, key=follow_key(text), stance=stance, at=NOON)
    Follow.objects.create(
        subscriber=make_reader(), text='author:"Mia Holt"', key=follow_key('author:"Mia Holt"'), at=NOON
    )
    new = {"first_seen_at": NOON - timedelta(hours=5)}
    quist = [assign(make_paper(title=f"Quist {n}", authors=["Nora Quist"], **new), "vision") for n in range(3)]
    assign(make_paper(title="Muted", authors=["Nora Quist"], **new), "robotics")
    assign(make_paper(title="Both", authors=["Nora Quist", "Ole Skov"], **new), "vision")
    assign(make_paper(title="Holt", authors=["Mia Holt"], **new), "speech")
    late = timezone.now() + timedelta(minutes=5)
    search.keep_up(now=NOON, deadline=late)
    search.keep_queries(now=NOON, deadline=late)
    delivery = plan_for(reader, ranked("Speech", 3, "speech"), ranked("Skov", 2, "speech"))
    assert len({paper.title for paper in quist}.intersection(titles([item for item, *_ in delivery.picks]))) == 2
    found = reasons_of(delivery)
    (third,) = (title for title in found if title.startswith("Quist"))
    assert found[third] == Reason(Why.SIZE, papers=3)
    assert found["Speech"] == Reason(Why.SIZE, papers=4)
    assert (found["Muted"].why, found["Both"].why, found["Holt"].why) == (Why.MUTED, Why.UNWANTED, Why.UNRANKED)


@pytest.mark.parametrize("seed", range(6))
def test_without_the_reason_the_paper_would_have_been_in_the_digest(seed: int) -> None:
    """Whatever the edition and the reader: the reasons are counterfactuals of the selection itself."""
    draw = random.Random(seed)
    slugs = ["speech", "vision", "robotics", "retrieval", "agents"]
    papers = [
        ranked(f"Paper {seed}-{n}", draw.random() * 9, *draw.sample(slugs, draw.randint(0, 2))) for n in range(30)
    ]
    edition = edition_of(*papers)
    EditionItem.objects.filter(pk__in=list(edition.items.values_list("pk", flat=True))[5:9]).update(lane="pick")
    reader = make_reader(
        follows=tuple(draw.sample(slugs, draw.randint(0, 3))), max_papers=draw.randint(3, 12),
        wants_outside=draw.random() < 0.5, thin_policy=draw.choice(["send", "widen"]),
    )  # fmt: skip
    judge(reader, draw.sample(papers, 6), 1, at=NOON - timedelta(days=1))
    for slug in draw.sample(slugs, 1):
        reader.preferences.update_or_create(topic=make_topic(slug), defaults={"stance": "mute"})
    due = due_of(reader)
    sent = chosen(EditionPlan(edition), due, before=None)
    reasons = reasons_left_out(EditionPlan(edition), due, before=None)
    assert reasons.keys() | set(sent) == set(edition.items.values_list("pk", flat=True))
    assert not reasons.keys() & set(sent)
    for item, reason in reasons.items():
        if reason.why == Why.SIZE:
            longer = [chosen(EditionPlan(edition), due._replace(max_papers=size), before=None) for size in
                      (reason.papers - 1, reason.papers)]  # fmt: skip
            assert item not in longer[0]
            assert item in longer[1]
    mutes = [row for row in reader.preferences.all() if row.stance == "mute"]
    for row in mutes:
        primary = set(edition.items.filter(paper__paper_topics__topic=row.topic, paper__paper_topics__is_primary=True)
                      .values_list("pk", flat=True))  # fmt: skip
        assert {reasons[item].why for item in primary} <= {Why.MUTED}


def test_the_page_lists_what_was_left_out_and_answers_for_any_paper(client: Client) -> None:
    reader = make_reader(follows=("speech",), max_papers=1, wants_outside=False)
    papers = [ranked(f"Speech {n}", 9 - n, "speech") for n in range(2)]
    withdrawn = make_paper(title="Withdrawn", withdrawn_at=NOON)
    late = make_paper(title="Late", first_seen_at=NOON + timedelta(hours=1))
    old = make_paper(title="Old", first_seen_at=NOON - timedelta(days=9))
    unranked = make_paper(title="Unranked", first_seen_at=NOON - timedelta(hours=2))
    hidden = make_paper(title="Hidden", is_hidden=True)
    delivery = plan_for(reader, *papers)
    Delivery.objects.update(due_at=timezone.now())  # pages of old digests are gone
    url = left_out_url(delivery)
    page = client.get(url).content.decode()
    assert "1 other new paper in your topics" in page
    assert "of this edition was left out" not in page
    assert "Your digests hold at most 1. In one of 2 it would have been." in page

    def answer(text: str) -> str:
        return client.get(url, {"paper": text}).content.decode()

    assert "It was in this digest: number 1." in answer(f"https://arxiv.org/abs/{papers[0].arxiv_id}v2")
    assert "In one of 2 it would have been." in answer("  SPEECH 1 ")
    assert "Its authors withdrew it." in answer(f"http://testserver/paper/{withdrawn.pk}/")
    assert "It arrived after this edition was closed." in answer(late.title)
    assert "It arrived before the days of this edition" in answer(old.title)
    assert "others of these days gained more" in answer(unranked.title)
    assert "It is no longer shown on this site." in answer(hidden.title)
    assert "We know no such paper." in answer("nonsense \0 ²")
    assert "have changed since" not in page
    edition = delivery.edition
    edition.items.filter(paper=papers[1]).update(standing=EditionItem.Standing.EXCLUDED)
    assert "The editors left it out of this edition." in answer("Speech 1")


def test_a_digest_chosen_by_other_preferences_says_so(client: Client) -> None:
    reader = make_reader(follows=("speech",), wants_outside=False)
    delivery = plan_for(
        reader, *(ranked(f"{slug} {n}", 9 - n, slug) for slug in ("speech", "vision") for n in range(3))
    )
    Delivery.objects.update(due_at=timezone.now())
    reader.preferences.all().delete()
    reader.preferences.create(topic=make_topic("vision"))
    page = client.get(left_out_url(delivery)).content.decode()
    assert "have changed since this digest was chosen" in page
    answer = client.get(left_out_url(delivery), {"paper": "vision 0"}).content.decode()
    assert "By what you told us since, it would be in this digest now." in answer


def test_authors_of_several_liked_papers_can_be_followed_from_the_page(client: Client) -> None:
    reader = make_reader(follows=("speech",))
    papers = [make_paper(title=f"Whales {n}", authors=["Nora Quist", "Rui Song", f"Once {n}"]) for n in range(3)]
    judge(reader, papers, 1)
    judge(reader, [make_paper(title=f"Trains {n}", authors=["Ada Berg"]) for n in range(2)], -1)
    Follow.objects.create(subscriber=reader, text="author:song", key=follow_key('author:"Rui Song"'), at=NOON)

    page = client.get(page_of(reader)).content.decode()
    offered = re.findall(r'type="hidden" name="q" value="([^"]*)"', page)

    assert offered == ["author:&quot;Nora Quist&quot;"], "not who is followed, seen once, or only disliked"
    client.post(page_of(reader).replace("/r/", "/preferences/").replace("profile/", ""), {
        "action": "follow", "q": 'author:"Nora Quist"',
    })  # fmt: skip
    assert reader.follows.filter(key=follow_key('author:"Nora Quist"')).exists()
    assert "Nora Quist</span></button>" not in client.get(page_of(reader)).content.decode()


def test_the_page_names_the_queries_that_are_followed_by_the_interest_shown(client: Client) -> None:
    reader = make_reader()
    assert "You follow" not in client.get(page_of(reader)).content.decode()
    reader.interests.create(name="thesis", is_first=True)
    teaching = reader.interests.create(name="teaching", position=1)
    for text, stance, interest in (("whale", "follow", None), ("shark", "not", None), ("kelp", "follow", teaching)):
        reader.follows.create(text=text, key=follow_key(text), stance=stance, interest=interest, at=NOON)
    first = client.get(page_of(reader)).content.decode()
    second = client.get(f"{page_of(reader)}?interest={teaching.pk}").content.decode()
    assert [word in first for word in ("?q=whale", "?q=shark", "left out of your digests", "?q=kelp")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert [word in second for word in ("?q=whale", "?q=kelp", f"/interests/{teaching.pk}/#follows")] == [
        False, True, True,
    ]  # fmt: skip


def test_a_reader_who_got_nothing_finds_the_other_new_papers_of_their_topics(client: Client) -> None:
    reader = make_reader(follows=("speech",), wants_outside=False, thin_policy="hold")
    other = assign(make_paper(title="Not ranked", first_seen_at=NOON - timedelta(hours=3)), "speech")
    Sighting.objects.create(paper=other, source="arxiv_query", key="1", seen_at=other.first_seen_at)
    delivery = plan_for(reader, ranked("Vision", 9, "vision"))
    assert (delivery.skip_reason, delivery.picks) == (Delivery.Skip.EMPTY, [])
    Delivery.objects.update(due_at=timezone.now())
    assert left_out_url(delivery) in client.get(page_of(reader)).content.decode()
    page = client.get(left_out_url(delivery)).content.decode()
    assert "This digest was not sent: no new ranked paper in the followed topics." in page
    assert "1 other new paper in your topics" in page
    assert "Not ranked" in page


def test_the_pages_are_found_from_digest_and_preferences_and_speak_german(client: Client) -> None:
    reader = reader_of_whales()
    delivery = plan_for(reader, assign(about("whales", 9), "speech"))
    Delivery.objects.update(due_at=timezone.now())
    assert left_out_url(delivery) in client.get(f"/d/{token_links.row_token(SCOPE, delivery.pk)}").content.decode()
    assert left_out_url(delivery) in client.get(page_of(reader)).content.decode()
    token = token_links.manage_token(reader, now=timezone.now())
    assert f"/r/{token}/profile/" in client.get(f"/preferences/{token}/").content.decode()
    page = client.get(page_of(reader), headers={"accept-language": "de"}).content.decode()
    assert "Warum diese Arbeiten" in page
    assert "Why these papers" not in page
