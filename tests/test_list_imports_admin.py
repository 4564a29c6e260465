"""A list in the desk: uploaded, its columns put right, looked at, imported; operators only."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from newsletter import tasks
from subscriptions import list_imports_admin, retention
from subscriptions.list_import import import_file
from subscriptions.models import ConsentEvent, ListImport, Subscriber, Suppression
from tests.builders import NOON

pytestmark = pytest.mark.django_db
LIST = "/admin/subscriptions/listimport/"
TEXT = (
    "Email Address,Private,added,status,tags\n"
    'ada@example.net,eve@example.net,03/04/2024 10:00,active,"LLM, vision"\n'
    "bob@example.net,bob@home.example,05/06/2024 10:00,gone fishing,\n"
    "nobody,x@home.example,05/06/2024 10:00,active,\n"
)


@pytest.fixture
def operator(client: Client) -> Client:
    user = User.objects.create_user("olga", is_staff=True)
    user.groups.add(Group.objects.get(name="Operators"))
    client.force_login(user)
    return client


def upload(client: Client, text: str | bytes, name: str = "list.csv") -> Any:
    data = text.encode() if isinstance(text, str) else text
    return client.post(f"{LIST}add/", {"file": SimpleUploadedFile(name, data)}, follow=True)


def fields_of(answer: Any) -> dict[str, str]:
    form = answer.context["form"]
    found = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in found.items() if value not in (None, False)}


def name_of(answer: Any, label: str) -> str:
    form = answer.context["form"]
    return next(one.name for one in (*form.columns, *form.words, *form.tags) if one.label == label)


def test_a_list_is_uploaded_asked_about_put_right_and_imported(operator: Client) -> None:
    page = upload(operator, TEXT)
    told = page.content.decode()
    for asked in (
        "Several columns hold addresses",
        "day or the month",
        "no time zone",
        "gone fishing",
        "Where and how",
    ):
        assert asked in told
    assert 'name="import"' not in told
    draft = ListImport.objects.get()
    address = page.redirect_chain[-1][0]
    answers = fields_of(page) | {
        "rival-email": "Email Address", name_of(page, "gone fishing"): "left", name_of(page, "LLM"): "language-models",
        "dates": "dmy", "zone": "Europe/Berlin", "consent_source": "https://old.example/form",
    }  # fmt: skip
    page = operator.post(address, answers)
    told = page.content.decode()
    assert "Please answer" not in told
    assert "Line 4: nobody" in told
    assert not Subscriber.objects.exists(), "looking changes nothing"
    page = operator.post(address, fields_of(page) | {"import": "1"}, follow=True)
    assert "<b>1</b> new readers" in page.content.decode()
    reader = Subscriber.objects.mailable().get()
    assert (reader.email, reader.time_zone) == ("ada@example.net", "Europe/Berlin")
    assert str(reader.confirmed_at) == "2024-04-03 08:00:00+00:00"
    assert set(reader.preferences.values_list("topic__slug", flat=True)) == {"language-models", "vision"}
    assert Subscriber.objects.get(email="bob@example.net").state == "unsubscribed"
    draft.refresh_from_db()
    assert (draft.state, draft.content, draft.by) == ("done", None, "olga")
    assert (draft.read, draft.new, draft.suppressed, draft.refused) == (3, 1, 1, 1)
    assert ConsentEvent.objects.filter(detail__list=draft.pk).count() == 2
    assert LogEntry.objects.count() == 1
    again = upload(operator, TEXT)
    assert "Several columns" not in again.content.decode(), "what was said is remembered"


def test_a_list_of_those_who_left_asks_nothing_but_what_its_name_says(operator: Client) -> None:
    page = upload(operator, "gone@example.net\n", name="suppression-list.txt")
    assert page.context["form"]["kind"].value() == "barred", "suggested by the name of the file"
    page = operator.post(page.redirect_chain[-1][0], fields_of(page) | {"import": "1"}, follow=True)
    assert "get no mail" in page.content.decode()
    assert Suppression.objects.get().reason == "admin"


def test_a_file_without_addresses_and_an_empty_form_are_told(operator: Client) -> None:
    assert "no column holds email addresses" in upload(operator, "name\nAda\n").content.decode()
    assert "This field is required" in operator.post(f"{LIST}add/").content.decode()
    assert not ListImport.objects.exists()


def test_each_list_of_a_zip_waits_by_itself(operator: Client) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("subscribed.csv", "email\nada@example.net\n")
        archive.writestr("cleaned.csv", "email\nbob@example.net\n")
    told = upload(operator, out.getvalue(), name="export.zip").content.decode()
    assert "subscribed.csv" in told
    assert {row.file_name for row in ListImport.objects.filter(state="draft")} == {"subscribed.csv", "cleaned.csv"}
    assert "not a list" in upload(operator, b"%PDF-1.7", name="list.pdf").content.decode()


def test_several_files_come_at_once_those_who_left_first_and_one_that_is_no_list_keeps_all_out(
    operator: Client,
) -> None:
    header = "Email Address,OPTIN_TIME,CONFIRM_TIME,LEID,EUID{}\n"
    row = "{}@example.net,2021-03-04 09:12:33,2021-03-04 09:15:02,1,aa{}\n"
    readers = SimpleUploadedFile("subscribed.csv", (header.format("") + row.format("ada", "")).encode())
    left = (header.format(",UNSUB_TIME") + row.format("lee", ",2023-05-05 05:05:05")).encode()
    refused = operator.post(f"{LIST}add/", {"file": [readers, SimpleUploadedFile("notes.pdf", b"%PDF-1.7")]})
    assert "notes.pdf: This is a PDF, not a list" in refused.content.decode()
    assert not ListImport.objects.exists()
    readers.seek(0)
    page = operator.post(f"{LIST}add/", {"file": [readers, SimpleUploadedFile("left.csv", left)]}, follow=True)
    assert page.context["row"].file_name == "left.csv"
    page = operator.post(page.redirect_chain[-1][0], fields_of(page) | {"import": "1"}, follow=True)
    assert "Next: subscribed.csv" in page.content.decode()


def test_a_big_list_is_finished_by_the_ticks(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_imports_admin, "RUN_FOR", timedelta(0))
    monkeypatch.setattr(import_file, "BATCH", 2)
    page = upload(operator, "email\n" + "".join(f"a{n}@example.net\n" for n in range(5)))
    answers = fields_of(page) | {"consent_source": "form", "confirmed_at": "2024-05-31", "import": "1"}
    page = operator.post(page.redirect_chain[-1][0], answers, follow=True)
    assert "goes on in the background" in page.content.decode()
    assert not Subscriber.objects.exists()
    tasks.keep_house(now=timezone.now())
    assert Subscriber.objects.mailable().count() == 5
    assert ListImport.objects.get().state == "done"
    assert import_file.go_on_due(now=timezone.now()) == 0


def test_an_answer_that_means_nothing_is_told_and_kept(operator: Client) -> None:
    page = upload(operator, "email\nada@example.net\n")
    address = page.redirect_chain[-1][0]
    page = operator.post(address, fields_of(page) | {"consent_source": "form", "confirmed_at": "yesterday"})
    assert "Please give a date such as 2024-05-31" in page.content.decode()
    assert page.context["form"]["consent_source"].value() == "form"


def test_a_list_keeps_its_column_of_addresses_and_an_answer_can_be_taken_back(operator: Client) -> None:
    page = upload(operator, "email,added\nada@example.net,03/04/2024\n")
    address = page.redirect_chain[-1][0]
    refused = operator.post(address, fields_of(page) | {name_of(page, "email"): ""})
    assert "choose the column with the email addresses" in refused.content.decode()
    answered = operator.post(address, fields_of(page) | {"dates": "dmy"})
    assert "day or the month" not in answered.content.decode()
    taken_back = operator.post(address, fields_of(answered) | {"dates": ""})
    assert "day or the month" in taken_back.content.decode()


def test_nobody_else_may(client: Client, operator: Client) -> None:
    upload(operator, "email\nada@example.net\n")
    address = f"{LIST}{ListImport.objects.get().pk}/review/"
    curator = User.objects.create_user("carla", is_staff=True)
    curator.groups.add(Group.objects.get(name="Curators"))
    other = Client()
    other.force_login(curator)
    for page in (LIST, f"{LIST}add/", address):
        assert other.get(page).status_code == 403
    assert Client().get(address).status_code == 302


def test_a_list_that_nobody_imports_is_deleted_and_the_record_of_another_stays(operator: Client) -> None:
    upload(operator, "email\nada@example.net\n")
    ListImport.objects.create(file_name="done.csv", digest="x", state="done", at=NOON)
    ListImport.objects.filter(state="draft").update(at=timezone.now() - timedelta(days=6))
    retention.forget_old(now=timezone.now())
    assert ListImport.objects.count() == 2
    retention.forget_old(now=timezone.now() + timedelta(days=2))
    assert [row.file_name for row in ListImport.objects.all()] == ["done.csv"]
