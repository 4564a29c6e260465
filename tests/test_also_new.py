"""Also new: below the papers chosen, a line for each other new paper of the reader's topics; true, recorded, once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from newsletter import planning, search
from newsletter.delivery.claim_deliveries import claim_due
from newsletter.delivery.compose_message import SCOPE, Composers
from newsletter.mail.also_new_lines import NewPapers, Wanted
from newsletter.mail.assemble import ALSO_BUDGET
from newsletter.models import Compiled, Delivery, Edition, Paper, Sighting
from newsletter.monitoring.digest_previews import Persona, preview_bytes
from newsletter.search.standing_queries import follow_key
from subscriptions import gdpr, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import Follow, Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic
from tests.mail_lint import bodies, lint

pytestmark = pytest.mark.django_db
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def fresh(title: str, *topics: str, at: datetime = NOON - 3 * HOUR, **over: Any) -> Paper:
    """A paper that a measured source named for the first time at that moment."""
    paper = assign(make_paper(title=title, first_seen_at=at, **over), *topics)
    Sighting.objects.create(paper=paper, source="arxiv_query", key=str(paper.pk), seen_at=at)
    return paper


def make_day(ranked: list[Paper], *, day: int = 0, cadence: str = "daily", **over: Any) -> Edition:
    at = NOON + day * DAY
    fields: dict[str, Any] = {"cadence": cadence, "period_on": at.date(), "window_start_at": at - DAY - HOUR}
    fields |= {"cutoff_at": at - HOUR, "frozen_at": at - HOUR / 2}
    edition = make_edition(papers=ranked, state=Edition.State.FROZEN, **fields | over)
    planning.plan_due(now=at)
    return edition


def mails(*, now: datetime = NOON + HOUR) -> dict[str, bytes]:
    composers = Composers()
    rows = claim_due(token="t", limit=100, now=now) or []
    return {row.email: composers.message(row, now=now).data for row in rows}


def lines_of(mail: bytes) -> list[tuple[str, str]]:
    """Title and what stands behind it, of each line of the HTML part; the text part has the same."""
    parts = bodies(mail)
    found = re.findall(r'<p class="also"[^>]*><a [^>]*>([^<]*)</a> ([^<]*)</p>', parts["html"])
    _above, *below = re.split("\n(?:Also new|What you may have missed)\n", parts["plain"])  # as a week calls it
    text = "".join(below).partition("-----")[0]
    assert re.findall(r"^  - (.*)$", text, flags=re.M) == [title for title, _ in found]
    return [(title, unescape(why.rpartition("· ")[2])) for title, why in found]


def titles(mail: bytes) -> list[str]:
    return [title for title, _why in lines_of(mail)]


def make_daily_reader(*topics: str, **over: Any) -> Subscriber:
    return make_reader(follows=topics, **{"weekdays": 127, "hour": 12, "wants_outside": False} | over)


def mute(reader: Subscriber, slug: str) -> None:
    reader.preferences.create(topic=make_topic(slug), stance="mute")


def test_each_other_new_paper_of_the_readers_topics_is_a_line_by_rank_and_says_why() -> None:
    reader = make_daily_reader("robotics", "vision", max_papers=1)
    top, second = fresh("Top", "vision", score_daily=9), fresh("Second", "robotics", score_daily=8)
    fresh("Slow", "vision", score_daily=1)
    fresh("Fast", "speech-audio", "robotics", score_daily=2, authors=["A. B", "C. D", "E. F", "G. H"])
    fresh("Elsewhere", "speech-audio")
    fresh("Old", "vision", at=NOON - 5 * DAY)
    make_day([top, second])
    mail = mails()[str(reader.email)]
    assert lines_of(mail) == [
        ("Second", "New in Robotics & autonomous driving"),
        ("Fast", "New in Robotics & autonomous driving"),
        ("Slow", "New in Computer vision"),
    ]
    assert "A. B, C. D and 2 others&nbsp;· New in" in bodies(mail)["html"]
    assert "more in your topics" not in bodies(mail)["html"]
    assert reader.deliveries.get().also == {"topics": sorted([make_topic("robotics").pk, make_topic("vision").pk])}


@pytest.mark.parametrize("mail_format", ["html", "text"])
def test_a_reader_for_whom_no_paper_was_chosen_gets_the_lines_alone(mail_format: str, client: Client) -> None:
    readers = {policy: make_daily_reader("vision", thin_policy=policy) for policy in Subscriber.ThinPolicy.values}
    off, other = make_daily_reader("vision", wants_also=False), make_daily_reader("speech-audio")
    Subscriber.objects.update(mail_format=mail_format)
    fresh("Slow", "vision", score_daily=1)
    make_day([fresh("Top", "robotics", score_daily=9)])
    sent = mails()
    assert sent.keys() == {readers["send"].email, readers["widen"].email}
    mail = sent[str(readers["send"].email)]
    assert lint(mail, hosts=tuple(settings.PAPER_LINK_HOSTS)) == []
    assert b"Subject: Also new: Wednesday, 18 March 2026\r\n" in mail
    assert "  - Slow" in bodies(mail)["plain"]
    if mail_format == "html":
        assert titles(mail) == ["Slow"]
    skipped = Delivery.objects.filter(state=Delivery.State.SKIPPED)
    assert set(skipped.values_list("subscriber", "skip_reason")) == {
        (reader.pk, Delivery.Skip.EMPTY) for reader in (readers["hold"], readers["skip"], off, other)
    }
    row = readers["send"].deliveries.get()
    Delivery.objects.filter(pk=row.pk).update(due_at=timezone.now())
    page = client.get(f"/d/{token_links.row_token(SCOPE, row.pk)}")
    assert "1 other new paper in your topics" in page.content.decode()


def test_lines_that_came_alone_do_not_come_again() -> None:
    reader = make_daily_reader("vision")
    fresh("Monday", "vision", score_daily=1)
    make_day([fresh("Top", "robotics", score_daily=9)])
    fresh("Tuesday", "vision", at=NOON + 20 * HOUR, score_daily=1)
    make_day([fresh("Next", "robotics", at=NOON + 20 * HOUR, score_daily=9)], day=1)
    sent = [titles(mail) for now in (NOON + HOUR, NOON + DAY + HOUR) for mail in mails(now=now).values()]
    assert sorted(sent) == [["Monday"], ["Tuesday"]]
    assert reader.deliveries.count() == 2


def test_an_edition_of_an_older_version_has_no_mail_of_lines_alone() -> None:
    reader = make_daily_reader("vision")
    fresh("Slow", "vision", score_daily=1)
    edition = make_edition(
        papers=[fresh("Top", "robotics", score_daily=9)], state=Edition.State.FROZEN, cutoff_at=NOON - HOUR
    )
    row = Compiled.objects.get(edition=edition)
    del row.fragments["alone"]
    row.save()
    planning.plan_due(now=NOON)
    assert reader.deliveries.get().skip_reason == Delivery.Skip.EMPTY


def test_nobody_gets_lines_who_follows_nothing_or_said_no() -> None:
    nobody, off = make_daily_reader(), make_daily_reader("vision", wants_also=False)
    fresh("Line", "vision")
    make_day([fresh("Top", "vision", score_daily=9)])
    assert [row.also for row in Delivery.objects.all()] == [{}, {}]
    sent = mails()
    assert not any("Also new" in part for reader in (nobody, off) for part in bodies(sent[str(reader.email)]).values())


def test_muted_topics_unwanted_queries_and_what_was_hidden_or_withdrawn_since_are_no_lines() -> None:
    reader = make_daily_reader("vision")
    mute(reader, "robotics")
    Follow.objects.create(subscriber=reader, text="whale", key=follow_key("whale"), stance="not", at=NOON)
    top, hidden, gone = (fresh(title, "vision", score_daily=9) for title in ("Top", "Hidden", "Gone"))
    fresh("Line", "vision")
    fresh("Muted", "vision", "robotics")
    fresh("A whale", "vision")
    late = timezone.now() + timedelta(minutes=5)
    search.keep_up(now=NOON, deadline=late)
    search.keep_queries(now=NOON, deadline=late)
    edition = make_edition(papers=[top], state=Edition.State.FROZEN)
    Paper.objects.filter(pk=hidden.pk).update(is_hidden=True)
    Paper.objects.filter(pk=gone.pk).update(withdrawn_at=NOON)
    planning.plan_now(edition, now=NOON)
    assert titles(mails()[str(reader.email)]) == ["Line"]


def test_what_a_reader_had_or_could_read_in_a_digest_of_another_cadence_is_no_line_again() -> None:
    reader, other = make_daily_reader("vision"), make_daily_reader("vision", cadence="weekly", weekdays=4)
    fresh("Tuesday", "vision", at=NOON - 20 * HOUR)
    make_day([fresh("Top", "vision", score_daily=9)])
    assert titles(mails()[str(reader.email)]) == ["Tuesday"]
    Subscriber.objects.update(cadence="weekly", next_due_at=NOON + DAY)
    fresh("Thursday", "vision", at=NOON + 20 * HOUR)
    monday = (NOON - 2 * DAY).date()
    weekly = make_day(
        [fresh("Best", "vision", score_weekly=9)],
        day=1,
        cadence="weekly",
        period_on=monday,
        window_start_at=NOON - 7 * DAY,
    )
    assert other.deliveries.get().edition == weekly
    sent = mails(now=NOON + DAY + HOUR)
    assert titles(sent[str(reader.email)]) == ["Thursday"]
    assert set(titles(sent[str(other.email)])) == {"Thursday", "Tuesday", "Top"}


def test_a_reader_without_mail_on_some_days_has_the_lines_since_their_last_digest() -> None:
    every, some = make_daily_reader("vision"), make_daily_reader("vision", weekdays=0b0010100)  # Wednesday and Friday
    for day, title in enumerate(("Wednesday", "Thursday", "Friday")):
        fresh(title, "vision", at=NOON + day * DAY - 5 * HOUR)
        make_day([fresh(f"Top {day}", "vision", score_daily=9, at=NOON + day * DAY - 5 * HOUR)], day=day)
    sent = mails(now=NOON + 2 * DAY + HOUR)
    assert titles(sent[str(every.email)]) == ["Friday"]
    assert set(titles(sent[str(some.email)])) == {"Thursday", "Friday", "Top 1"}


def test_a_followed_paper_for_which_there_was_no_room_is_a_line_with_its_query() -> None:
    reader = make_daily_reader("vision", max_papers=1)
    Follow.objects.create(subscriber=reader, text="whale", key=follow_key("whale"), stance="follow", at=NOON)
    for number in range(3):
        fresh(f"Whale {number}", "robotics", at=NOON - number * HOUR - 2 * HOUR)
    late = timezone.now() + timedelta(minutes=5)
    search.keep_up(now=NOON, deadline=late)
    search.keep_queries(now=NOON, deadline=late)
    make_day([fresh("Top", "vision", score_daily=9)])
    assert lines_of(mails()[str(reader.email)]) == [
        ("Whale 1", "You follow “whale”"), ("Whale 2", "You follow “whale”"), ("Top", "New in Computer vision"),
    ]  # fmt: skip


def test_who_keeps_interests_apart_has_lines_for_all_of_them_that_are_switched_on() -> None:
    reader = make_daily_reader("vision", max_papers=2)
    reader.interests.create(name="thesis", position=0, is_first=True)
    for position, (slug, is_on) in enumerate({"robotics": True, "speech-audio": False}.items(), start=1):
        interest = reader.interests.create(name=slug, position=position, is_on=is_on)
        interest.topics.create(topic=make_topic(slug))
    tops = [fresh(f"Top {slug}", slug, score_daily=9) for slug in ("vision", "robotics")]
    for slug in ("vision", "robotics", "speech-audio"):
        fresh(f"Line {slug}", slug)
    make_day(tops)
    assert len(reader.deliveries.get().picks) == 2
    assert set(titles(mails()[str(reader.email)])) == {"Line vision", "Line robotics"}


def test_lines_end_at_twelve_kilobytes_and_the_rest_is_counted_and_listed_with_its_reason(client: Client) -> None:
    make_daily_reader("vision")
    for number in range(250):
        fresh(f"Paper {number} of many whose title goes on for a good while", "vision", score_daily=1 - number / 1000)
    make_day([fresh(f"Top {number}", "vision", score_daily=9) for number in range(12)])
    Delivery.objects.update(due_at=timezone.now())
    (row,) = claim_due(token="t", limit=9, now=NOON + HOUR) or []
    composers, others = Composers(), 262 - len(row.picks)
    mail, bare, plain, bare_plain = (
        composers.message(row._replace(also=also, mail_format=form), now=NOON).data
        for form in ("html", "text") for also in (row.also, {})
    )  # fmt: skip
    assert 11_000 < len(mail) - len(bare) < ALSO_BUDGET + 1_500, "with what stands around them"
    assert 11_000 < len(plain) - len(bare_plain) < ALSO_BUDGET + 1_000
    assert lint(mail, hosts=tuple(settings.PAPER_LINK_HOSTS), site_host=settings.SITE_HOST) == []
    (more,) = re.findall(r">and (\d+) more in your topics<", bodies(mail)["html"])
    assert len(titles(mail)) + int(more) == others
    url = f"/d/{token_links.row_token(SCOPE, row.pk)}"
    assert f"{url}/left-out#also-new" in bodies(mail)["html"]
    assert f"{others} other new papers in your topics, each with" in client.get(url).content.decode()
    page = client.get(f"{url}/left-out").content.decode()
    assert f"{others} other new papers in your topics" in page
    assert page.count("New in Computer vision · It is not among the ranked papers") == 200 - (12 - len(row.picks))
    assert all(f">{title}</a>" in page for title in titles(mail))
    assert "Paper 249 of many" in client.get(f"{url}/left-out?page=2").content.decode()


def test_a_digest_that_is_long_already_has_fewer_lines_or_none() -> None:
    make_daily_reader("vision", max_papers=50)
    for number in range(50):
        fresh(f"Line {number} " + "of words " * 10, "vision")
    text = "We bound the growth of everything that grows. " * 30
    make_day([fresh(f"Top {n} " + "with words " * 25, "vision", score_daily=9, abstract=text) for n in range(50)])
    (row,) = claim_due(token="t", limit=9, now=NOON + HOUR) or []
    mail = Composers().message(row, now=NOON).data
    assert lint(mail, hosts=tuple(settings.PAPER_LINK_HOSTS), site_host=settings.SITE_HOST) == []
    assert titles(mail) == []
    assert f"and {100 - len(row.picks)} more in your topics" in bodies(mail)["html"]


def test_one_tap_on_the_digests_page_turns_them_off_and_on_and_a_link_that_is_only_opened_does_not(
    client: Client,
) -> None:
    reader = make_daily_reader("vision")
    fresh("Line", "vision")
    make_day([fresh("Top", "vision", score_daily=9)])
    Delivery.objects.update(due_at=timezone.now())
    url = f"/d/{token_links.row_token(SCOPE, reader.deliveries.get().pk)}"
    assert f'href="{settings.SITE_URL}{url}#also-new"' in bodies(mails()[str(reader.email)])["html"]
    for word, wanted, said in (("off", False, "no other new papers any more"), ("on", True, "No more of these lines")):
        before = Subscriber.objects.get().wants_also
        assert client.get(f"{url}/also-new").status_code == 303
        assert Subscriber.objects.get().wants_also == before
        assert client.post(f"{url}/also-new", {"word": word}).url.endswith("#also-new")  # type: ignore[attr-defined]
        assert Subscriber.objects.get().wants_also == wanted
        assert said in client.get(url).content.decode()


def test_what_is_listed_is_the_same_for_every_way_to_ask() -> None:
    """The bits give what looking at each paper gives."""
    random = Random(12)
    for _ in range(200):
        papers = [
            (item, random.sample(range(1, 6), random.randint(0, 3)), random.randint(1, 99))
            for item in random.sample(range(1000), 30)
        ]
        items = [item for item, *_rest in papers]
        also = {
            "topics": random.sample(range(1, 6), 2), "mutes": random.sample(range(6, 9), 1) + random.sample([3, 7], 1),
            "without": random.sample(items, 3), "after": random.choice([0, 50]),
            "follows": [[item, "query"] for item in random.sample([*items, 2000], 2)],
        }  # fmt: skip
        chosen = random.sample(items, 4)
        expected: list[tuple[int, int | str]] = [(item, text) for item, text in also["follows"] if item not in chosen]
        for item, topics, at in papers:
            own = [topic for topic in topics if topic in also["topics"]]
            is_out = item in {*chosen, *also["without"], *(item for item, _ in expected)} or at <= also["after"]
            if own and not is_out and not set(topics) & set(also["mutes"]):
                expected.append((item, own[0]))
        lines, count = NewPapers(papers).of(Wanted.of(also), chosen=chosen)
        assert (list(lines), count) == (expected, len(expected))


def test_an_edition_of_an_older_version_has_no_lines() -> None:
    reader = make_daily_reader("vision")
    fresh("Line", "vision")
    make_day([fresh("Top", "vision", score_daily=9)])
    compiled = Compiled.objects.get()
    for part in (compiled.fragments, compiled.fragments["html"], compiled.fragments["text"]):
        del part["also"]
    compiled.save()
    assert "Also new" not in bodies(mails()[str(reader.email)])["html"]


def test_german_readers_have_them_in_german_and_again_the_same() -> None:
    make_daily_reader("vision", language="de")
    fresh("Line", "vision")
    make_day([fresh("Top", "vision", score_daily=9)])
    (row,) = claim_due(token="t", limit=9, now=NOON + HOUR) or []
    mail = Composers().message(row, now=NOON).data
    assert mail == Composers().message(row, now=NOON).data
    html = bodies(mail)["html"]
    assert "Außerdem neu" in html
    assert "Neu bei „" in html
    assert "Diese Zeilen nicht mehr" in html


def test_the_readers_export_says_of_which_topics_others_were_listed() -> None:
    reader = make_daily_reader("vision")
    make_day([fresh("Top", "vision", score_daily=9)])
    (sent,) = gdpr.export(reader, now=NOON, method="test", origin=Origin())["delivery"]
    assert sent["also"] == {"topics": ["Computer vision"]}


def test_so_does_the_preview_of_an_edition_before_it_is_frozen() -> None:
    edition = make_edition(papers=[fresh("Top", "vision", score_daily=9), fresh("Second", "vision", score_daily=8)])
    persona = Persona("Follows one topic", follows=("vision",), max_papers=1)
    assert titles(preview_bytes(edition, persona=persona, now=NOON)) == ["Second"]
