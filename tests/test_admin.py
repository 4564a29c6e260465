"""The desk: every page opens, buttons act once, curators see no address, what is sent stays as it was sent."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning
from newsletter.admin import table_cells
from newsletter.delivery import webhooks
from newsletter.editions import lifecycle as lifecycle_of_editions
from newsletter.models import (
    Absence,
    Delivery,
    DeliveryEvent,
    DomainHold,
    Edition,
    EditionItem,
    Heartbeat,
    Letter,
    Paper,
    PaperTopic,
    SearchEntry,
    SignIn,
    SourceHost,
    SourceRun,
    StandingQuery,
    Stream,
    Submission,
    WebhookEndpoint,
)
from subscriptions import lifecycle, suppression
from subscriptions.models import (
    ApiKey,
    ListImport,
    MailSettings,
    Notice,
    RefusedRequest,
    Subscriber,
    Suppression,
    Topic,
)
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
State = Edition.State


def member(group: str) -> Client:
    user = User.objects.create_user(f"{group.lower()}-{User.objects.count()}", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def curator() -> Client:
    return member("Curators")


@pytest.fixture
def operator() -> Client:
    return member("Operators")


@pytest.fixture
def desk() -> dict[str, Any]:
    """A row of every kind that the desk lists, some with an address to hide."""
    papers = [assign(make_paper(title=title), "vision") for title in (HOSTILE, "A calm paper", "Another")]
    reader = make_reader("alice.secret@hidden.example", follows=("vision",))
    sent = make_edition(papers=papers[1:], state=State.FROZEN)
    planning.plan_now(sent, now=NOON)
    delivery = Delivery.objects.get()
    Delivery.objects.filter(pk=delivery.pk).update(state="sent", not_before=None, sent_at=NOON, reply="250 ok")
    Edition.objects.filter(pk=sent.pk).update(state=State.SENDING)
    DeliveryEvent.objects.create(delivery=delivery, kind="unknown", at=NOON, source="smtp", text="who knows")
    draft = make_edition(papers=papers, period_on=NOON.date() + timedelta(days=1))
    bounced = make_reader("bob.secret@hidden.example")
    suppression.suppress(bounced, reason="bounce", source="dsn", now=NOON)
    hook = WebhookEndpoint.objects.create(url="https://hooks.example.org/", description=HOSTILE, created_at=NOON)
    return {
        "newsletter.webhookendpoint": hook,
        "newsletter.webhookdelivery": webhooks.send_test(hook, now=NOON),
        "newsletter.paper": papers[0],
        "newsletter.edition": draft,
        "newsletter.delivery": delivery,
        "newsletter.stream": Stream.objects.create(name="digest"),
        "newsletter.heartbeat": Heartbeat.objects.create(name="tick", at=NOON),
        "newsletter.sourcerun": SourceRun.objects.create(source="hf_daily", url="x", state="failed", started_at=NOON),
        "newsletter.submission": Submission.objects.create(
            subscriber=reader, link="alice.secret@hidden.example", arxiv_id="2403.01234", at=NOON
        ),
        "newsletter.sourcehost": SourceHost.objects.create(host="export.arxiv.org", free_at=NOON),
        "subscriptions.subscriber": reader,
        "subscriptions.topic": make_topic("vision"),
        "subscriptions.suppression": Suppression.objects.get(),
        "subscriptions.apikey": ApiKey.objects.create(name=HOSTILE, key_hash="0" * 64, created_at=NOON),
        "subscriptions.notice": lifecycle.owe_notice(reader, kind=Notice.Kind.MANAGE, now=NOON, context={}),
        "subscriptions.listimport": ListImport.objects.create(
            file_name=HOSTILE, digest="1", state="done", refused=1, refusals=[[2, HOSTILE]], by=HOSTILE, at=NOON
        ),
        "subscriptions.mailsettings": MailSettings.objects.create(by=HOSTILE, made_at=NOON),
        "subscriptions.refusedrequest": RefusedRequest.objects.create(on=NOON.date(), reason="fast", requests=2),
        "newsletter.letter": Letter.objects.create(
            received_at=NOON, fingerprint="1", subject=HOSTILE, why="unread", data=HOSTILE.encode()
        ),
        "newsletter.domainhold": DomainHold.objects.create(domain="uni.test", since=NOON, reason="12 of 40 failed"),
        "newsletter.standingquery": StandingQuery.objects.create(text=HOSTILE, key="k", parsed={}, created_at=NOON),
        "newsletter.signin": SignIn.objects.create(name="root", network="10.0.0.0/24", hour=NOON, failed=3),
        "newsletter.absence": Absence.objects.create(starts_at=NOON, ends_at=NOON + timedelta(days=3)),
        "auth.user": User.objects.create_user("somebody"),
        "auth.group": Group.objects.get(name="Curators"),
        "sent": sent,
    }


def pages_of(desk: dict[str, Any]) -> list[str]:
    """Every list and every change page, and those the desk adds."""
    pages = ["/admin/", "/admin/password_change/"]
    for model in admin.site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        page = "review" if model is ListImport else "change"
        pages += [path, f"{path}{desk[model._meta.label_lower].pk}/{page}/"]
    draft, sent, paper = desk["newsletter.edition"].pk, desk["sent"].pk, desk["newsletter.paper"].pk
    pages += [f"/admin/newsletter/edition/{sent}/change/"]
    for edition in (draft, sent):
        pages += [
            f"/admin/newsletter/edition/{edition}/preview/{part}"
            for part in ("", "mail/", "mail/?topics=vision&papers=5", "mail/?show=text")
        ]
        pages += [f"/admin/newsletter/edition/{edition}/history/"]
        pages += [
            f"/admin/newsletter/edition/{edition}/act/{verb}/" for verb in ("approve", "freeze", "pause", "cancel")
        ]
    pages += [f"/admin/newsletter/paper/{paper}/{part}/" for part in ("merge", "split", "history")]
    pages += ["/admin/newsletter/stream/digest/act/pause/", "/admin/newsletter/stream/digest/act/resume/"]
    pages += [f"/admin/newsletter/submission/decline/?rows={desk['newsletter.submission'].pk}"]
    return [*pages, f"/admin/newsletter/delivery/reader/{desk['subscriptions.subscriber'].pk}/"]


def act(client: Client, edition: Edition, verb: str, **data: str) -> str:
    """Press the button; what the desk says then."""
    answer = client.post(f"/admin/newsletter/edition/{edition.pk}/act/{verb}/", data, follow=True)
    return " ".join(str(message) for message in answer.context["messages"]) if answer.context else ""


def state_of(edition: Edition) -> str:
    return Edition.objects.values_list("state", flat=True).get(pk=edition.pk)


def snapshot() -> list[Any]:
    models = (Edition, EditionItem, Delivery, Paper, PaperTopic, Stream, Subscriber, Suppression, Notice, LogEntry)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


# --- every page -------------------------------------------------------------------------------------------------------


def test_every_page_opens_and_looking_changes_nothing(admin_client: Client, desk: dict[str, Any]) -> None:
    before = snapshot()
    for path in pages_of(desk):
        assert admin_client.get(path).status_code == 200, path
    assert snapshot() == before


@pytest.mark.any_database
def test_every_add_page_opens_or_is_refused(admin_client: Client, desk: dict[str, Any]) -> None:
    allowed = {
        model._meta.label_lower
        for model in admin.site._registry
        if admin_client.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/add/").status_code == 200
    }
    assert allowed == {
        "newsletter.absence",
        "subscriptions.apikey",
        "subscriptions.suppression",
        "newsletter.webhookendpoint",
        "subscriptions.listimport",
        "subscriptions.topic",
        "auth.user",
        "auth.group",
    }


def test_strangers_are_sent_to_the_login(client: Client, desk: dict[str, Any]) -> None:
    for path in pages_of(desk):
        assert client.get(path)["Location"].startswith("/admin/login/"), path


def test_the_first_page_says_what_to_look_into_and_what_is_next(operator: Client, desk: dict[str, Any]) -> None:
    page = operator.get("/admin/").content.decode()
    assert "The pipeline has never ticked" not in page
    assert "The last tick was" in page
    assert re.search(r"<b>1</b>\s*sent", page)
    assert "Review" in page
    assert "/admin/newsletter/stream/digest/act/pause/" in page


@pytest.mark.parametrize("name", ["edition", "paper", "delivery"])
def test_a_list_asks_the_same_number_of_questions_however_long_it_is(admin_client: Client, name: str) -> None:
    def rows(start: int, count: int) -> None:
        for number in range(start, start + count):
            edition = make_edition(
                papers=[assign(make_paper(), "vision", "robotics")],
                state=State.FROZEN,
                period_on=NOON.date() - timedelta(days=number),
            )
            planning.plan_now(edition, now=NOON)

    make_reader(follows=("vision",))
    rows(1, 2)
    few = questions(admin_client, f"/admin/newsletter/{name}/")
    rows(3, 8)
    assert questions(admin_client, f"/admin/newsletter/{name}/") == few


def test_an_edition_asks_the_same_number_of_questions_however_many_papers_it_has(admin_client: Client) -> None:
    def asked(papers: int) -> int:
        listed = [assign(make_paper(), "vision", "robotics") for _ in range(papers)]
        edition = make_edition(papers=listed, period_on=NOON.date() - timedelta(days=papers))
        return questions(admin_client, f"/admin/newsletter/edition/{edition.pk}/change/")

    assert asked(12) == asked(3)


def questions(client: Client, path: str) -> int:
    client.get(path)  # what is remembered between pages is not counted
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


def test_a_long_list_is_not_counted_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        make_paper()
    monkeypatch.setattr(table_cells, "COUNTED", 3)
    assert table_cells.BoundedPaginator(Paper.objects.order_by("pk"), 2).count == 3


# --- who may do what --------------------------------------------------------------------------------------------------


@pytest.mark.any_database
def test_a_curator_sees_no_address_anywhere(curator: Client, desk: dict[str, Any]) -> None:
    opened = 0
    for path in pages_of(desk):
        answer = curator.get(path)
        assert "secret@" not in answer.content.decode(), path
        opened += answer.status_code == 200
    assert opened > 15


@pytest.mark.any_database
@pytest.mark.parametrize(
    "model",
    [
        *("newsletter.delivery", "newsletter.stream", "newsletter.heartbeat", "subscriptions.subscriber"),
        *("newsletter.webhookendpoint", "newsletter.webhookdelivery"),
        *("subscriptions.notice", "subscriptions.suppression", "subscriptions.apikey", "auth.user", "auth.group"),
        *("subscriptions.refusedrequest", "newsletter.letter", "newsletter.domainhold", "newsletter.signin"),
    ],
)
def test_a_curator_may_not_open(curator: Client, desk: dict[str, Any], model: str) -> None:
    app, _, name = model.partition(".")
    assert curator.get(f"/admin/{app}/{name}/").status_code == 403
    assert curator.get(f"/admin/{app}/{name}/{desk[model].pk}/change/").status_code == 403


def test_a_curator_may_not_open_a_readers_history(curator: Client, desk: dict[str, Any]) -> None:
    pk = desk["subscriptions.subscriber"].pk
    assert curator.get(f"/admin/newsletter/delivery/reader/{pk}/").status_code == 403


def test_who_sees_deliveries_but_not_readers_gets_numbers(client: Client, desk: dict[str, Any]) -> None:
    user = User.objects.create_user("support", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_delivery", "view_deliveryevent"]))
    client.force_login(user)
    delivery = desk["newsletter.delivery"]
    for path in ("", f"{delivery.pk}/change/", "?q=alice.secret@hidden.example"):
        page = client.get(f"/admin/newsletter/delivery/{path}").content.decode()
        assert "alice" not in page.replace("q=alice", "").replace('value="alice', "")
    assert f"#{delivery.subscriber_id}" in client.get("/admin/newsletter/delivery/").content.decode()


@pytest.mark.parametrize("verb", ["send-now", "pause", "resume", "cancel", "retry-failed"])
def test_a_curator_approves_but_does_not_send(curator: Client, desk: dict[str, Any], verb: str) -> None:
    before = snapshot()
    sent = desk["sent"]
    assert curator.get(f"/admin/newsletter/edition/{sent.pk}/act/{verb}/").status_code == 403
    assert curator.post(f"/admin/newsletter/edition/{sent.pk}/act/{verb}/").status_code == 403
    assert snapshot() == before
    assert f"/act/{verb}/" not in curator.get(f"/admin/newsletter/edition/{sent.pk}/change/").content.decode()
    assert "Approved" in act(curator, desk["newsletter.edition"], "approve")


def test_who_may_only_look_may_not_act(client: Client, desk: dict[str, Any]) -> None:
    user = User.objects.create_user("guest", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_edition", "view_paper", "view_stream"]))
    client.force_login(user)
    before = snapshot()
    draft, paper = desk["newsletter.edition"].pk, desk["newsletter.paper"].pk
    assert client.get(f"/admin/newsletter/edition/{draft}/change/").status_code == 200
    for path in (
        *(f"edition/{draft}/act/approve/", f"edition/{draft}/change/", "stream/digest/act/pause/"),
        *(f"paper/{paper}/merge/", f"paper/{paper}/split/", f"paper/{paper}/change/"),
    ):
        assert client.post(f"/admin/newsletter/{path}", {"into": paper}).status_code == 403, path
    assert snapshot() == before


def test_a_reader_is_found_by_the_whole_address_or_domain_only(operator: Client, desk: dict[str, Any]) -> None:
    def finds(words: str) -> bool:
        return "alice.secret@" in operator.get("/admin/newsletter/delivery/", {"q": words}).content.decode().replace(
            f'value="{words}"', ""
        )

    assert finds("Alice.Secret@hidden.example")
    assert finds("hidden.example")
    assert not finds("alice")
    assert not finds("secret@hidden")


# --- acts -------------------------------------------------------------------------------------------------------------


def test_a_get_asks_and_says_how_many_readers(operator: Client, desk: dict[str, Any]) -> None:
    page = operator.get(f"/admin/newsletter/edition/{desk['newsletter.edition'].pk}/act/approve/").content.decode()
    assert "Readers of this cadence" in page
    assert 'method="post"' in page
    assert state_of(desk["newsletter.edition"]) == State.DRAFT


def test_the_way_of_an_edition_by_its_buttons(operator: Client) -> None:
    make_reader(follows=("vision",))
    edition = make_edition(papers=[assign(make_paper(), "vision")])
    assert "Approved" in act(operator, edition, "approve")
    assert state_of(edition) == State.APPROVED
    assert "Frozen" in act(operator, edition, "freeze")
    assert state_of(edition) == State.FROZEN
    assert "1 reader has not had this edition yet" in act(operator, edition, "send-now")
    assert not Delivery.objects.exists()  # a request plans nobody
    assert "already requested" in act(operator, edition, "send-now")
    assert (
        "“Send now” was requested" in operator.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    )
    planning.plan_due(now=timezone.now())
    assert state_of(edition) == State.SENDING
    assert "Paused" in act(operator, edition, "pause")
    assert "Resume it first" in act(operator, edition, "send-now")
    assert "Resumed" in act(operator, edition, "resume")
    assert "Cancelled. 1 planned digest will" in act(operator, edition, "cancel")
    assert Delivery.objects.get().skip_reason == Delivery.Skip.CANCELLED


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        *(("approve", State.DRAFT), ("freeze", State.DRAFT), ("pause", State.SENDING), ("cancel", State.SENDING)),
        *(("send-now", State.FROZEN), ("retry-failed", State.SENDING)),
    ],
)
def test_the_same_form_twice_acts_once_and_says_so(operator: Client, verb: str, state: str) -> None:
    make_reader(follows=("vision",))
    edition = make_edition(papers=[assign(make_paper(), "vision")], state=state)
    Edition.objects.filter(pk=edition.pk).update(closes_at=timezone.now() + timedelta(hours=1))
    page = operator.get(f"/admin/newsletter/edition/{edition.pk}/act/{verb}/").content.decode()
    found = re.search(r'name="key" value="(\w{32})"', page)
    assert found
    act(operator, edition, verb, key=found[1])
    after = snapshot()
    said = act(operator, edition, verb, key=found[1])
    assert "already done" in said
    assert snapshot() == after


def key_on(client: Client, path: str) -> str:
    found = re.search(r'name="key" value="(\w{32})"', client.get(path).content.decode())
    assert found
    return found[1]


def test_a_refused_form_can_be_sent_again_once_the_cause_is_mended(operator: Client) -> None:
    edition = make_edition(papers=[])
    key = key_on(operator, f"/admin/newsletter/edition/{edition.pk}/act/approve/")
    assert "has no papers" in act(operator, edition, "approve", key=key)
    assert "has no papers" in act(operator, edition, "approve", key=key)
    assert not LogEntry.objects.exists()
    lifecycle_of_editions.add_pick(edition, paper=make_paper())
    assert "Approved" in act(operator, edition, "approve", key=key)
    assert state_of(edition) == State.APPROVED
    assert "already done" in act(operator, edition, "approve", key=key)
    assert LogEntry.objects.count() == 1


def test_a_crashed_form_leaves_nothing_behind_and_can_be_sent_again(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    edition = make_edition(papers=[make_paper()])
    path = f"/admin/newsletter/edition/{edition.pk}/act/freeze/"
    key = key_on(operator, path)
    with monkeypatch.context() as broken:
        broken.setattr(lifecycle_of_editions, "freeze", fail_after_writing)
        with pytest.raises(OSError, match="disk full"):
            operator.post(path, {"key": key})
    assert state_of(edition) == State.DRAFT  # the approval that came before the crash is taken back with it
    assert not LogEntry.objects.exists()
    assert "Frozen" in act(operator, edition, "freeze", key=key)
    assert state_of(edition) == State.FROZEN


def fail_after_writing(edition: Edition, *, now: Any) -> bool:
    Edition.objects.filter(pk=edition.pk).update(editor_note="half done")
    raise OSError("disk full")


@pytest.mark.any_database
def test_messages_count_in_the_singular_and_the_plural(operator: Client) -> None:
    papers = [assign(make_paper(), "vision")]
    for number, readers in enumerate((1, 2)):
        edition = make_edition(papers=papers, state=State.FROZEN, period_on=NOON.date() + timedelta(days=number))
        for _reader in range(readers):
            Delivery.objects.create(
                edition=edition,
                subscriber=make_reader(),
                local_on=edition.period_on,
                due_at=NOON,
                not_before=NOON,
                expires_at=NOON + timedelta(days=1),
            )
        message = act(operator, edition, "cancel")
        assert f"{readers} planned {'digest' if readers == 1 else 'digests'} will not" in message


def test_a_pick_of_a_paper_that_is_listed_keeps_the_curators_note(curator: Client) -> None:
    paper = make_paper()
    edition = make_edition(papers=[paper])
    edition.items.update(note="Read section 4 first.")
    choose(curator, "pick_for_daily", paper)
    item = edition.items.get()
    assert (item.lane, item.note) == (EditionItem.Lane.PICK, "Read section 4 first.")
    assert lifecycle_of_editions.add_pick(edition, paper=paper, note="Or section 5.").note == "Or section 5."


@pytest.mark.parametrize(
    ("states", "index"), [([State.APPROVED], 0), ([State.DRAFT, State.APPROVED], 1), ([State.FROZEN], None)]
)
def test_a_pick_goes_to_the_latest_edition_that_can_still_be_edited(
    curator: Client, states: list[str], index: int | None
) -> None:
    other, paper = make_paper(), make_paper()
    editions = [
        make_edition(papers=[other], state=state, period_on=NOON.date() + timedelta(days=number))
        for number, state in enumerate(states)
    ]
    answer = choose(curator, "pick_for_daily", paper)
    message = " ".join(str(message) for message in answer.context["messages"])
    picked = [edition.pk for edition in editions if edition.items.filter(paper=paper).exists()]
    assert picked == ([] if index is None else [editions[index].pk])
    assert ("1 paper added to" in message) == bool(picked)
    assert ("can be edited now" in message) == (not picked)


def test_a_closed_edition_is_not_sent_by_a_button(operator: Client) -> None:
    make_reader(follows=("vision",))
    edition = make_edition(papers=[assign(make_paper(), "vision")], state=State.FROZEN)  # of a day long past
    assert "This edition is closed" in act(operator, edition, "send-now")
    planning.plan_due(now=timezone.now())
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("verb", ["approve", "freeze", "pause", "cancel"])
def test_a_second_person_is_told_that_it_is_done(operator: Client, verb: str) -> None:
    edition = make_edition(papers=[assign(make_paper(), "vision")])
    act(operator, edition, verb)
    after = snapshot()
    assert re.search("already|not possible", act(member("Operators"), edition, verb))
    assert snapshot()[:-1] == after[:-1]


def test_an_act_is_written_down_with_who_did_it(operator: Client) -> None:
    edition = make_edition(papers=[make_paper()])
    act(operator, edition, "approve")
    entry = LogEntry.objects.get()
    assert entry.user.username.startswith("operators")
    assert (entry.object_id, entry.object_repr) == (str(edition.pk), str(edition))
    assert "Approve: Approved." in entry.change_message
    assert Edition.objects.get().approved_by == entry.user


def test_an_empty_edition_is_not_approved_and_the_reason_is_shown(operator: Client) -> None:
    edition = make_edition()
    assert "has no papers" in act(operator, edition, "approve")
    assert state_of(edition) == State.DRAFT


def test_an_unknown_verb_or_edition_is_not_found(operator: Client) -> None:
    edition = make_edition()
    assert operator.post(f"/admin/newsletter/edition/{edition.pk}/act/explode/").status_code == 404
    assert operator.post("/admin/newsletter/edition/999/act/approve/").status_code == 404


def test_a_post_without_the_forms_token_is_refused(desk: dict[str, Any]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(f"/admin/newsletter/edition/{desk['newsletter.edition'].pk}/act/approve/").status_code == 403
    assert state_of(desk["newsletter.edition"]) == State.DRAFT


@pytest.mark.parametrize(("stream", "warning"), [("digest", "No digest"), ("confirm", "nobody can subscribe")])
def test_a_stream_is_paused_and_resumed_by_buttons_even_before_it_ever_failed(
    operator: Client, stream: str, warning: str
) -> None:
    path = f"/admin/newsletter/stream/{stream}/act/"
    assert f"{path}pause/" in operator.get("/admin/").content.decode()
    assert warning in operator.get(f"{path}pause/").content.decode()
    operator.get(f"{path}pause/")
    assert not Stream.objects.exists()
    operator.post(f"{path}pause/")
    stream = Stream.objects.get()
    assert stream.paused_at
    assert stream.pause_reason.startswith("by operators")
    operator.post(f"{path}resume/")
    assert Stream.objects.get().paused_at is None
    assert [entry.change_message.partition(":")[0] for entry in LogEntry.objects.order_by("pk")] == [
        "Pause the stream",
        "Resume the stream",
    ]
    assert operator.post("/admin/newsletter/stream/nonsense/act/pause/").status_code == 404


def test_the_desk_says_what_ails_the_relay_and_tries_again_at_the_press_of_a_button(
    operator: Client, desk: dict[str, Any]
) -> None:
    now = timezone.now()
    reply = "451 4.3.0 try again later"
    waiting = {"not_before": now + timedelta(minutes=50), "due_at": now - timedelta(hours=1), "reply": reply}
    edition, path = desk["sent"], "/admin/newsletter/stream/digest/act/try/"
    Edition.objects.filter(pk=edition.pk).update(state=Edition.State.SENDING)
    row = Delivery.objects.create(
        edition=edition,
        subscriber=make_reader(),
        state="retry",
        local_on=now.date(),
        expires_at=now + timedelta(hours=5),
        **waiting,
    )
    ails = {"trouble": "deferred", "down_since": now, "last_reply": reply, "probe_at": now + timedelta(minutes=9)}
    Stream.objects.update_or_create(name="digest", defaults={"paused_at": None, **ails})
    for page in (operator.get("/admin/"), operator.get("/admin/newsletter/stream/")):
        content = page.content.decode()
        assert "the relay refuses everything for now" in content
        assert reply in content
        assert path in content
    assert f"1 refused temporarily, 1 sent, 0 not tried yet; one answer: {reply}" in operator.get(path).content.decode()
    operator.post(path)
    row.refresh_from_db()
    assert row.not_before <= timezone.now()
    assert Stream.objects.get(name="digest").probe_at is None
    assert "Nothing is waiting for a later try." in operator.get(path).content.decode()
    assert operator.get("/admin/newsletter/stream/confirm/act/try/").status_code == 404


def test_the_counts_of_an_edition_add_up(operator: Client, desk: dict[str, Any]) -> None:
    edition = desk["sent"]
    for state in ("queued", "retry", "failed", "unknown", "skipped"):
        reader = make_reader()
        Delivery.objects.create(
            edition=edition,
            subscriber=reader,
            state=state,
            skip_reason="empty" if state == "skipped" else "",
            local_on=NOON.date(),
            due_at=NOON,
            not_before=NOON if state in {"queued", "retry"} else None,
            expires_at=NOON,
        )
    page = operator.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    shown = {name: int(number) for number, name in re.findall(r"<b>(\d+)</b>\s*(\w+)", page)}
    assert shown.pop("planned") == sum(shown.values()) == 6
    assert shown == {"sent": 1, "owed": 2, "failed": 1, "unknown": 1, "skipped": 1}
    for name, number in shown.items():
        listed = operator.get("/admin/newsletter/delivery/", {"edition__id__exact": edition.pk, "outcome": name})
        assert listed.context["cl"].result_count == number


# --- the ranking in a curator's hands ---------------------------------------------------------------------------------


def form_of(client: Client, edition: Edition) -> dict[str, str]:
    """What a browser would send back of the edition's page."""
    page = client.get(f"/admin/newsletter/edition/{edition.pk}/change/")
    data = {"editor_note": edition.editor_note, "cutoff_at_0": "2026-03-18", "cutoff_at_1": "11:00:00"}
    for formset in (inline.formset for inline in page.context["inline_admin_formsets"]):
        forms = [formset.management_form, *formset.forms]
        for bound in (field for form in forms for field in form):
            value = bound.value()
            value = getattr(value, "pk", value)
            data[bound.html_name] = "" if value is None else str(value)
            if bound.field.show_hidden_initial:
                data[bound.html_initial_name] = data[bound.html_name]
    return data


