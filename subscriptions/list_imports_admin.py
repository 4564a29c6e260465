"""The desk's way in for lists: upload, columns and answers put right, a preview, the import and its tally.

In: a file and a person's answers. Out: a row that waits for answers or runs; a big file is finished by the next ticks.
"""

from __future__ import annotations

import io
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from subscriptions import schedule
from subscriptions.list_import import import_file, names
from subscriptions.list_import.dates import read_moment
from subscriptions.list_import.questions import sentence
from subscriptions.list_import.reading_plan import KINDS, READERS, Answers
from subscriptions.list_import.states import Standing
from subscriptions.list_import.table import UnreadableFile, rows
from subscriptions.models import ListImport, Topic

if TYPE_CHECKING:
    from typing import BinaryIO

    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from subscriptions.list_import.reading_plan import Plan

MOST_BYTES = 100 * 1024 * 1024
MOST_PREVIEWED = 20_000  # lines: a page must come in seconds
MOST_TAGS = 40
SHOWN = 50  # refused lines
RIVALS = (names.EMAIL, names.CONFIRMED_AT)  # roles that several columns may want: a person chooses
RUN_FOR = timedelta(seconds=10)  # within the request; the ticks do the rest

# Roles that a person may choose, in words; the columns of our own export keep theirs.
ROLES: dict[str, Any] = {
    "": gettext_lazy("not used"),
    names.EMAIL: gettext_lazy("email address"),
    names.CONFIRMED_AT: gettext_lazy("when they confirmed"),
    names.SIGNED_UP_AT: gettext_lazy("when they signed up"),
    names.LEFT_AT: gettext_lazy("when they left"),
    names.BOUNCED_AT: gettext_lazy("when it bounced"),
    names.COMPLAINED_AT: gettext_lazy("when they complained"),
    names.STATE: gettext_lazy("state in words"),
    names.IS_CONFIRMED: gettext_lazy("confirmed: yes or no"),
    names.WANTS_MAIL: gettext_lazy("wants mail: yes or no"),
    names.WANTS_NO_MAIL: gettext_lazy("unsubscribed: yes or no"),
    names.BOUNCED: gettext_lazy("bounced: yes or no"),
    names.COMPLAINED: gettext_lazy("complained: yes or no"),
    names.BLOCKED: gettext_lazy("blocked: yes or no"),
    names.TAGS: gettext_lazy("tags"),
    names.SOURCE: gettext_lazy("where they signed up"),
    names.ZONE: gettext_lazy("time zone"),
    names.LANGUAGE: gettext_lazy("language"),
}
KIND_LABELS = dict(
    zip(
        KINDS,
        (
            gettext_lazy("readers, unless a column says otherwise"),
            gettext_lazy("people who unsubscribed"),
            gettext_lazy("addresses that bounced"),
            gettext_lazy("people who complained"),
            gettext_lazy("addresses never to write to"),
        ),
        strict=True,
    )
)
STANDING_LABELS = {
    Standing.READER: gettext_lazy("a reader"),
    Standing.UNCONFIRMED: gettext_lazy("not confirmed: leave out"),
    Standing.LEFT: gettext_lazy("unsubscribed"),
    Standing.BOUNCED: gettext_lazy("bounced"),
    Standing.COMPLAINED: gettext_lazy("complained"),
    Standing.BARRED: gettext_lazy("never write to"),
}
ORDER_LABELS = {
    "dmy": gettext_lazy("day first: 31/12/2024"),
    "mdy": gettext_lazy("month first: 12/31/2024"),
    "ymd": gettext_lazy("year first: 24/12/31"),
}


class UploadForm(forms.Form):
    """Form of one upload of any number of files."""

    file = forms.FileField(label=gettext_lazy("Files"))

    def clean_file(self) -> list[Any]:
        uploads: list[Any] = self.files.getlist("file")
        if any(one.size > MOST_BYTES for one in uploads):
            raise forms.ValidationError(_("The file is larger than 100 MB. Import it with manage.py import_readers."))
        return uploads


