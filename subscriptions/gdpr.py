"""What readers may ask of us about their data: take it all, or have it forgotten.

In: a reader. Out: everything we hold as plain values; or a row without a name and a hash on the suppression list.
Erasing twice is erasing once. Rows of other apps are found through their foreign keys: this package knows none by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import CASCADE, SET_NULL, CharField, JSONField, TextField

from subscriptions import links
from subscriptions.lifecycle import NOTHING_DUE, Origin, Wishes, bar_address, move, record, wishes_of
from subscriptions.models import ConsentEvent, Subscriber, Suppression

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
            "topics": dict(wishes_of(subscriber).stances),
            **{rows.model._meta.model_name: list(rows.values()) for rows in _rows_about(subscriber)},
        }


def erase(subscriber: Subscriber, *, now: datetime, method: str) -> bool:
    """Forget who this was. What stays: numbers without a name, and the keyed hash on the suppression list.

    Whatever belongs to the reader (CASCADE) is deleted; what they gave to everybody (SET_NULL) stays without them, and
    the accounts of what was sent (PROTECT) stay too, both cleared of the address. The consent record keeps what
    happened when, not from where.
    """
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        if reader.email is None:
            return False
        bar_address(reader.address_hash, reason=Suppression.Reason.ERASED, source=method, now=now)
        for rows in _rows_about(reader):
            if rows.model is ConsentEvent:
                rows.update(ip_address=None, user_agent="", source_url="", detail={})
            elif _relation(rows.model).remote_field.on_delete is CASCADE:
                rows.delete()
            else:
                _clear_address(rows, reader.email)
                if _relation(rows.model).remote_field.on_delete is SET_NULL:
                    rows.update(**{_relation(rows.model).name: None})
        _token, unknown_hash = links.new_unsubscribe_token()
        unset = {**Wishes().columns, "address_hash": "", "domain": "", "unsubscribe_token": ""}
        unset |= {"email": None, "address_key": None, "unsubscribe_hash": unknown_hash}
        move(
            reader,
            to=Subscriber.State.ERASED,
            **NOTHING_DUE,
            paused_until=None,
            clicks_agreed_at=None,
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


def _clear_address(rows: QuerySet[Any], email: str) -> None:
    """Empty every text that quotes the address or its hash or domain, here and in the rows that hang on these."""
    for column in rows.model._meta.concrete_fields:
        if column.name in {"address_hash", "domain"}:
            rows.update(**{column.name: None if column.null else ""})
        if isinstance(column, (CharField, TextField)) and not isinstance(column, JSONField) and not column.choices:
            rows.filter(**{f"{column.name}__icontains": email}).update(**{column.name: ""})
    for relation in rows.model._meta.related_objects:
        _clear_address(relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": rows}), email)