def save(client: Client, edition: Edition, data: dict[str, str]) -> None:
    answer = client.post(f"/admin/newsletter/edition/{edition.pk}/change/", data)
    assert answer.status_code == 302, answer.context["errors"]


def titles(edition: Edition) -> list[str]:
    return [item.paper.title for item in edition.items.order_by("position")]


@pytest.mark.parametrize(
    ("row", "place", "order"),
    [(2, 1, "CABD"), (0, 3, "BCAD"), (3, 2, "ADBC"), (1, 4, "ACDB"), (1, 2, "ABCD")],
)
def test_a_typed_place_is_where_the_paper_stands(curator: Client, row: int, place: int, order: str) -> None:
    edition = make_edition(papers=[make_paper(title=letter) for letter in "ABCD"])
    data = form_of(curator, edition)
    save(curator, edition, data | {f"items-{row}-position": str(place)})
    assert "".join(titles(edition)) == order
    moved = [item.paper.title for item in edition.items.filter(is_moved=True)]
    assert moved == ([] if order == "ABCD" else ["ABCD"[row]])


def test_only_what_the_curator_changed_is_stored_when_the_ranking_moved_meanwhile(curator: Client) -> None:
    edition = make_edition(papers=[make_paper(title=letter) for letter in "ABC"])
    data = form_of(curator, edition)
    for item, position in zip(edition.items.all(), (3, 1, 2), strict=True):
        EditionItem.objects.filter(pk=item.pk).update(position=position)
    save(curator, edition, data | {"items-0-note": "Read this."})
    assert "".join(titles(edition)) == "BCA"
    assert edition.items.get(paper__title="A").note == "Read this."
    assert not edition.items.filter(is_moved=True).exists()


