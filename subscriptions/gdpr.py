"""Export and erasure of a reader's data (GDPR Art. 15, 17 and 20).

In: a reader. Out: everything we hold as plain values; or a row without a name and a hash on the suppression list.
Erasing twice is erasing once. Rows of other apps are found through their foreign keys: this package knows none by name.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import CASCADE, SET_NULL, CharField, JSONField, Q, TextField
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from subscriptions import token_links
from subscriptions.lifecycle import NOTHING_DUE, Origin, move, record
from subscriptions.models import ConsentEvent, Notice, Subscriber, Suppression
from subscriptions.preferences import Preferences, preferences_of
from subscriptions.suppression import bar_address

_SUPPRESSION_COLUMNS = ("reason", "source", "first_at", "last_at", "lifted_at")

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model, QuerySet


def export(subscriber: Subscriber, *, now: datetime, method: str, origin: Origin) -> dict[str, Any]:
    """Everything we hold about the reader, for `DjangoJSONEncoder`. The record says that it was taken."""
    with transaction.atomic():
        record(subscriber, ConsentEvent.Kind.EXPORTED, now=now, method=method, origin=origin)
        secret = {"unsubscribe_token", "unsubscribe_hash"}
        reader = Subscriber.objects.filter(pk=subscriber.pk).values().get()
        return {
            "exported_at": now,
            "subscriber": {name: value for name, value in reader.items() if name not in secret},
            "topics": dict(preferences_of(subscriber).stances),
            "suppression": list(
                Suppression.objects.filter(address_hash=subscriber.address_hash).values(*_SUPPRESSION_COLUMNS)
            ),
            **{str(rows.model._meta.model_name): readable(rows) for rows in _rows_about(subscriber)},
        }


def readable(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    """The rows as a person can read them: the names of what they refer to, and the rows that hang on them.

    A model whose numbers need more than that has a `for_export` of its own, which adds to each row by its key.
    """
    links_out = [column for column in rows.model._meta.concrete_fields if column.is_relation]
    names = [one.name for one in links_out if one.related_model not in (Subscriber, get_user_model())]
    told = {}
    for row in rows.select_related(*names) if names else rows:
        plain = {column.attname: getattr(row, column.attname) for column in row._meta.concrete_fields}
        told[row.pk] = plain | {name: str(getattr(row, name)) for name in names if getattr(row, name) is not None}
    for pk, more in getattr(rows.model, "for_export", lambda rows: {})(rows).items():
        told[pk] |= more
    return list(told.values())


def erase(subscriber: Subscriber, *, now: datetime, method: str) -> bool:
    """Erase the reader's personal data, in other rows too. False when they were erased before."""
    with transaction.atomic():
        email, address_hash = Subscriber.objects.values_list("email", "address_hash").get(pk=subscriber.pk)
        if not give_way(subscriber, now=now, method=method):
            return False
        forget_elsewhere(str(email), address_hash)
    return True


def give_way(subscriber: Subscriber, *, now: datetime, method: str) -> bool:
    """Erase this row alone, for another reader who takes over its address. False when it was erased before.

    What stays: numbers without a name, and the keyed hash on the suppression list.

    Whatever belongs to the reader (CASCADE) is deleted; what they gave to everybody (SET_NULL) stays without them, and
    the accounts of what was sent (PROTECT) stay too, both cleared of the address. The consent record keeps what
    happened when, not from where.
    """
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        if reader.email is None:
            return False
        bar_address(reader.address_hash, reason=Suppression.Reason.ERASED, source=method, now=now)
        traces = _traces_of(reader)
        for rows in _rows_about(reader):
            if rows.model is ConsentEvent:
                rows.update(ip_address=None, user_agent="", source_url="", detail={})
            elif _relation(rows.model).remote_field.on_delete is CASCADE:
                rows.delete()
            else:
                _clear_traces(rows, traces)
                if _relation(rows.model).remote_field.on_delete is SET_NULL:
                    rows.update(**{_relation(rows.model).name: None})
        _token, unknown_hash = token_links.new_unsubscribe_token()
        unset = {**Preferences().columns, "address_hash": "", "domain": "", "unsubscribe_token": ""}
        unset |= {"email": None, "address_key": None, "unsubscribe_hash": unknown_hash}
        move(
            reader,
            to=Subscriber.State.ERASED,
            **NOTHING_DUE,
            paused_until=None,
            clicks_agreed_at=None,
            welcome_due_at=None,
            left_at=reader.left_at or now,
            **unset,
        )
        record(reader, ConsentEvent.Kind.ERASED, now=now, method=method, origin=Origin())
    return True


def _rows_about(subscriber: Subscriber) -> list[QuerySet[Any]]:
    """The reader's rows in every table that points to one, whichever app it is of."""
    return [
        relation.related_model._default_manager.filter(**{relation.field.name: subscriber})
        for relation in Subscriber._meta.related_objects
    ]


def _relation(model: type[Model]) -> Any:
    return next(one.field for one in Subscriber._meta.related_objects if one.related_model is model)


def forget_elsewhere(email: str, address_hash: str) -> None:
    """Erase an address from other rows: requests to move to it, letters, and what operators did to it by hand."""
    Notice.objects.filter(context__hash=address_hash).delete()
    import_string(settings.FORGET_ADDRESS)(email)
    LogEntry.objects.filter(object_repr__iexact=email).update(object_repr=_("an erased reader"))


def _traces_of(reader: Subscriber) -> set[str]:
    """The reader's address and its domain, and those they had before as far as we know them."""
    named = reader.notices.values_list("context", flat=True)
    addresses = {str(reader.email), *(str(context["to"]) for context in named if "to" in context)}
    return addresses | {address.rpartition("@")[2] for address in addresses}


def _clear_traces(rows: QuerySet[Any], traces: set[str]) -> None:
    """Empty every text that quotes one of them, and every hash and domain, here and in the rows that hang on these."""
    for column in rows.model._meta.concrete_fields:
        if column.name in {"address_hash", "domain"}:
            rows.update(**{column.name: None if column.null else ""})
        if isinstance(column, (CharField, TextField)) and not isinstance(column, JSONField) and not column.choices:
            quoting = reduce(or_, (Q(**{f"{column.name}__icontains": trace}) for trace in traces))
            rows.filter(quoting).update(**{column.name: None if column.null else ""})
    for relation in rows.model._meta.related_objects:
        _clear_traces(relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": rows}), traces)
