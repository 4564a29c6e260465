"""The form of an edition's page in the desk, as a browser sends it back."""

from __future__ import annotations

from typing import Any

from django.test import Client

from newsletter.models import Edition


def url_of(edition: Edition) -> str:
    return f"/admin/newsletter/edition/{edition.pk}/change/"


def form_of(client: Client, edition: Edition) -> dict[str, Any]:
    """What a browser sends back of the page."""
    page = client.get(url_of(edition))
    data: dict[str, Any] = {"cutoff_at_0": "2026-03-18", "cutoff_at_1": "11:00:00"}
    forms: list[Any] = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for field in (field for form in forms for field in form if field.name != "cutoff_at"):
        value = field.value()
        data[field.html_name] = str("" if value is None else getattr(value, "pk", value))
        if field.field.show_hidden_initial:
            data[field.html_initial_name] = data[field.html_name]
    return data