@pytest.mark.parametrize("state", [State.FROZEN, State.SENDING, State.DONE])
def test_what_is_frozen_or_sent_cannot_be_changed(admin_client: Client, state: str) -> None:
    edition = make_edition(papers=[make_paper(title=letter) for letter in "AB"])
    data = form_of(admin_client, edition)
    closed = make_edition(papers=[], state=state, period_on=NOON.date() - timedelta(days=1))
    edition.items.update(edition=closed)
    before = snapshot()
    change = {"editor_note": "Changed!", "items-0-position": "2", "items-0-note": "!"}
    assert admin_client.post(f"/admin/newsletter/edition/{closed.pk}/change/", data | change).status_code == 403
    assert snapshot() == before
    assert (
        'name="items-0-position"'
        not in admin_client.get(f"/admin/newsletter/edition/{closed.pk}/change/").content.decode()
    )


# --- papers -----------------------------------------------------------------------------------------------------------


def choose(client: Client, action: str, *rows: Any, model: str = "paper") -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(f"/admin/newsletter/{model}/", data, follow=True)


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
def test_a_pick_goes_into_the_open_edition_of_its_cadence(curator: Client, cadence: str) -> None:
    found = {each: make_edition(papers=[make_paper()], cadence=each) for each in ("daily", "weekly", "monthly")}
    paper = make_paper(title="Chosen")
    choose(curator, f"pick_for_{cadence}", paper)
    picked = EditionItem.objects.get(paper=paper)
    assert (picked.edition, picked.lane) == (found[cadence], EditionItem.Lane.PICK)


