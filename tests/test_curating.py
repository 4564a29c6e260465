"""A curator's ranking: one button an act, everything can be taken back, and two editors do not undo each other."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client

from newsletter.editions import curation, lifecycle, revisions
from newsletter.models import Edition, EditionItem, EditionRevision
from subscriptions.models import Topic
from tests.builders import NOON, assign, make_edition, make_paper, make_topic
from tests.edition_form import form_of, url_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator(client: Client) -> Client:
    user = User.objects.create_user("carla", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client.force_login(user)
    return client


@pytest.fixture
def edition() -> Edition:
    return make_edition(papers=[assign(make_paper(title=letter), "vision") for letter in "ABCDE"])


def order(edition: Edition) -> str:
    return "".join(edition.items.order_by("position").values_list("paper__title", flat=True))


def item(edition: Edition, title: str) -> EditionItem:
    return edition.items.get(paper__title=title)


def press(client: Client, edition: Edition, button: str, **typed: Any) -> None:
    answer = client.post(url_of(edition), form_of(client, edition) | typed | {"act": button})
    assert answer.status_code == 302, answer.context["errors"]


def test_each_button_does_what_it_says(curator: Client, edition: Edition) -> None:
    d, e = item(edition, "D"), item(edition, "E")
    for verb, expected in {
        "pin": ("pinned", "trending"),
        "unpin": ("listed", "trending"),
        "pick": ("listed", "pick"),
        "unpick": ("listed", "trending"),
        "exclude": ("excluded", "trending"),
        "include": ("listed", "trending"),
        "lead": ("listed", "lead"),
        "unlead": ("listed", "trending"),
    }.items():
        press(curator, edition, f"{verb}:{d.pk}")
        d.refresh_from_db()
        assert (d.standing, d.lane) == expected, verb
    assert order(edition) == "DABCE", "pinned or lead once, it stood first"
    press(curator, edition, f"top:{e.pk}")
    press(curator, edition, f"down:{e.pk}")
    press(curator, edition, f"place:{e.pk}:4")
    press(curator, edition, f"up:{e.pk}")
    assert order(edition) == "DAEBC"


def test_the_lead_and_pinned_papers_stand_at_the_top_whatever_is_moved(curator: Client, edition: Edition) -> None:
    press(curator, edition, f"pin:{item(edition, 'C').pk}")
    press(curator, edition, f"lead:{item(edition, 'E').pk}")
    assert order(edition) == "ECABD"
    press(curator, edition, f"top:{item(edition, 'D').pk}")
    assert order(edition) == "ECDAB"
    press(curator, edition, "", **{"items-4-position": "1"})
    assert order(edition) == "ECBDA"


def test_there_is_one_lead_story(curator: Client, edition: Edition) -> None:
    for title in "CB":
        press(curator, edition, f"lead:{item(edition, title).pk}")
    assert list(edition.items.filter(lane="lead").values_list("paper__title", flat=True)) == ["B"]


def test_several_rows_are_changed_at_once_in_the_order_of_the_page(curator: Client, edition: Edition) -> None:
    press(curator, edition, "top:", chosen=[item(edition, "D").pk, item(edition, "E").pk])
    assert order(edition) == "DEABC"
    press(curator, edition, "exclude:", chosen=[item(edition, "A").pk, item(edition, "B").pk])
    assert set(edition.items.filter(standing="excluded").values_list("paper__title", flat=True)) == {"A", "B"}


def test_what_was_typed_is_stored_with_the_button(curator: Client, edition: Edition) -> None:
    press(curator, edition, f"pin:{item(edition, 'A').pk}", **{"items-1-note": "Read *this*.", "headline": "Ours"})

    assert item(edition, "B").note == "Read *this*."
    edition.refresh_from_db()
    assert edition.headline == "Ours"


def test_a_moved_paper_keeps_its_place_when_the_ranking_is_refreshed(edition: Edition) -> None:
    for place, paper in enumerate(edition.items.order_by("position"), start=1):
        type(paper.paper).objects.filter(pk=paper.paper_id).update(score_daily=20 - place, first_seen_at=NOON)
    curation.act(edition, "place", [item(edition, "E").pk], by=None, place=2)
    lifecycle.refresh(edition)

    assert item(edition, "E").position == 2


def test_the_last_change_is_undone_with_one_button_and_the_undoing_too(curator: Client, edition: Edition) -> None:
    press(curator, edition, f"exclude:{item(edition, 'A').pk}")
    press(curator, edition, f"top:{item(edition, 'C').pk}")
    page = curator.get(url_of(edition)).content.decode()
    assert "“C”: moved to the top" in page
    assert "carla" in page

    press(curator, edition, f"undo:{edition.revisions.first().pk}")  # type: ignore[union-attr]
    assert order(edition) == "ABCDE"
    assert item(edition, "C").standing == "listed"
    assert item(edition, "A").standing == "excluded"
    press(curator, edition, f"undo:{edition.revisions.first().pk}")  # type: ignore[union-attr]
    assert order(edition) == "CABDE"


def test_an_older_state_is_brought_back_words_and_all(curator: Client, edition: Edition) -> None:
    data = form_of(curator, edition)
    curator.post(url_of(edition), data | {"editor_note": "Mine.", "items-0-note": "Line"})
    first = edition.revisions.get()
    assert "edited: " in first.said
    press(curator, edition, f"lead:{item(edition, 'B').pk}")
    press(curator, edition, f"lead:{item(edition, 'C').pk}")

    press(curator, edition, f"back:{first.pk}")

    edition.refresh_from_db()
    assert (edition.editor_note, item(edition, "A").note, order(edition)) == ("", "", "ABCDE")
    assert not edition.items.filter(lane="lead").exists()
    press(curator, edition, f"undo:{edition.revisions.first().pk}")  # type: ignore[union-attr]
    edition.refresh_from_db()
    assert (edition.editor_note, item(edition, "C").lane) == ("Mine.", "lead")


def topics(edition: Edition, title: str) -> list[tuple[str, bool]]:
    rows = item(edition, title).paper.paper_topics.filter(is_assigned=True)
    return list(rows.order_by("-is_primary", "topic__slug").values_list("topic__slug", "is_primary"))


def test_topics_are_corrected_in_the_row(curator: Client, edition: Edition) -> None:
    row = item(edition, "C")
    make_topic("robotics")
    name = Topic.objects.get(slug="robotics").name
    press(curator, edition, f"topic:{row.pk}", **{f"topic-{row.pk}": f" {name.upper()} "})
    assert topics(edition, "C") == [("vision", True), ("robotics", False)]
    press(curator, edition, f"untopic:{row.pk}:{Topic.objects.get(slug='vision').pk}")
    assert topics(edition, "C") == [("robotics", True)]
    assert row.paper.paper_topics.get(topic__slug="vision").origin == "curator"
    assert topics(edition, "B") == [("vision", True)]


def test_a_topic_that_is_not_there_is_named(curator: Client, edition: Edition) -> None:
    row = item(edition, "C")
    data = form_of(curator, edition) | {"act": f"topic:{row.pk}", f"topic-{row.pk}": "Visoin"}
    page = curator.post(url_of(edition), data, follow=True).content.decode()
    assert "There is no topic “Visoin”. Choose one of the list." in page
    for button in (f"untopic:{row.pk}:0", "topic:0", "untopic:x:y", "topic:"):
        curator.post(url_of(edition), form_of(curator, edition) | {"act": button})
    assert topics(edition, "C") == [("vision", True)]


def test_undo_does_not_reach_what_somebody_else_did_since(curator: Client, edition: Edition) -> None:
    press(curator, edition, f"pin:{item(edition, 'A').pk}")
    mine = edition.revisions.get()
    curation.act(edition, "exclude", [item(edition, "B").pk], by=User.objects.create_user("dora"))

    answer = curator.post(url_of(edition), form_of(curator, edition) | {"act": f"undo:{mine.pk}"}, follow=True)

    assert "dora has changed this edition since: “B”: excluded" in answer.content.decode()
    assert item(edition, "A").standing == "pinned"


def test_typing_on_is_one_change_and_nothing_is_recorded_for_nothing(curator: Client, edition: Edition) -> None:
    for text in ("He", "Hello"):
        curator.post(url_of(edition), form_of(curator, edition) | {"editor_note": text})
    curator.post(url_of(edition), form_of(curator, edition))
    curation.act(edition, "unpin", [item(edition, "A").pk], by=None)

    assert edition.revisions.get().before["words"]["editor_note"] == ""


def test_two_editors_of_one_line_see_each_other(curator: Client, edition: Edition) -> None:
    data = form_of(curator, edition)
    edition.items.filter(paper__title="A").update(note="Theirs.")

    answer = curator.post(url_of(edition), data | {"items-0-note": "Mine."})
    assert "Somebody else has changed this meanwhile, to: “Theirs.”" in answer.content.decode()
    assert curator.post(url_of(edition), data | {"items-1-note": "Another."}).status_code == 302
    assert [item(edition, title).note for title in "AB"] == ["Theirs.", "Another."]


@pytest.mark.parametrize("button", ["dance:{a}", "pin:", "pin:999999", "pin:x", "undo:7", "back:", "place:{a}:x"])
def test_what_no_button_says_is_refused_or_harmless(curator: Client, edition: Edition, button: str) -> None:
    data = form_of(curator, edition) | {"act": button.format(a=item(edition, "A").pk)}
    assert curator.post(url_of(edition), data, follow=True).status_code == 200
    assert order(edition) == "ABCDE"
    assert not EditionRevision.objects.exists()


def test_a_withdrawn_paper_cannot_go_in(curator: Client, edition: Edition) -> None:
    a = item(edition, "A")
    type(a.paper).objects.filter(pk=a.paper_id).update(withdrawn_at=NOON)
    answer = curator.post(url_of(edition), form_of(curator, edition) | {"act": f"pick:{a.pk}"}, follow=True)
    assert "The authors withdrew “A”" in answer.content.decode()


def test_who_may_only_look_and_what_is_frozen_change_nothing(client: Client, edition: Edition) -> None:
    data = {"act": f"pin:{item(edition, 'A').pk}"}
    client.force_login(User.objects.create_user("eve", is_staff=True))
    assert client.post(url_of(edition), data).status_code == 403
    closed = make_edition(papers=[make_paper()], state="done", period_on=NOON.date() - timedelta(days=1))
    with pytest.raises(lifecycle.EditionStateError):
        curation.act(closed, "pin", [closed.items.get().pk], by=None)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_of_two_editors_at_once_neither_act_is_lost() -> None:
    edition = make_edition(papers=[make_paper(title=letter) for letter in "ABCDEFGH"])
    verbs = {"A": "pin", "B": "exclude", "C": "pick", "D": "lead", "E": "top", "F": "down", "G": "pick", "H": "exclude"}
    start = threading.Barrier(len(verbs))
    failed: list[Exception] = []

    def act(title: str, verb: str) -> None:
        try:
            start.wait(20)
            curation.act(Edition.objects.get(pk=edition.pk), verb, [item(edition, title).pk], by=None)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=pair) for pair in verbs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    assert {row.paper.title: row.standing for row in edition.items.select_related("paper")}.items() >= {
        ("A", "pinned"),
        ("B", "excluded"),
        ("H", "excluded"),
    }
    assert set(edition.items.filter(lane="pick").values_list("paper__title", flat=True)) == {"C", "G"}
    assert sorted(edition.items.values_list("position", flat=True)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert edition.revisions.count() >= len(verbs) - 1  # the lowest cannot go down
    state = revisions.snapshot(edition)
    assert len(state["items"]) == len(verbs)
