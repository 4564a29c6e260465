"""Confirmed actions: a GET shows what will happen, a POST does it once and logs who did it.

In: a request, the row, and the action. Out: a confirmation page, or a redirect with a message. The same form sent twice
(double click, reload, back) acts once: its key is written to the log in the transaction of the action. An action that
is refused or crashes leaves neither a change nor a log entry, so the same form may be sent again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _


class ActError(Exception):
    """Refusal of an action; the message says why and what to do."""


@dataclass(frozen=True)
class Act:
    """One action on a row. ``refusal`` returns why it is not possible now, or an empty text."""

    label: Any
    warning: Any
    permission: str
    do: Callable[[Any, HttpRequest], str]
    refusal: Callable[[Any], str] = lambda row: ""
    tone: str = ""  # "danger" for what cannot be undone
    errors: tuple[type[Exception], ...] = ()  # of the step; their texts are shown to the person


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
    """Answer a GET with the confirmation page; on POST act, then redirect to ``back`` with a message."""
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
    try:
        result = _act_and_log(request, row, act, key=request.POST.get("key", "")[:32] or uuid.uuid4().hex)
    except act.errors + (ActError,) as error:  # noqa: RUF005  (mypy follows the sum only)
        messages.error(request, str(error))
    else:
        messages.success(request, result)


@transaction.atomic
def _act_and_log(request: HttpRequest, row: models.Model, act: Act, *, key: str) -> str:
    """Act and write the log entry with the key, both or neither. Returns the message for the person.

    The same person's requests wait for each other by a lock of their user row. A lock of the row itself could meet the
    locks of the steps in another order.
    """
    user = get_user_model()._default_manager.select_for_update(no_key=True).get(pk=cast(int, request.user.pk))
    kind = ContentType.objects.get_for_model(row)
    if LogEntry.objects.filter(content_type=kind, object_id=str(row.pk), change_message__endswith=f"[{key}]").exists():
        raise ActError(_("This was already done. Nothing was done a second time."))
    current = type(row)._default_manager.get(pk=row.pk)
    if refusal := act.refusal(current):
        raise ActError(refusal)
    result = act.do(current, request)
    LogEntry.objects.create(
        user_id=user.pk,
        content_type=kind,
        object_id=str(row.pk),
        object_repr=str(row)[:200],
        action_flag=CHANGE,
        change_message=f"{act.label}: {result} [{key}]",
    )
    return result