def test_without_an_open_edition_nothing_is_picked(curator: Client) -> None:
    make_edition(papers=[make_paper()], state=State.FROZEN)
    assert "No daily edition can be edited" in choose(curator, "pick_for_daily", make_paper()).content.decode()
    assert EditionItem.objects.count() == 1


def test_hiding_and_showing_again_is_written_down(curator: Client) -> None:
    paper = make_paper()
    choose(curator, "hide", paper)
    assert not Paper.objects.published().exists()
    choose(curator, "unhide", paper)
    assert Paper.objects.published().exists()
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == ["hide", "unhide"]


def test_a_paper_is_merged_after_a_look_and_taken_back(curator: Client) -> None:
    kept, double = make_paper(title="The one that stays", arxiv_id="2603.77777"), make_paper()
    path = f"/admin/newsletter/paper/{double.pk}"
    assert 'value="Merge' not in curator.get(f"{path}/merge/").content.decode()
    assert "The one that stays" in curator.get(f"{path}/merge/", {"into": "2603.77777"}).content.decode()
    for nothing in ("nonsense", "9" * 5000, "9" * 19, "²", "\0"):
        assert "No such paper" in curator.get(f"{path}/merge/", {"into": nothing}).content.decode()
        assert curator.post(f"{path}/merge/", {"into": nothing}).status_code == 302
    curator.post(f"{path}/merge/", {"into": str(kept.pk)})
    assert Paper.objects.get(pk=double.pk).merged_into == kept
    assert "already merged" in curator.post(f"{path}/merge/", {"into": str(kept.pk)}, follow=True).content.decode()
    curator.post(f"{path}/split/")
    assert Paper.objects.get(pk=double.pk).merged_into is None
    assert LogEntry.objects.filter(object_id=str(double.pk)).count() == 2


