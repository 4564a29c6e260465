"""Approval: by a second person where the setting asks for one, by itself while nobody is there, and when it is due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from newsletter.editions import curator_mails, lifecycle
from newsletter.models import Absence, CuratorMail, Edition, StaffPreferences
from newsletter.monitoring import current_alarms
from tests.builders import NOON, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
State = Edition.State


def person(name: str) -> tuple[User, Client]:
    user = User.objects.create_user(name, email=f"{name}@example.org", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client = Client()
    client.force_login(user)
    return user, client


@pytest.fixture
def draft() -> Edition:
    make_reader()
    now = timezone.now()
    return make_edition(
        papers=[make_paper(), make_paper()], cutoff_at=now + 5 * HOUR, period_on=now.date() + timedelta(days=1)
    )


def edit(client: Client, edition: Edition, note: str) -> None:
    page = client.get(f"/admin/newsletter/edition/{edition.pk}/change/")
    form = page.context["adminform"].form.initial
    at = form["cutoff_at"]
    rows = list(page.context["inline_admin_formsets"][0].formset.forms)
    fields: dict[str, Any] = {
        "editor_note": note,
        "cutoff_at_0": f"{at:%Y-%m-%d}",
        "cutoff_at_1": f"{at:%H:%M:%S}",
        "items-TOTAL_FORMS": len(rows),
        "items-INITIAL_FORMS": len(rows),
    }
    for number, row in enumerate(rows):
        fields[f"items-{number}-id"] = row.instance.pk
        fields[f"items-{number}-edition"] = edition.pk
        for name in ("position", "standing", "lane", "note"):
            fields[f"items-{number}-{name}"] = fields[f"initial-items-{number}-{name}"] = getattr(row.instance, name)
    answer = client.post(f"/admin/newsletter/edition/{edition.pk}/change/", fields)
    assert answer.status_code == 302, answer.context["errors"]
    edition.refresh_from_db()


def approve(client: Client, edition: Edition) -> str:
    answer = client.post(f"/admin/newsletter/edition/{edition.pk}/act/approve/", follow=True)
    edition.refresh_from_db()
    return " ".join(str(message) for message in answer.context["messages"])


def test_where_a_second_person_is_asked_for_the_last_editor_cannot_approve(draft: Edition, settings: Any) -> None:
    settings.EDITION_SECOND_PERSON = True
    (anna, annas), (_ben, bens) = person("anna"), person("ben")
    edit(annas, draft, "A word before the papers.")
    assert draft.edited_by == anna
    assert "somebody else has to approve it" in approve(annas, draft)
    assert draft.state == State.DRAFT
    assert "Approved" in approve(bens, draft)
    assert draft.state == State.APPROVED

    edit(bens, draft, "Another word.")
    assert draft.state == State.DRAFT, "what was approved is what they saw"
    assert "somebody else" in approve(bens, draft)
    assert "Approved" in approve(annas, draft)


def test_freezing_a_draft_is_approving_it(draft: Edition, settings: Any) -> None:
    settings.EDITION_SECOND_PERSON = True
    anna, annas = person("anna")
    lifecycle.note_edit(draft, by=anna)
    annas.post(f"/admin/newsletter/edition/{draft.pk}/act/freeze/")
    draft.refresh_from_db()
    assert (draft.state, draft.frozen_at) == (State.DRAFT, None)


def test_a_pick_is_an_edit_from_the_editions_page_and_from_the_list_of_papers(draft: Edition, settings: Any) -> None:
    (anna, annas), (ben, bens) = person("anna"), person("ben")
    annas.post(f"/admin/newsletter/edition/{draft.pk}/add/", {"paper": make_paper().pk})
    draft.refresh_from_db()
    assert draft.edited_by == anna
    bens.post("/admin/newsletter/paper/", {"action": "pick_for_daily", "_selected_action": [make_paper().pk]})
    draft.refresh_from_db()
    assert draft.edited_by == ben


def test_alone_one_person_edits_and_approves(draft: Edition) -> None:
    _anna, annas = person("anna")
    edit(annas, draft, "A word.")
    assert "Approved" in approve(annas, draft)
    edit(annas, draft, "Another.")
    assert draft.state == State.APPROVED


def test_what_was_looked_at_and_not_changed_has_no_editor(draft: Edition) -> None:
    _anna, annas = person("anna")
    edit(annas, draft, "")
    assert draft.edited_by is None


def test_while_a_curator_is_away_editions_go_out_by_themselves_and_nobody_is_mailed(
    draft: Edition, settings: Any
) -> None:
    anna, annas = person("anna")
    at = draft.cutoff_at
    absence = Absence.objects.create(starts_at=at - HOUR, ends_at=at, by=anna)
    assert lifecycle.approve_due(now=at) == 0, "it ends before the cut-off"
    assert curator_mails.owe_due(now=at - HOUR) == 1
    CuratorMail.objects.all().delete()

    absence.ends_at = at + timedelta(days=3)
    absence.save()
    assert curator_mails.owe_due(now=at - HOUR) == 0
    names = {alarm.name for alarm in current_alarms.alarms(now=at - HOUR / 2)}
    assert not {"approval_due", "approval_missed"} & names
    page = annas.get(f"/admin/newsletter/edition/{draft.pk}/change/").content.decode()
    assert "Editions go out by themselves until" in page
    assert lifecycle.approve_due(now=at - timedelta(minutes=1)) == 0
    assert lifecycle.approve_due(now=at) == 1
    draft.refresh_from_db()
    assert (draft.state, draft.approved_by) == (State.APPROVED, None)


def test_a_curator_plans_an_absence_and_shortens_it(draft: Edition) -> None:
    anna, annas = person("anna")
    times = {"starts_at_0": "2026-03-20", "starts_at_1": "18:00", "ends_at_0": "2026-03-23", "ends_at_1": "06:00"}
    assert annas.post("/admin/newsletter/absence/add/", times).status_code == 302
    absence = Absence.objects.get()
    assert absence.by == anna
    wrong = annas.post(f"/admin/newsletter/absence/{absence.pk}/change/", times | {"ends_at_0": "2026-03-19"})
    assert "ends before it begins" in wrong.content.decode()
    assert annas.post(f"/admin/newsletter/absence/{absence.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Absence.objects.exists()


def test_deadlines_are_told_in_the_curators_own_time(draft: Edition) -> None:
    anna, annas = person("anna")
    wrong = annas.post("/admin/auth/user/mine/", {"time_zone": "Mars/Olympus"})
    assert "There is no time zone" in wrong.content.decode()
    assert annas.post("/admin/auth/user/mine/", {"time_zone": "Asia/Tokyo"}).status_code == 302
    draft.cutoff_at = timezone.now().replace(hour=20, minute=0, second=0) + timedelta(days=1)
    draft.save()
    page = annas.get(f"/admin/newsletter/edition/{draft.pk}/change/").content.decode()
    assert "05:00 JST" in page
    assert "left: the cut-off is" in page

    mail = CuratorMail(edition=draft, curator=anna, kind=CuratorMail.Kind.DRAFT, pk=1)
    assert f"{draft.cutoff_at + 9 * HOUR:%Y-%m-%d} 05:00 JST" in " ".join(
        str(curator_mails._message(mail).body).split()
    )


def test_a_zone_that_is_gone_is_utc(draft: Edition) -> None:
    anna, _annas = person("anna")
    StaffPreferences.objects.create(user=anna, time_zone="Asia/Atlantis")
    assert NOON.astimezone(StaffPreferences.zone_of(anna)).utcoffset() == timedelta(0)
