"""What may still be done with an edition that went out: a correction wherever it is shown, and off the site."""

from __future__ import annotations

import json
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from newsletter import planning
from newsletter.delivery import websub
from newsletter.delivery.compose_message import SCOPE
from newsletter.editions import after_sending, lifecycle
from newsletter.editions.lifecycle import EditionStateError
from newsletter.models import Compiled, Delivery, Edition
from newsletter.monitoring.digest_previews import Persona, preview, preview_bytes
from subscriptions import token_links
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.mail_lint import bodies, lint
from tests.test_admin import member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PAGE = f"/edition/daily/{NOON.date() - DAY}/"
WRONG = "It was *Ada*, not Bob: see [the paper](https://arxiv.org/abs/2603.00001). <script>alert(1)</script>"
SHOWN = '<em>Ada</em>, not Bob: see <a href="https://arxiv.org/abs/2603.00001"'


@pytest.fixture
def sent() -> Edition:
    paper = assign(make_paper(title="Yesterday's paper"), "vision")
    edition = make_edition(
        papers=[paper], state="done", period_on=NOON.date() - DAY, cutoff_at=NOON - DAY, editor_note="It was Bob."
    )
    Edition.objects.filter(pk=edition.pk).update(frozen_at=NOON - DAY)
    edition.refresh_from_db()
    return edition


def act(client: Client, edition: Edition, verb: str, **fields: str) -> str:
    path = f"/admin/newsletter/edition/{edition.pk}/act/{verb}/"
    return client.post(path, {"key": verb + str(LogEntry.objects.count())} | fields, follow=True).content.decode()


def correct(edition: Edition, *, in_mail: bool = True) -> None:
    after_sending.correct(edition, WRONG, in_mail=in_mail, by=None, now=NOON)


def next_edition(**over: object) -> Edition:
    paper = assign(make_paper(title="Today's paper"), "vision")
    return make_edition(papers=[paper], **{"editor_note": "Good morning."} | over)


def mail_of(edition: Edition, *, language: str = "en") -> dict[str, str]:
    return bodies(preview_bytes(edition, persona=Persona("", language=language), now=NOON))


def test_a_correction_is_shown_with_its_day_wherever_the_edition_is(client: Client, sent: Edition) -> None:
    correct(sent)
    page = client.get(PAGE).content.decode()
    assert "Corrected on 18 March 2026" in page
    assert SHOWN in page
    assert "<script>alert" not in page
    assert "Corrected on 18 March 2026" in client.get("/editions/").content.decode()
    facts = client.get(f"/api/v1/editions/{sent.pk}/").json()
    assert (facts["correction"], facts["corrected_at"]) == (WRONG, NOON.isoformat())
    assert "It was Bob." in page, "what was sent stays to be read beside it"


def test_it_moves_the_feeds_entry_and_the_sitemap_and_tells_the_hub(client: Client, sent: Edition) -> None:
    before = websub._fingerprint()
    correct(sent)
    assert websub._fingerprint() != before
    atom = "{http://www.w3.org/2005/Atom}"
    (entry,) = ElementTree.fromstring(client.get("/feeds/editions.atom").content).iter(f"{atom}entry")
    assert entry.findtext(f"{atom}updated") == "2026-03-18T12:00:00+00:00"
    assert entry.findtext(f"{atom}published") == "2026-03-17T12:00:00+00:00"
    assert "Corrected on 18 March 2026" in (entry.findtext(f"{atom}content") or "")
    (item,) = json.loads(client.get("/feeds/editions.json").content)["items"]
    assert SHOWN in item["content_html"]
    assert f"{PAGE}</loc><lastmod>2026-03-18T12:00:00Z" in client.get("/sitemap-pages.xml").content.decode()


def test_readers_see_it_on_their_digest_on_the_web(client: Client, sent: Edition) -> None:
    Edition.objects.filter(pk=sent.pk).update(state="sending", closes_at=NOON + DAY)
    reader = make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    Delivery.objects.update(due_at=timezone.now())
    row = Delivery.objects.get(subscriber=reader, edition=sent)
    web = f"/d/{token_links.row_token(SCOPE, row.pk)}"
    correct(sent)
    page = client.get(web).content.decode()
    assert SHOWN in page
    assert PAGE in page
    after_sending.take_down(sent, by=None, now=NOON)
    page = client.get(web).content.decode()
    assert "Yesterday&#x27;s paper" in page
    assert "It was Bob." not in page
    assert PAGE not in page