def topic_form(client: Client, paper: Paper) -> dict[str, str]:
    page = client.get(f"/admin/newsletter/paper/{paper.pk}/change/")
    data = {bound.html_name: bound.value() for bound in page.context["adminform"].form}
    data |= {"authors": "Ada Lovelace\nAlan Turing", "categories": ""}
    for inline in page.context["inline_admin_formsets"]:
        for form in [inline.formset.management_form, *inline.formset.forms]:
            data |= {bound.html_name: getattr(bound.value(), "pk", bound.value()) for bound in form}
    return {name: str(value) for name, value in data.items() if value is not None and value is not False}


def test_a_topic_taken_away_stays_away_until_the_no_is_taken_back(curator: Client) -> None:
    paper = assign(make_paper(), "vision", "robotics")
    path = f"/admin/newsletter/paper/{paper.pk}/change/"
    for said in (("robotics", "curator", False), None):
        data = topic_form(curator, paper)
        pk = str(paper.paper_topics.get(topic__slug="robotics").pk)
        [place] = [name.split("-")[1] for name, value in data.items() if name.endswith("-id") and value == pk]
        answer = curator.post(path, data | {f"paper_topics-{place}-DELETE": "on"})
        assert answer.status_code == 302, answer.context["errors"]
        rows = paper.paper_topics.filter(topic__slug="robotics").values_list("topic__slug", "origin", "is_assigned")
        assert rows.first() == said