class AnswerForm(forms.Form):
    """Form of the questions about one file: a field for each column, unknown word and tag, and for the whole file."""

    kind = forms.ChoiceField(label=gettext_lazy("The file holds"), required=False)
    consent_source = forms.CharField(
        label=gettext_lazy("Where and how they agreed"),
        required=False,
        max_length=300,
        help_text=gettext_lazy("For example the address of the form. Each reader's record keeps it (GDPR Art. 7)."),
    )
    confirmed_at = forms.CharField(
        label=gettext_lazy("When they agreed, where the file does not say"),
        required=False,
        help_text=gettext_lazy("A date such as 2024-05-31."),
    )
    zone = forms.ChoiceField(
        label=gettext_lazy("Time zone of dates that name none, and of the readers' hours"), required=False
    )
    dates = forms.ChoiceField(label=gettext_lazy("Order of day and month"), required=False)
    are_welcomed = forms.BooleanField(label=gettext_lazy("Send each new reader a first digest at once"), required=False)

    def __init__(self, *args: Any, plan: Plan, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan = plan
        choice: dict[str, dict[str, Any]] = {"kind": _kinds(plan), "dates": {"": "—"} | ORDER_LABELS}
        choice["zone"] = {"": "—"} | {name: name for name in sorted(schedule.zone_names())}
        for name, labels in choice.items():
            self._field(name).choices = list(labels.items())
        self.columns = [
            self._add(f"column-{place}", name, self._roles(plan.roles[name]), plan.roles[name])
            for place, name in enumerate(plan.layout.names)
        ]
        self.rivals = [
            self._add(f"rival-{one.id}", sentence(one), {"": "—"} | {name: name for name in one.choices}, "")
            for one in plan.questions
            if one.id in RIVALS
        ]
        self.words = [
            self._add(f"word-{place}", word, STANDING_LABELS | {"": "—"}, plan.words.get(word, ""))
            for place, word in enumerate(self._asked("word", plan.answers.words))
        ]
        topics = {"": _("no topic")} | dict(Topic.objects.values_list("slug", "name"))
        suggested = {one.about: one.suggestion for one in plan.questions if one.id == "tag"}
        self.tags = [
            self._add(f"tag-{place}", tag, topics, plan.answers.tags.get(tag, suggested.get(tag, "")))
            for place, tag in enumerate(self._asked("tag", plan.answers.tags)[:MOST_TAGS])
        ]

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _asked(self, kind: str, answered: Any) -> list[str]:
        return list(dict.fromkeys([*answered, *(one.about for one in self.plan.questions if one.id == kind)]))

    def _roles(self, role: str) -> dict[str, Any]:
        return ROLES | ({role: role} if role not in ROLES else {})

    def _add(self, name: str, label: str, choices: Any, initial: str) -> Any:
        self.fields[name] = forms.ChoiceField(
            label=label, choices=list(choices.items()), initial=str(initial), required=False
        )
        return self[name]

    def clean_confirmed_at(self) -> str:
        text: str = self.cleaned_data["confirmed_at"]
        try:
            if text:
                read_moment(text)
        except ValueError:
            raise forms.ValidationError(_("Please give a date such as 2024-05-31.")) from None
        return text

    def answers(self) -> Answers:
        """Return the answers, for the plan."""
        said = self.cleaned_data
        chosen = {one.label: said[one.name] for one in self.columns}
        columns = {name: role for name, role in chosen.items() if role != self.plan.roles[name]}
        columns |= {name: role for name, role in self.plan.answers.columns.items() if chosen.get(name) == role}
        for question in self.plan.questions:
            if question.id in RIVALS and (winner := said[f"rival-{question.id}"]):
                columns |= dict.fromkeys(question.choices, "") | {winner: question.id}
        return Answers(
            columns=columns,
            words={one.label: said[one.name] for one in self.words if said[one.name]},
            tags={one.label: said[one.name] for one in self.tags},
            **{name: said[name] for name in ("kind", "consent_source", "confirmed_at", "zone", "dates")},
        )


@admin.register(ListImport)
class ListImportAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("file_name", "program", "state", "read", "new", "known", "suppressed", "refused", "by", "at")
    list_filter = ("state", "program")

    def has_delete_permission(self, request: HttpRequest, obj: ListImport | None = None) -> bool:
        """The record of an import is part of the proof of consent; a draft goes by itself after a week."""
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.review)
        return [path("<int:pk>/review/", view, name="subscriptions_listimport_review"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Take files and lead to the review of the first; the page of its tally leads to the next."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if form.is_valid():
            try:
                drafts = self._drafts(form.cleaned_data["file"], by=request.user.get_username())
            except UnreadableFile as error:
                form.add_error("file", str(error))
            else:
                return HttpResponseRedirect(reverse("admin:subscriptions_listimport_review", args=[drafts[0].pk]))
        return self._page(request, "list_upload.html", {"form": form, "title": _("Import a list")})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404
        return self.review(request, int(object_id))

    def review(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a draft with its questions and what an import would do, or the tally of one that was started."""
        row = get_object_or_404(ListImport, pk=pk)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row.state != ListImport.State.DRAFT:
            drafts = ListImport.objects.filter(state=ListImport.State.DRAFT, by=request.user.get_username())
            context = {"row": row, "title": row.file_name, "next": drafts.order_by("pk").first()}
            return self._page(request, "list_done.html", context)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        source = import_file.source_of(row)
        plan = import_file.plan_by(source, Answers(**row.answers))
        initial = asdict(plan.answers) | {"kind": plan.answers.kind or _suggested_kind(plan)}
        form = AnswerForm(request.POST if request.method == "POST" else None, plan=plan, initial=initial)
        if form.is_valid():
            try:
                plan = self._save_answers(row, source, form)
            except UnreadableFile:
                messages.error(request, _("Please choose the column with the email addresses. Nothing was changed."))
            else:
                if "import" in request.POST and not plan.is_open:
                    return self._import(request, row, source, plan)
            form = AnswerForm(plan=plan, initial=asdict(plan.answers) | {"are_welcomed": row.are_welcomed})
        return self._page(request, "list_review.html", self._context(row, source, plan, form))

    @transaction.atomic
    def _drafts(self, uploads: list[Any], *, by: str) -> list[ListImport]:
        """Keep a draft of each list in the files: those of people who left first, so that none of them gets a mail.

        Raises UnreadableFile, which names the file, when one of them is no list; nothing is kept then.
        """
        made = []
        for one in uploads:
            try:
                uploaded = import_file.Source(one.name[:200], partial(_opened, one))
                made += [self._draft(source, by=by) for source in import_file.sources_in(uploaded)]
            except UnreadableFile as error:
                told = str(error)
                raise UnreadableFile(told if told.startswith(one.name) else f"{one.name}: {told}") from None
        drafts = [draft for _holds_readers, draft in sorted(made, key=lambda one: one[0])]
        for draft in drafts:
            draft.save()
        return drafts

    def _draft(self, source: import_file.Source, *, by: str) -> tuple[bool, ListImport]:
        """Make a draft, not saved, and whether its file may hold readers."""
        with source.open() as file:
            packed = import_file.content_of(file)
        kept = import_file.source_of(ListImport(file_name=source.name, content=packed))
        plan = import_file.plan_file(kept, Answers())
        return plan.standing is None, ListImport(
            file_name=kept.name,
            digest=kept.digest(),
            headings=import_file.headings_of(kept),
            program=plan.program,
            content=packed,
            answers=asdict(plan.answers),
            by=by,
            at=timezone.now(),
        )

    def _save_answers(self, row: ListImport, source: import_file.Source, form: AnswerForm) -> Plan:
        answers = form.answers()
        plan = import_file.plan_by(source, answers)
        row.answers, row.are_welcomed = asdict(answers), form.cleaned_data["are_welcomed"]
        row.save(update_fields=["answers", "are_welcomed"])
        return plan

    def _import(self, request: HttpRequest, row: ListImport, source: import_file.Source, plan: Plan) -> HttpResponse:
        now = timezone.now()
        begun = ListImport.objects.filter(pk=row.pk, state=ListImport.State.DRAFT)
        if begun.update(state=ListImport.State.RUNNING, by=request.user.get_username(), at=now):
            self.log_change(request, row, _("import"))
            row.refresh_from_db()
            if not import_file.go_on(row, source, plan, now=now, deadline=now + RUN_FOR):
                messages.info(
                    request, _("The import goes on in the background. Reload this page to see how far it is.")
                )
        return HttpResponseRedirect(reverse("admin:subscriptions_listimport_review", args=[row.pk]))

    def _context(self, row: ListImport, source: import_file.Source, plan: Plan, form: AnswerForm) -> dict[str, Any]:
        refusals: list[Any] = []
        tally = import_file.preview(
            source,
            plan,
            now=timezone.now(),
            on_refusal=lambda one: refusals.append(one) if len(refusals) < SHOWN else None,
            most=MOST_PREVIEWED,
        )
        first = list(islice(rows(source.lines(), plan.layout), 3))
        examples = [[one.cells[place] for one in first if place < len(one.cells)] for place in range(len(form.columns))]
        asked = {one.id for one in plan.questions if one.is_required}
        return {
            "title": row.file_name,
            "row": row,
            "plan": plan,
            "form": form,
            "columns": list(zip(form.columns, examples, strict=True)),
            "questions": [sentence(one) for one in plan.questions if one.is_required],
            "shown": form.rivals + [form[name] for name in ("kind", "consent_source", "confirmed_at", "zone", "dates")],
            "asked": asked
            | {one.name for one in (*form.rivals, *form.words) if not one.value()}
            | ({"confirmed_at"} if "confirmed_at_all" in asked else set()),
            "tally": tally,
            "refusals": refusals,
            "is_part": tally.read >= MOST_PREVIEWED,
        }

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        frame = self.admin_site.each_context(request) | {"opts": self.opts}
        return render(request, f"admin/subscriptions/{template}", frame | context)


def _opened(upload: Any) -> BinaryIO:
    """The uploaded file from its start; closing it leaves the upload as it is."""
    if hasattr(upload, "temporary_file_path"):
        return Path(upload.temporary_file_path()).open("rb")
    upload.seek(0)
    return io.BytesIO(upload.read())


def _kinds(plan: Plan) -> dict[str, Any]:
    """Return the choices of what the file holds. Readers are the empty one, unless the file's name raises doubts."""
    is_asked = plan.answers.kind == READERS or any(one.id == "kind" for one in plan.questions)
    return KIND_LABELS if is_asked else {"" if kind == READERS else kind: label for kind, label in KIND_LABELS.items()}


def _suggested_kind(plan: Plan) -> str:
    return next((one.suggestion for one in plan.questions if one.id == "kind"), "")
