"""An operator's pages in a real browser: a list moved here from Mailchimp, and the relay changed, counted in acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from subscriptions import mail_settings
from subscriptions.models import ListImport, Subscriber, Suppression
from tests.builders import make_topic
from tests.e2e.shots import SHIFTS, faults_of
from tests.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, FilePayload, Locator, Page
    from pytest_django.fixtures import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ME = "olga@papers.example"


class Hands:
    """What a person does, counted: one for each click, each choice and each field that is typed into."""

    def __init__(self) -> None:
        self.acts = 0

    def click(self, what: Locator) -> None:
        self.acts += 1
        what.click()

    def choose(self, what: Locator, option: str) -> None:
        self.acts += 1
        what.select_option(option)

    def type(self, what: Locator, text: str) -> None:
        self.acts += 1
        what.fill(text)

    def take(self, what: Locator, files: list[FilePayload]) -> None:
        """Choose any number of files in the system's own dialogue."""
        self.acts += 1
        what.set_input_files(files)


@pytest.fixture(params=[(375, "dark"), (1280, "light")], ids=["phone", "desktop"])
def page(request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """An operator who has signed in."""
    User.objects.create_superuser("olga", password="a-long-enough-password")
    width, scheme = request.param
    with chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme) as context:
        context.set_default_timeout(20_000)
        context.add_init_script(SHIFTS)
        page = context.new_page()
        page.goto(f"{live_server.url}/admin/login/")
        page.fill("[name=username]", "olga")
        page.fill("[name=password]", "a-long-enough-password")
        page.click("[type=submit]")
        page.wait_for_url("**/admin/")
        yield page


HEADINGS = (
    "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,TIMEZONE,{}LEID,EUID,TAGS"
)
LINE = '{name}@{domain},Ann,3,"2021-03-04 09:12:33",192.0.2.1,"2021-03-04 09:15:02",192.0.2.1,,{more}1,aa,{tags}'


def export_of(kind: str, names: list[str], *, headings: str = "", more: str = "", tags: str = "") -> FilePayload:
    """One of the three files of Mailchimp, as its export names and writes them."""
    lines = [LINE.format(name=name, domain="moved.example", more=more, tags=tags) for name in names]
    text = "\r\n".join([HEADINGS.format(headings), *lines, ""])
    return {"name": f"{kind}_members_export_4f2a.csv", "mimeType": "text/csv", "buffer": text.encode()}


def mailchimp() -> list[FilePayload]:
    left, gone = "UNSUB_TIME,UNSUB_REASON,", "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,"
    return [
        export_of("subscribed", ["ann", "ben", "cyn", "left"], tags='"""vision"",""Robots"""'),
        export_of("unsubscribed", ["left", "lea"], headings=left, more='"2023-05-05 05:05:05",No longer interested,'),
        export_of("cleaned", ["gone"], headings=gone, more='"2023-06-06 06:06:06",Digest 42,'),
    ]


def test_a_list_is_moved_here_from_mailchimp_in_thirteen_acts(page: Page, live_server: LiveServer) -> None:
    """Each file in a visit of its own took eighteen."""
    make_topic("vision")
    make_topic("robotics")
    hands = Hands()
    if page.viewport_size and page.viewport_size["width"] < 600:
        page.goto(f"{live_server.url}/admin/subscriptions/listimport/")  # the menu is folded on a phone
        hands.acts += 1
    else:
        hands.click(page.locator("a[href$='/admin/subscriptions/listimport/']").first)
    hands.click(page.locator("a[href$='/listimport/add/']").first)
    hands.take(page.locator("#id_file"), mailchimp())
    hands.click(page.get_by_role("button", name="Next"))
    for _file in range(2):  # of those who left and of those that bounced: nothing is asked
        assert faults_of(page, page.url) == []
        hands.click(page.get_by_role("button", name="Import", exact=True))
        hands.click(page.get_by_role("link", name="Next: "))
    expect(page.get_by_text("subscribed_members_export_4f2a.csv").first).to_be_visible()
    hands.choose(page.get_by_label("Time zone of dates"), "Europe/Berlin")
    hands.type(page.get_by_label("Where and how they agreed"), "https://old.example/join")
    hands.choose(page.get_by_label("Robots"), "robotics")
    hands.click(page.get_by_role("button", name="Apply and look again"))
    hands.click(page.get_by_role("button", name="Import", exact=True))
    expect(page.locator(".desk-figures")).to_contain_text("3 new readers")
    assert faults_of(page, page.url) == []
    assert hands.acts == 13
    assert ListImport.objects.filter(state=ListImport.State.DONE).count() == 3
    readers = Subscriber.objects.mailable()
    assert sorted(readers.values_list("email", flat=True)) == [f"{one}@moved.example" for one in ("ann", "ben", "cyn")]
    assert set(readers[0].preferences.values_list("topic__slug", flat=True)) == {"vision", "robotics"}
    left = Subscriber.objects.filter(state="unsubscribed").values_list("email", flat=True)
    assert sorted(left) == ["lea@moved.example", "left@moved.example"], "who left does not come back by the third file"
    assert list(Suppression.objects.in_force().values_list("reason", flat=True)) == ["bounce"]


def test_a_relay_and_a_sender_name_are_tried_and_put_in_force(
    page: Page, live_server: LiveServer, settings: Settings, inbox: Inbox
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.DIGEST_FROM_EMAIL = "Paperboy <digest@papers.example>"
    hands = Hands()
    page.goto(f"{live_server.url}/admin/subscriptions/mailsettings/")
    assert faults_of(page, page.url) == []
    hands.type(page.get_by_label("Server"), "127.0.0.1")
    hands.type(page.get_by_label("Port"), str(inbox.port))
    hands.choose(page.get_by_label("Encryption"), "smtp")
    hands.type(page.get_by_label("Sender name of digests"), "The Daily Wave")
    hands.type(page.get_by_label("Send the test mails to"), ME)
    hands.click(page.get_by_role("button", name="Send the test mails"))
    use = page.get_by_role("button", name="They arrived: use these settings")
    expect(use).to_be_visible()
    assert faults_of(page, page.url) == []
    senders = {str(letter.parsed["From"]) for letter in inbox.wait_for(2, address=ME)}
    assert "The Daily Wave <digest@papers.example>" in senders
    assert mail_settings.in_force() is None, "a test alone changes nothing"
    hands.click(use)
    expect(page.get_by_text("In force. Mail that is being sent")).to_be_visible()
    assert hands.acts == 7
    chosen = mail_settings.in_force()
    assert chosen is not None
    assert mail_settings.relay_url(chosen) == f"smtp://127.0.0.1:{inbox.port}"
    hands.click(page.get_by_role("button", name="Back to what was before"))
    expect(page.get_by_text("What was before is in force again")).to_be_visible()
    assert mail_settings.in_force() is None