@pytest.mark.parametrize("by", ["a tick", "a deletion"])
def test_a_topic_corrected_by_hand_has_followed_queries_asked_anew(curator: Client, by: str) -> None:
    paper = assign(make_paper(), "vision", "robotics")
    SearchEntry.objects.create(paper=paper, title="", body="")
    data = topic_form(curator, paper)
    if by == "a tick":
        del data["paper_topics-1-is_assigned"]
    else:
        data["paper_topics-1-DELETE"] = "on"
    curator.post(f"/admin/newsletter/paper/{paper.pk}/change/", data)
    assert paper.paper_topics.filter(is_assigned=True).count() == 1
    assert SearchEntry.objects.get().is_stale


def test_the_primary_topic_is_changed_by_hand_and_kept_from_the_classifier(curator: Client) -> None:
    paper = assign(make_paper(), "vision", "robotics")
    data = topic_form(curator, paper)
    del data["paper_topics-0-is_primary"]
    answer = curator.post(
        f"/admin/newsletter/paper/{paper.pk}/change/", data | {"paper_topics-1-is_primary": "on", "title": "Renamed"}
    )
    assert answer.status_code == 302, answer.context["errors"]
    assert paper.paper_topics.get(is_primary=True).topic.slug == "robotics"
    assert set(paper.paper_topics.values_list("origin", flat=True)) == {"curator"}
    renamed = Paper.objects.get()
    assert (renamed.title, renamed.authors) == ("Renamed", ["Ada Lovelace", "Alan Turing"])


