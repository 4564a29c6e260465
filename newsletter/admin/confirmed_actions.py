"""Buttons that act: a GET says what will happen, a POST does it once and writes down who did.

In: a request, the row, and what to do. Out: a page that asks, or a redirect with what happened. The same form sent
twice (double click, reload, back) acts once: its key is written to the log before the act, under a lock of the row.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _


class ActError(Exception):
    """It cannot be done; the message says why, to the person who asked."""


@dataclass(frozen=True)
class Act:
    """One thing a person can do to a row. ``refusal``: why not at this moment, read again under the lock."""

    label: Any
    warning: Any
    permission: str
    do: Callable[[Any, HttpRequest], str]
    refusal: Callable[[Any], str] = lambda row: ""
    tone: str = ""  # "danger" for what cannot be undone
    errors: tuple[type[Exception], ...] = ()  # of the step, worded for people


def ask_or_act(
    site: admin.AdminSite,
    request: HttpRequest,
    row: models.Model,
    act: Act,
    *,
    back: str,
    facts: Mapping[str, Any],
    template: str = "",
) -> HttpResponse:
    """GET asks, POST acts."""
    if not request.user.has_perm(act.permission):
        raise PermissionDenied
    if request.method == "POST":
        _do_once(request, row, act)
        return HttpResponseRedirect(back)
    context = site.each_context(request) | {
        "title": f"{act.label}: {row}",
        "act": act,
        "row": row,
        "refusal": act.refusal(row),
        "key": uuid.uuid4().hex,
        "back": back,
        "opts": row._meta,
        **facts,
    }
    return render(request, template or "admin/newsletter/act.html", context)


def _do_once(request: HttpRequest, row: models.Model, act: Act) -> None:
    key = request.POST.get("key", "")[:32] or uuid.uuid4().hex
    try:
        entry = _write_down(request, row, act, key)
        said = act.do(row, request)
    except act.errors + (ActError,) as error:  # noqa: RUF005  (mypy follows the sum only)
        messages.error(request, str(error))
        return
    LogEntry.objects.filter(pk=entry.pk).update(change_message=f"{act.label}: {said} [{key}]")
    messages.success(request, said)


@transaction.atomic
def _write_down(request: HttpRequest, row: models.Model, act: Act, key: str) -> LogEntry:
    """The audit line, before anything happens. Refuses what was asked already and what the row's state forbids."""
    locked = type(row)._default_manager.select_for_update().get(pk=row.pk)
    kind = ContentType.objects.get_for_model(row)
    if LogEntry.objects.filter(content_type=kind, object_id=str(row.pk), change_message__endswith=f"[{key}]").exists():
        raise ActError(_("This was done already; nothing was done a second time."))
    if refusal := act.refusal(locked):
        raise ActError(refusal)
    entry: LogEntry = LogEntry.objects.create(
        user_id=cast(int, request.user.pk),
        content_type=kind,
        object_id=str(row.pk),
        object_repr=str(row)[:200],
        action_flag=CHANGE,
        change_message=f"{act.label}: asked [{key}]",
    )
    return entry
