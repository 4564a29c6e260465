"""Import lists of readers, and of addresses that must not be mailed, from any program."""

from __future__ import annotations

import csv
import getpass
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.progress import Progress

from subscriptions import schedule
from subscriptions.csv_cells import safe_cell
from subscriptions.list_import import import_file
from subscriptions.list_import.columns import ROLES
from subscriptions.list_import.dates import ORDERS, read_moment
from subscriptions.list_import.questions import option, sentence
from subscriptions.list_import.reading_plan import KINDS, Answers
from subscriptions.list_import.states import Standing
from subscriptions.list_import.table import UnreadableFile
from subscriptions.models import Topic

if TYPE_CHECKING:
    from subscriptions.list_import.entries import Refusal
    from subscriptions.list_import.reading_plan import Plan

log = logging.getLogger("subscriptions.audit")

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Import readers from files of other programs (Mailchimp, Substack, Ghost, listmonk …), of Paperboy, or any "
        "list of addresses. Who left, bounced or complained there is recorded as that and gets no mail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="+")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON, one object a file")
        parser.add_argument("--refused", type=Path, help="write every refused line with its reason to this CSV file")
        parser.add_argument("--welcome", action="store_true", help="send each new reader a first digest at once")
        parser.add_argument(
            "--map", action="append", default=[], metavar="COLUMN=ROLE",
            help=f"what a column holds, nothing to leave it out; roles: {', '.join(dict.fromkeys(ROLES))}",
        )  # fmt: skip
        parser.add_argument("--zone", default="", help="time zone of dates that name none, and of the readers' hours")
        parser.add_argument("--dates", default="", choices=ORDERS, help="order in dates such as 03/04/2024")
        parser.add_argument("--consent-source", default="", help="where and how these people agreed (GDPR Art. 7)")
        parser.add_argument("--confirmed-at", default="", help="when they agreed, where the file does not say so")
        parser.add_argument("--as", dest="kind", default="", choices=KINDS, help="what all lines of the file are")
        parser.add_argument(
            "--word", action="append", default=[], metavar="WORD=STATE",
            help=f"what a word for a state means: {', '.join(Standing)}",
        )  # fmt: skip
        parser.add_argument("--tag", action="append", default=[], metavar="TAG=TOPIC", help="topic that a tag means")

    def handle(self, *args: Any, **options: Any) -> None:
        answers = _answers(options)
        refused = options["refused"].open("w", newline="", encoding="utf-8") if options["refused"] else None
        try:
            for path in options["file"]:
                for source in import_file.sources_in(import_file.Source(path.name, partial(path.open, "rb"))):
                    self._handle_file(source, answers, refused, options)
        except (OSError, UnreadableFile) as error:
            raise CommandError(str(error)) from None
        finally:
            if refused is not None:
                refused.close()

    def _handle_file(self, source: import_file.Source, answers: Answers, refused: Any, options: dict[str, Any]) -> None:
        plan = import_file.plan_file(source, answers)
        refusals: list[Refusal] = []

        def tell(refusal: Refusal) -> None:
            if refused is not None:
                csv.writer(refused).writerow([refusal.line, safe_cell(refusal.email), refusal.reason])
            if options["json"] or len(refusals) < SHOWN:
                refusals.append(refusal)

        if options["dry_run"]:
            tally: Any = import_file.preview(source, plan, now=timezone.now(), on_refusal=tell)
        else:
            tally = self._import(source, plan, tell, are_welcomed=options["welcome"])
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(plan, tally, refusals), ensure_ascii=False))
        else:
            self._report(source.name, plan, tally, refusals, options)

    def _import(self, source: import_file.Source, plan: Plan, tell: Any, *, are_welcomed: bool) -> Any:
        """Import one file; the tally is told whatever breaks it off."""
        _refuse_open(source.name, plan)
        row = import_file.begin(source, plan, by=getpass.getuser(), now=timezone.now(), are_welcomed=are_welcomed)
        try:
            with Progress(disable=not sys.stderr.isatty()) as bar:
                task = bar.add_task("Lines", total=None)
                import_file.go_on(
                    row, source, plan,
                    now=timezone.now(), on_refusal=tell, on_batch=lambda lines: bar.advance(task, lines),
                )  # fmt: skip
        except BaseException:
            self.stderr.write(
                f"Broken off after line {row.line}: {_summary(row)}. Start it again, and it goes on there."
            )
            raise
        log.info("%s: %s, by %s", source.name, _summary(row), getpass.getuser())
        return row

    def _report(self, name: str, plan: Plan, tally: Any, refusals: list[Refusal], options: dict[str, Any]) -> None:
        told = "; ".join(f"{name} = {role}" for name, role in plan.roles.items() if role)
        self.stdout.write(f"{name}: {plan.program}; {told}")
        if options["refused"] is None:
            for refusal in refusals:
                self.stdout.write(f"Line {refusal.line}: {safe_cell(refusal.email)}: {refusal.reason}")
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(f"{_summary(tally)}" + (" (nothing is written yet)" if would else ""))
        if options["refused"] is None and tally.refused > len(refusals):
            self.stdout.write(f"Only the first {SHOWN} refused lines are shown; --refused FILE writes all of them.")
        for reason, count in sorted(tally.reasons.items(), key=lambda one: -one[1]):
            self.stdout.write(f"  {count:>7}  {reason}")
        for question in plan.questions:
            self.stdout.write(("To answer: " if question.is_required else "You may answer: ") + _asked(question))