def test_two_primary_topics_are_refused_with_words(curator: Client) -> None:
    paper = assign(make_paper(), "vision", "robotics")
    data = topic_form(curator, paper) | {"paper_topics-1-is_primary": "on"}
    answer = curator.post(f"/admin/newsletter/paper/{paper.pk}/change/", data)
    assert "Only one topic can be primary. Untick the others" in answer.content.decode()


def test_a_topics_keywords_are_written_one_a_line(curator: Client) -> None:
    topic = Topic.objects.get(slug="vision")
    path = f"/admin/subscriptions/topic/{topic.pk}/change/"
    assert "\n".join(topic.keywords[:2]).replace("&", "&amp;") in curator.get(path).content.decode().replace("\r", "")
    fields = {"name": topic.name, "slug": topic.slug, "description": topic.description, "position": "1"}
    fields |= {"translations-TOTAL_FORMS": "0", "translations-INITIAL_FORMS": "0"}
    curator.post(path, fields | {"keywords": "object detection\r\n\r\n optical flow ", "is_active": "on"})
    assert Topic.objects.get(slug="vision").keywords == ["object detection", "optical flow"]


# --- deliveries -------------------------------------------------------------------------------------------------------


def test_failed_ones_are_queued_and_unknown_ones_settled_with_a_line_for_each(
    operator: Client, desk: dict[str, Any]
) -> None:
    row = desk["newsletter.delivery"]
    for action, before, after in (
        ("settle_sent", "unknown", "sent"),
        ("settle_failed", "unknown", "failed"),
        ("retry", "failed", "queued"),
        ("retry", "sent", "sent"),
    ):
        Delivery.objects.filter(pk=row.pk).update(state=before, not_before=None)
        choose(operator, action, row, model="delivery")
        assert Delivery.objects.get(pk=row.pk).state == after, action
    assert LogEntry.objects.filter(object_id=str(row.pk)).count() == 3
    assert DeliveryEvent.objects.filter(kind="settled").count() == 2


