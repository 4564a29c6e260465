"""People in front of the site: a reader and a curator who know only what a page or a mail shows them.

In: the address where the site really listens. Out: what they pressed, over HTTP. Links in mails carry the public
address (SITE_URL); a visitor reaches the same pages at the local one.
"""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import urlsplit

import httpx

from tests.inbox import Letter


class Visitor:
    """A reader: a browser for the pages, a mail program for the one-click button."""

    def __init__(self, site: str, *, timeout: float = 20) -> None:
        self.web = httpx.Client(base_url=site, timeout=timeout, trust_env=False, headers={"Referer": f"{site}/"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.web.close()

    def sign_up(self, email: str, *, topics: tuple[str, ...] = ()) -> httpx.Response:
        """Fill in the form, at once (SIGNUP_SECONDS_MIN is 0), and follow to the page that says "look at your mail"."""
        page = self.web.get("/subscribe/").raise_for_status().text
        hidden = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
        return self.send_form(hidden | {"email": email, "topics": list(topics)})

    def send_form(self, fields: dict[str, str | list[str]]) -> httpx.Response:
        wishes = {"cadence": "daily", "hour": "8", "time_zone": "Europe/Berlin"}
        answer = self.web.post("/subscribe/", data=wishes | fields, follow_redirects=True)
        assert (answer.status_code, answer.url.path) == (200, "/subscribe/sent/"), answer.text[-2000:]
        return answer

    def confirm(self, letter: Letter) -> httpx.Response:
        """Open the link of the confirmation mail and press its button."""
        link = local(link_of(letter, "/confirm/"))
        assert "<form" in self.web.get(link).raise_for_status().text
        return self.web.post(link, data={}).raise_for_status()

    def unsubscribe(self, letter: Letter) -> httpx.Response:
        """What a mail program does when its unsubscribe button is pressed (RFC 8058). It follows no redirect."""
        assert letter.parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        answer = self.web.post(local(list_unsubscribe(letter)), data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200, answer.status_code
        return answer


class Curator:
    """Somebody with a password for the admin."""

    def __init__(self, site: str, *, name: str, password: str) -> None:
        self.web = httpx.Client(base_url=site, timeout=30, trust_env=False, follow_redirects=True)
        self._post("/admin/login/", username=name, password=password, next="/admin/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.web.close()

    def act(self, edition: int, verb: str) -> None:
        """Press a button of the edition's page and its "yes, do it"."""
        self._post(f"/admin/newsletter/edition/{edition}/act/{verb}/")

    def _post(self, path: str, **fields: str) -> None:
        page = self.web.get(path).raise_for_status().text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, f"no form on {path}: {page[:500]}"
        answer = self.web.post(path, data=fields | {"csrfmiddlewaretoken": token[1]}).raise_for_status()
        assert answer.url.path != path, f"{path} was not done: {answer.text[-2000:]}"


def local(url: str) -> str:
    """The same page at the address the visitor's browser is pointed at."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def link_of(letter: Letter, path: str) -> str:
    """The first link of the text part that leads to such a path."""
    body = letter.parsed.get_body(("plain",))
    found = re.search(rf"https?://\S+{path}\S+", body.get_content() if body else "")
    assert found, f"no link to {path} in the mail"
    return found[0]


def list_unsubscribe(letter: Letter) -> str:
    found = re.search(r"<(https?://[^>]+)>", str(letter.parsed["List-Unsubscribe"]))
    assert found, "the mail has no List-Unsubscribe address"
    return found[1]