def _summary(tally: Any) -> str:
    return ", ".join(f"{getattr(tally, name)} {name}" for name in ("read", "new", "known", "suppressed", "refused"))


def _asked(question: Any) -> str:
    choices = f" [{', '.join(question.choices[:20])}]" if question.choices and question.id != "tag" else ""
    return f"{sentence(question)}{choices} {option(question)}"


def _refuse_open(name: str, plan: Plan) -> None:
    left = [_asked(question) for question in plan.questions if question.is_required]
    if left:
        raise CommandError("\n".join([f"{name}: nothing was imported. Please answer first:", *left]))


def _as_json(plan: Plan, tally: Any, refusals: list[Refusal]) -> dict[str, Any]:
    return {
        "format": plan.program,
        "columns": {name: role or None for name, role in plan.roles.items()},
        **{name: getattr(tally, name) for name in ("read", "new", "known", "suppressed", "refused")},
        "reasons": dict(tally.reasons),
        "refusals": [{"line": one.line, "email": one.email, "reason": one.reason} for one in refusals],
        "questions": [
            {
                "id": one.id,
                "about": one.about,
                "question": sentence(one),
                "choices": list(one.choices),
                "suggestion": one.suggestion,
                "examples": list(one.examples),
                "required": one.is_required,
                "option": option(one),
            }
            for one in plan.questions
        ],
    }


def _answers(options: dict[str, Any]) -> Answers:
    columns, words, tags = (_pairs(options[name], name) for name in ("map", "word", "tag"))
    _known(columns.values(), ["", *ROLES], "--map")
    _known(words.values(), list(Standing), "--word")
    _known(tags.values(), ["", *Topic.objects.values_list("slug", flat=True)], "--tag")
    if options["zone"] and not schedule.is_zone(options["zone"]):
        raise CommandError("--zone is not an IANA name such as Europe/Berlin.")
    if options["confirmed_at"]:
        try:
            read_moment(options["confirmed_at"])
        except ValueError:
            raise CommandError("--confirmed-at is not a date such as 2024-05-31.") from None
    named = ("zone", "dates", "consent_source", "confirmed_at", "kind")
    return Answers(columns=columns, words=words, tags=tags, **{name: options[name] for name in named})


def _pairs(given: list[str], name: str) -> dict[str, str]:
    pairs = {}
    for one in given:
        left, sign, right = one.rpartition("=")
        if not sign:
            raise CommandError(f"--{name} {one}: there is no = in it.")
        pairs[left.strip()] = right.strip()
    return pairs


def _known(values: Any, known: list[str], name: str) -> None:
    for value in values:
        if value not in known:
            raise CommandError(f"{name}: {value!r} is not one of {', '.join(one for one in known if one)}.")