def test_the_next_mail_carries_it_once_in_both_parts(sent: Edition) -> None:
    correct(sent)
    after = next_edition()
    for part in mail_of(after).values():
        assert part.count("Correction") == 1
        assert f"https://papers.example.org{PAGE}" in part
        assert part.index("Correction") < part.index("Good morning.")
    assert "Ada, not Bob: see the paper <https://arxiv.org/abs/2603.00001>" in " ".join(
        mail_of(after)["plain"].replace("*", "").split()
    )
    assert SHOWN.partition("<a")[0] in mail_of(after)["html"]
    assert lint(preview_bytes(after, persona=Persona(""), now=NOON), hosts=("arxiv.org",)) == []
    assert "Korrektur" in mail_of(after, language="de")["plain"]
    lifecycle.approve(after, by=None, now=NOON)
    assert lifecycle.freeze(after, now=NOON + timedelta(minutes=1))
    assert "Correction" in json.dumps(Compiled.objects.get(edition=after).fragments)
    later = next_edition(period_on=NOON.date() + DAY)
    assert "Correction" not in mail_of(later)["plain"]


def test_it_stays_out_of_mails_where_that_is_not_wanted_and_of_other_cadences(sent: Edition) -> None:
    correct(sent, in_mail=False)
    assert "Correction" not in mail_of(next_edition())["plain"]
    correct(sent)
    assert "Correction" not in mail_of(next_edition(cadence="weekly"))["plain"]


def test_an_edition_that_is_cancelled_leaves_the_correction_to_the_next(sent: Edition) -> None:
    correct(sent)
    lost = next_edition(state=Edition.State.FROZEN)
    Edition.objects.filter(pk=lost.pk).update(frozen_at=NOON + timedelta(hours=1), state="cancelled")
    assert "Correction" in mail_of(next_edition(period_on=NOON.date() + DAY))["plain"]


def test_an_edition_off_the_site_is_gone_from_every_list_and_can_be_put_back(client: Client, sent: Edition) -> None:
    paper = sent.items.get().paper
    lists = ("/editions/", "/feeds/editions.atom", "/feeds/editions/daily.json", "/sitemap-pages.xml")
    everywhere = (*lists, "/api/v1/editions/", paper.get_absolute_url())
    assert all(PAGE in client.get(path).content.decode() for path in everywhere)
    after_sending.take_down(sent, by=None, now=NOON)
    assert not any(PAGE in client.get(path).content.decode() for path in everywhere)
    gone = client.get(PAGE)
    assert gone.status_code == 410
    assert "This edition was taken off the site" in gone.content.decode()
    assert client.get(f"/api/v1/editions/{sent.pk}/").status_code == 404
    after_sending.put_back(sent, by=None)
    assert client.get(PAGE).status_code == 200


def test_the_desk_does_it_with_buttons_and_its_history_names_who(sent: Edition) -> None:
    approver = member("Approvers")
    page = f"/admin/newsletter/edition/{sent.pk}/change/"
    asked = approver.get(f"/admin/newsletter/edition/{sent.pk}/act/correct/").content.decode()
    assert '<textarea id="correction"' in asked
    assert "carries the correction in its mails" in act(approver, sent, "correct", correction=WRONG, in_mail="on")
    sent.refresh_from_db()
    assert (sent.correction, sent.correction_in_mail) == (WRONG, True)
    assert "Nothing was changed" in act(approver, sent, "correct", correction=f" {WRONG} ", in_mail="on")
    assert "at most 2000" in act(approver, sent, "correct", correction="x" * 2001)
    assert "Taken off the site" in act(approver, sent, "take-down")
    assert "off the site already" in act(approver, sent, "take-down")
    assert "on the site again" in act(approver, sent, "put-back")
    assert "taken back" in act(approver, sent, "correct", correction="")
    assert [one.said for one in sent.revisions.all()] == [
        "took the correction back",
        "put back on the site",
        "taken off the site",
        f"corrected: {WRONG}",
    ]
    shown = approver.get(page).content.decode()
    assert "taken off the site" in shown
    assert "approvers-" in shown
    assert "Back to before this" not in shown


@pytest.mark.parametrize("role", ["Editors", "Observers"])
def test_who_may_not_approve_may_not_correct(role: str, sent: Edition) -> None:
    client = member(role)
    assert "act/correct/" not in client.get(f"/admin/newsletter/edition/{sent.pk}/change/").content.decode()
    for verb in ("correct", "take-down", "put-back"):
        assert client.post(f"/admin/newsletter/edition/{sent.pk}/act/{verb}/", {"correction": "x"}).status_code == 403
    sent.refresh_from_db()
    assert (sent.correction, sent.taken_down_at) == ("", None)


def test_an_edition_that_was_not_sent_is_changed_instead() -> None:
    draft = next_edition()
    with pytest.raises(EditionStateError, match="has not been sent"):
        correct(draft)
    with pytest.raises(EditionStateError, match="has not been sent"):
        after_sending.take_down(draft, by=None, now=timezone.now())
    assert preview(draft, persona=Persona(""), now=NOON)["Subject"] == "Today's paper"
