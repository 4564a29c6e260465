"""Numbers, queues, mail settings and the second factor on the desk in a browser: they fit, and axe is silent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from newsletter.models import Delivery, Edition, StaffPreferences, Submission, Verdict
from subscriptions.models import ConsentEvent
from tests.builders import assign, make_edition, make_paper, make_reader
from tests.e2e.shots import faults_of
from tests.e2e.test_admin_pages import WCAG, page  # noqa: F401  (a fixture)

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = {
    "": ".desk-grid",
    "newsletter/edition/{sent}/results/": "#content",
    "newsletter/edition/results/": "#content",
    "newsletter/edition/{draft}/change/": ".desk-stage",
    "newsletter/absence/": ".desk-empty",
    "newsletter/stream/": ".desk-above",
    "newsletter/submission/": "#result_list",
    "newsletter/submission/{submission}/change/": ".desk-stage",
    "newsletter/submission/decline/?rows={submission}": ".desk-ask",
    "newsletter/paper/doubles/": ".desk-card",
    "subscriptions/mailsettings/": "#content",
    "auth/user/mine/": ".desk-ask",
    "auth/user/mine/second-factor/": ".desk-ask",
    "auth/user/second-factor/": ".desk-ask",
}


@pytest.fixture
def house() -> dict[str, int]:
    """Eleven editions sent to twelve readers of two providers, with verdicts and somebody who left, and a draft."""
    now = timezone.now()
    papers = [assign(make_paper(), topic) for topic in ("vision", "robotics", "retrieval")]
    readers = [make_reader(f"reader{number}@{'big' if number < 8 else 'small'}.example") for number in range(12)]
    for age in range(11, 0, -1):
        on, at = now.date() - timedelta(days=age), now - timedelta(days=age)
        made = make_edition(papers=papers, state="done", period_on=on, frozen_at=at)
        for number, reader in enumerate(readers):
            state = "failed" if number == age else "sent"
            Delivery.objects.create(
                edition=made,
                subscriber=reader,
                state=state,
                local_on=on,
                due_at=at,
                expires_at=now,
                domain=reader.domain,
            )
    Verdict.objects.create(subscriber=readers[0], paper=papers[0], value=1, at=now - timedelta(hours=3))
    ConsentEvent.objects.create(subscriber=readers[2], kind="unsubscribed", at=now - timedelta(hours=2))
    ConsentEvent.objects.create(subscriber=readers[3], kind="requested", at=now, method="banner", source_url="paper")
    draft = make_edition(papers=papers, cutoff_at=now + timedelta(hours=5), period_on=now.date())
    found = {
        "title": "Long contexts by sparse gates " * 4,
        "authors": [f"Author Number{number}" for number in range(9)],
        "abstract": "We gate attention by need. " * 40,
        "topics": ["vision", "robotics"],
    }
    submission = Submission.objects.create(link="x", arxiv_id="2603.00007", at=now, found=found)
    Submission.objects.create(link="x", arxiv_id="2603.00008", at=now)
    Submission.objects.create(
        link="x", arxiv_id="2603.00009", at=now, state="declined", note="Too old.", decided_at=now
    )
    doubles = {"title_head": "whales that sing", "title_tail": "whales that sing", "title_key": "whales that sing"}
    for number in (1, 2):
        make_paper(title="Whales that sing " * 5, first_seen_at=now, authors=["Ada Fern"] * number, **doubles)
    return {"sent": made.pk, "draft": draft.pk, "submission": submission.pk}


def test_pages_of_numbers_fit_and_have_no_accessibility_violation(
    page: Page,  # noqa: F811
    live_server: LiveServer,
    house: dict[str, int],
) -> None:
    for group in Group.objects.all():  # the test before emptied the tables
        group.permissions.set(Permission.objects.exclude(codename__startswith="delete_"))
    User.objects.update(is_superuser=True)
    StaffPreferences.objects.create(user=User.objects.get(), language="de")  # the longer words
    assert Edition.objects.count() == 12
    for path, part in PAGES.items():
        url = f"{live_server.url}/admin/{path.format(**house)}"
        assert faults_of(page, url) == [], path
        found = Axe().run(page, context={"include": [[part]]}, options={"runOnly": WCAG})
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
