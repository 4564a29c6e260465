"""The story that `make demo` tells: readers sign up, editions go out, one leaves, a draft is left to curate.

In: a site that answers, a mail catcher, sample papers with trend scores. Out: rows and mails. Each step checks what its
line claims and raises DemoError when it is not so. All happens on one day of UTC, at any hour of it.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING

import httpx
from django.conf import settings
from django.utils import timezone
from rich.console import Console

from newsletter import planning, tasks
from newsletter.catalogue import choose_key_sentences, sample_pictures, submissions
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import sample_papers
from newsletter.delivery.bounces import act_on_report
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, EditionItem, PaperTopic
from newsletter.ranking import update_trend_scores
from subscriptions import transactional_mails
from subscriptions.models import Subscriber

if TYPE_CHECKING:
    from newsletter.management.mail_catcher import MailCatcher

console = Console(highlight=False)
NOTE = (
    "Good morning. This is a note from the editor: in the admin you write your own.\n\n"
    "All papers of this demo are made up, with their authors, votes and results."
)
LINE = "Start here: the editor picked this paper by hand."
SUGGESTED = "1706.03762"


@dataclass(frozen=True)
class Person:
    email: str
    topics: tuple[str, ...]
    cadence: str = "daily"
    language: str = "en"

    @property
    def name(self) -> str:
        return self.email.partition("@")[0].title()


ALICE = Person("alice@example.net", ("language-models", "efficiency", "retrieval"))
BOB = Person("bob@example.net", ("vision", "generation", "3d-graphics"))
CHARLIE = Person("charlie@example.net", ("robotics", "rl-agents"))
GRETA = Person("greta@example.net", ("multimodal", "speech-audio", "science"), language="de")
WALTER = Person("walter@example.net", ("systems", "learning-theory"), cadence="weekly")
FRANK = Person("frank@example.net", ("code", "security"))
DANA = Person("dana@example.net", ("language-models", "evaluation"))
FIRST = (ALICE, BOB, CHARLIE, GRETA, WALTER, FRANK)
STAYED = (ALICE, BOB, GRETA)


class DemoError(Exception):
    """A step of the demo failed; the message says which and how."""


def tell(web: httpx.Client, catcher: MailCatcher) -> list[Edition]:
    """Tell the story; returns the editions that went out."""
    until(lambda: _answers(web), "the site does not answer", seconds=120)
    with step("Six readers sign up on the site, Greta in German, Walter weekly"):
        _sign_up(web, FIRST)
    with step("They confirm by the link in their mail"):
        _confirm(web, catcher, FIRST)
    with step("An editor's note and pick; the edition is frozen and delivered"):
        first = _publish(Edition.Cadence.DAILY, days_ahead=-1, by_hand=True, refused=FRANK, catcher=catcher)
        for person in (ALICE, BOB, CHARLIE, GRETA):
            _check(_plain(_digest_of(catcher, person)), NOTE[:12], of=person)
        _check(_plain(_digest_of(catcher, ALICE)), LINE[:12], of=ALICE)
    with step("Greta's digest is in German"):
        _check(_part(_digest_of(catcher, GRETA), "html"), 'lang="de"', of=GRETA)
    with step("Frank's mailbox is gone: his digest failed, and he gets no more"):
        act_on_report.act_on_events(now=timezone.now())
        _check_row(first, FRANK, Delivery.State.FAILED)
        _check_state(FRANK, Subscriber.State.SUPPRESSED)
    with step("The weekly goes to Walter"):
        weekly = _publish(Edition.Cadence.WEEKLY)
        _digest_of(catcher, WALTER)
        _check_row(weekly, WALTER, Delivery.State.SENT)
    with step("Dana signs up later and has a first digest at once"):
        _sign_up(web, [DANA])
        _confirm(web, catcher, [DANA])
        planning.plan_due(now=timezone.now())
        _deliver()
        _check(str(_digest_of(catcher, DANA)["Subject"]), "Welcome: ", of=DANA)
    with step("Charlie leaves by one click in the mail program"):
        _leave(web, _digest_of(catcher, CHARLIE))
        _check_state(CHARLIE, Subscriber.State.UNSUBSCRIBED)
    with step("The papers of today's list come in"):
        take_in(todays=True)
    with step("The next edition goes to those who stayed, with new papers only"):
        second = _publish(Edition.Cadence.DAILY)
        for person in STAYED:
            _digest_of(catcher, person, number=2)
            _check_nothing_twice(person)
        if others := _sent(second) - {person.email for person in STAYED}:
            raise DemoError(f"{', '.join(sorted(others))} left, or had a digest today, and got this edition as well.")
    with step("Alice suggests a paper, which waits for a curator"):
        alice = Subscriber.objects.get(email=ALICE.email)
        answer = submissions.submit(alice, link=f"https://arxiv.org/abs/{SUGGESTED}", now=timezone.now()).answer
        if answer != submissions.SubmissionResult.TAKEN:
            raise DemoError(f"The suggestion was answered {answer}.")
    with step("Tomorrow's draft is left for you to curate"):
        draft = _draft(Edition.Cadence.DAILY, days_ahead=1)
        if draft.state != Edition.State.DRAFT or draft.items.count() < 10:
            raise DemoError(f"The draft is {draft.state} and has {draft.items.count()} papers.")
    return [first, weekly, second]


def take_in(*, todays: bool) -> None:
    """Bring the made-up papers of the newest list, or those of the lists before, and score them all."""
    now = timezone.now()
    seen = sample_papers.made_up(until=now.replace(minute=0, second=0, microsecond=0))
    newest = max(one.listed_on for one in seen if one.listed_on)
    ingest((one for one in seen if (one.listed_on == newest) == todays), now=now)
    update_trend_scores.score_papers(now=now)
    sample_pictures.draw_for_all()
    choose_key_sentences.keep_up(deadline=now + timedelta(seconds=60))


def _sign_up(web: httpx.Client, people: Iterable[Person]) -> None:
    forms = {person: _form(web, person) for person in people}
    time.sleep(settings.SIGNUP_SECONDS_MIN + 0.2)  # the form counts anything quicker as a machine
    for person, hidden in forms.items():
        # Nobody is due while the story goes on: who has an hour that strikes gets what the story has not told yet.
        hour = (timezone.now().hour + 12) % 24
        chosen = {"email": person.email, "topics": list(person.topics), "cadence": person.cadence, "time_zone": "UTC"}
        language = {"Accept-Language": person.language}
        data = hidden | chosen | {"hour": str(hour), "weekday": "0"}
        answer = web.post("/subscribe/", data=data, headers=language, follow_redirects=True)
        if answer.status_code != 200 or not answer.url.path.endswith("/sent/"):
            said = " ".join(re.findall(r"<li>(?:<a[^>]*>)?([^<]+)", answer.text.partition('id="errors"')[2][:2000]))
            raise DemoError(f"The signup of {person.email} was answered {answer.status_code} at {answer.url}: {said}")


def _form(web: httpx.Client, person: Person) -> dict[str, object]:
    page = web.get("/subscribe/", headers={"Accept-Language": person.language}).raise_for_status().text
    return dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))


def _confirm(web: httpx.Client, catcher: MailCatcher, people: Iterable[Person]) -> None:
    transactional_mails.send_due_notices(now=timezone.now())
    for person in people:
        letter = _wait_for_mail(catcher, person.email, lambda message: "List-Unsubscribe" not in message)
        link = re.search(r"https?://\S+/confirm/\S+", _plain(letter))
        if not link:
            raise DemoError(f"The confirmation mail to {person.email} has no link.")
        web.get(link[0]).raise_for_status()
        web.post(link[0], data={}).raise_for_status()
        _check_state(person, Subscriber.State.CONFIRMED)


def _draft(cadence: str, *, days_ahead: int = 0) -> Edition:
    now = timezone.now()
    day = lifecycle.period_of(cadence, now.date() + timedelta(days=days_ahead))
    return lifecycle.draft(cadence=cadence, period_on=day, now=now)


def _publish(
    cadence: str,
    *,
    days_ahead: int = 0,
    by_hand: bool = False,
    refused: Person | None = None,
    catcher: MailCatcher | None = None,
) -> Edition:
    """Draft, approve, freeze and deliver an edition; ``by_hand``: with a note and a pick."""
    edition = _draft(cadence, days_ahead=days_ahead)
    if by_hand:
        of_interest = PaperTopic.objects.filter(topic__slug=ALICE.topics[-1], is_primary=True)
        item = edition.items.filter(paper__paper_topics__in=of_interest).select_related("paper").latest("position")
        lifecycle.add_pick(edition, paper=item.paper, note=LINE)
        edition.editor_note = NOTE
        edition.save(update_fields=["editor_note"])
    if refused and catcher:
        catcher.refused.add(refused.email)
    now = timezone.now()
    lifecycle.approve(edition, by=None, now=now)
    lifecycle.freeze(edition, now=now)
    planning.plan_now(edition, now=now)
    _deliver()
    return edition


def _deliver() -> None:
    tasks.deliver_due(deadline=timezone.now() + timedelta(seconds=60))


def _leave(web: httpx.Client, digest: EmailMessage) -> None:
    link = re.search(r"<(https?://[^>]+)>", str(digest["List-Unsubscribe"]))
    if not link:
        raise DemoError("The digest has no List-Unsubscribe address.")
    answer = web.post(link[1], data={"List-Unsubscribe": "One-Click"})
    if answer.status_code != 200:
        raise DemoError(f"One-click unsubscribe was answered {answer.status_code}.")


def _check(text: str, *expected: str, of: Person) -> None:
    for each in expected:
        if each not in text:
            raise DemoError(f"The digest of {of.email} does not have “{each}”.")


def _check_state(person: Person, expected: str) -> None:
    state = Subscriber.objects.values_list("state", flat=True).get(email=person.email)
    if state != expected:
        raise DemoError(f"{person.email} is {state}, not {expected}.")


def _check_row(edition: Edition, person: Person, expected: str) -> None:
    rows = Delivery.objects.filter(edition=edition, subscriber__email=person.email)
    if [row.state for row in rows] != [expected]:
        raise DemoError(f"The delivery of {edition} to {person.email} is {[row.state for row in rows]}.")


def _check_nothing_twice(person: Person) -> None:
    digests = Delivery.objects.filter(subscriber__email=person.email).values_list("picks", flat=True)
    items = [item for picks in digests for item, *_reason in picks]
    papers = EditionItem.objects.filter(pk__in=items).values_list("paper", flat=True)
    if not all(digests) or len(set(papers)) < len(items):
        raise DemoError(f"A digest of {person.email} has no paper, or one that came before.")


def _sent(edition: Edition) -> set[str]:
    sent = Delivery.objects.filter(edition=edition, state=Delivery.State.SENT)
    return {str(email) for email in sent.values_list("subscriber__email", flat=True)}


def _digest_of(catcher: MailCatcher, person: Person, *, number: int = 1) -> EmailMessage:
    return _wait_for_mail(catcher, person.email, lambda message: "List-Unsubscribe" in message, number=number)


def _plain(message: EmailMessage) -> str:
    return _part(message, "plain")


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    return str(body.get_content()) if body else ""


def _wait_for_mail(
    catcher: MailCatcher, to: str, wanted: Callable[[EmailMessage], bool], *, number: int = 1
) -> EmailMessage:
    def caught() -> list[EmailMessage]:
        mails = [mail.parsed for mail in catcher.messages]
        return [mail for mail in mails if to in str(mail["To"]) and wanted(mail)]

    until(lambda: len(caught()) >= number, f"no mail number {number} for {to} arrived")
    return caught()[number - 1]


def _answers(web: httpx.Client) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return web.get("/").status_code == 200
    return False


def until(condition: Callable[[], bool], complaint: str, *, seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            raise DemoError(f"{complaint} within {seconds:.0f} seconds; see the logs in var/demo.")
        time.sleep(0.1)


@contextlib.contextmanager
def step(says: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    console.print(f"  [green]✓[/] {says} [dim]{time.monotonic() - start:.1f} s[/]")