def test_a_readers_history_answers_why(operator: Client, desk: dict[str, Any]) -> None:
    pk = desk["subscriptions.subscriber"].pk
    page = operator.get(f"/admin/newsletter/delivery/reader/{pk}/").content.decode()
    assert "who knows" in page
    assert "2 papers" in page


# --- preview and hostile words ----------------------------------------------------------------------------------------


@pytest.mark.any_database
def test_the_preview_is_a_sandbox(curator: Client, desk: dict[str, Any]) -> None:
    path = f"/admin/newsletter/edition/{desk['newsletter.edition'].pk}/preview/"
    page = curator.get(path).content.decode()
    frames = re.findall(r"<iframe[^>]*>", page)
    assert len(frames) == 3
    assert all('sandbox=""' in frame for frame in frames)
    for show in ("light", "dark", "text"):
        answer = curator.get(f"{path}mail/", {"show": show})
        policy = answer["Content-Security-Policy"]
        assert "sandbox;" in policy
        assert "default-src 'none'" in policy
        assert "allow-" not in policy
        assert "script" not in policy
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Type"] == f"text/{'plain' if show == 'text' else 'html'}; charset=utf-8"


def test_dark_and_light_differ_by_the_mails_own_rule_only(curator: Client, desk: dict[str, Any]) -> None:
    path = f"/admin/newsletter/edition/{desk['newsletter.edition'].pk}/preview/mail/"
    light, dark = (curator.get(path, {"show": show}).content.decode() for show in ("light", "dark"))
    assert "@media not all" in light
    assert light.replace("@media not all", "@media all") == dark


def test_an_edition_nobody_gets_anything_of_says_so_instead_of_breaking(curator: Client) -> None:
    answer = curator.get(f"/admin/newsletter/edition/{make_edition().pk}/preview/mail/")
    assert answer.status_code == 422
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.content.decode() == "This reader gets no mail: no paper of this edition is for them."


@pytest.mark.any_database
def test_hostile_titles_stay_text_on_every_page(admin_client: Client, desk: dict[str, Any]) -> None:
    EditionItem.objects.update(note=HOSTILE)
    Edition.objects.update(editor_note=HOSTILE, pause_reason=HOSTILE, paused_at=timezone.now())
    Delivery.objects.update(reply=HOSTILE)
    DeliveryEvent.objects.update(text=HOSTILE)
    SourceRun.objects.update(detail=HOSTILE)
    Stream.objects.update(paused_at=timezone.now(), pause_reason=HOSTILE)
    shown = 0
    for path in pages_of(desk):
        answer = admin_client.get(path)
        if answer["Content-Type"].startswith("text/html"):
            page = answer.content.decode()
            assert "<script>alert(1)" not in page, path
            assert "<img src=x" not in page, path
            shown += "&lt;script&gt;alert(1)" in page
    assert shown > 12


# --- roles and session ------------------------------------------------------------------------------------------------


def test_the_groups_come_with_the_migrations() -> None:
    def may(name: str) -> set[str]:
        return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))

    assert may("Curators") < may("Operators")
    assert {"approve_edition", "change_paper", "change_topic"} <= may("Curators")
    assert not {"send_edition", "view_subscriber", "view_delivery", "view_notice"} & may("Curators")
    assert not {name for name in may("Operators") if name.startswith("delete_")} - {
        "delete_subscriber",
        "delete_papertopic",
        "delete_absence",
        "delete_topictranslation",  # a row of the form of a topic
    }


@pytest.mark.any_database
def test_nobody_deletes_in_bulk(admin_client: Client, desk: dict[str, Any]) -> None:
    for model in admin.site._registry:
        if model is not Group:
            path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            assert "delete_selected" not in admin_client.get(path).content.decode(), path


def test_a_person_who_left_stays_in_the_log(admin_client: Client, desk: dict[str, Any]) -> None:
    somebody = desk["auth.user"]
    assert admin_client.post(f"/admin/auth/user/{somebody.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=somebody.pk).exists()


def test_the_session_is_short_and_its_cookie_kept_from_scripts(client: Client) -> None:
    User.objects.create_superuser("root", password="a-long-enough-password")
    answer = client.post("/admin/login/", {"username": "root", "password": "a-long-enough-password", "next": "/admin/"})
    cookie = answer.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert int(cookie["max-age"]) <= 12 * 3600
