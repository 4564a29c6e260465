"""A passkey in a real browser: made under a name, asked for after the password, and taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django_otp.plugins.otp_static.models import StaticToken
from django_otp_webauthn.models import WebAuthnCredential
from playwright.sync_api import expect

from tests.e2e.shots import faults_of
from tests.e2e.test_admin_pages import WCAG, page  # noqa: F401  (a fixture)

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def sign_in(page: Page, live_server: LiveServer) -> None:  # noqa: F811
    """Leave the session, and give the password on the way to the list of editions."""
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/admin/newsletter/edition/")
    page.fill("[name=username]", "carla")
    page.fill("[name=password]", "a-long-enough-password")
    page.click("[type=submit]")


def is_well(page: Page) -> None:  # noqa: F811
    assert faults_of(page, page.url) == []
    found = Axe().run(page, context={"include": [[".desk-ask"]]}, options={"runOnly": WCAG})
    assert found.violations_count == 0, found.generate_report()


def test_a_passkey_is_made_used_and_taken_away(
    page: Page,  # noqa: F811
    live_server: LiveServer,
    settings: Any,
) -> None:
    settings.OTP_WEBAUTHN_RP_ID, settings.OTP_WEBAUTHN_ALLOWED_ORIGINS = "localhost", [live_server.url]
    settings.SECOND_FACTOR = "staff"
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    authenticator = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

    sign_in(page, live_server)
    expect(page.get_by_text("Your role needs a second factor")).to_be_visible()
    is_well(page)
    page.get_by_label("Name of a new passkey").fill("carla’s phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("carla’s phone")).to_be_visible()
    codes = page.locator(".desk-codes li").all_text_contents()
    assert len(codes) == StaticToken.objects.count() == 10
    assert WebAuthnCredential.objects.get().name == "carla’s phone"

    sign_in(page, live_server)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    is_well(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{live_server.url}/admin/newsletter/edition/")

    sign_in(page, live_server)
    page.get_by_label("or a recovery code").fill(codes[0])
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(f"{live_server.url}/admin/newsletter/edition/")

    sign_in(page, live_server)
    devtools.send("WebAuthn.clearCredentials", authenticator)
    devtools.send("WebAuthn.setUserVerified", authenticator | {"isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("#passkey-verification-status-message")).to_contain_text("not allowed", timeout=30_000)
    page.get_by_label("or a recovery code").fill(codes[1])
    page.get_by_role("button", name="Go on").click()
    page.goto(f"{live_server.url}/admin/auth/user/mine/second-factor/")
    is_well(page)
    page.get_by_role("button", name="Take carla’s phone away").click()
    expect(page.get_by_text("Your role needs a second factor")).to_be_visible()
    assert not WebAuthnCredential.objects.exists()
    assert not StaticToken.objects.exists(), "codes go with the last factor"
