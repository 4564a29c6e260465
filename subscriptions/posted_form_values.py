"""What a person typed into a form, right or wrong: kept, put into the form again, or told in words.

In: a form and what was posted. Out: lists of strings by field name, which JSON takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.forms import Form, Textarea
from django.http import QueryDict
from django.utils.translation import gettext

if TYPE_CHECKING:
    from collections.abc import Mapping

_VALUES, _LENGTH = 20, 500  # of one field; no field of one line takes more


def fields_of(form: Form, data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Values in ``data`` for the fields of ``form``; none when the data could not be read."""
    if not isinstance(data, QueryDict):
        return {}
    typed = {name: [_plain(value, form, name) for value in data.getlist(name)[:_VALUES]] for name in form.fields}
    return {name: values for name, values in typed.items() if any(values)}


def as_data(fields: Mapping[str, list[str]]) -> QueryDict:
    """Turn stored values back into form data."""
    return QueryDict(urlencode(fields, doseq=True))


def in_words(form: Form, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Describe the values to a person: (label, names of what was chosen)."""
    told = []
    for name, values in fields_of(form, data).items():
        names = {str(value): str(label) for value, label in getattr(form.fields[name], "choices", [("on", "✓")])}
        if not form[name].is_hidden:
            told.append((str(form[name].label), gettext(", ").join(names.get(value, value) for value in values)))
    return told


def _plain(value: str, form: Form, name: str) -> str:
    field = form.fields[name]
    allowed = "\n\t" if isinstance(field.widget, Textarea) else ""
    length = max(_LENGTH, getattr(field, "max_length", None) or 0)
    return "".join(char for char in value[:length].replace("\r\n", "\n") if char.isprintable() or char in allowed)
