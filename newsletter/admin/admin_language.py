"""The language of the desk: what a person chose there, else their browser's. Readers' pages and mails are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Field
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from newsletter.models import StaffPreferences

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

LANGUAGES = {"en": "English", "de": "Deutsch"}  # each but English has a catalogue in newsletter/admin/locale


class AdminLanguageMiddleware:
    """Activate the language of the person on the desk's pages. Stands after LocaleMiddleware and the sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(reverse("admin:index")):
            language = StaffPreferences.language_of(request.user) or str(request.LANGUAGE_CODE)
            request.LANGUAGE_CODE = language if language in LANGUAGES else "en"
            translation.activate(request.LANGUAGE_CODE)
        return self._get_response(request)


def translate_names() -> None:
    """Have the names of models and fields that Django makes up translated where the desk shows them.

    Set here and not on the models: a name that stands on a model is written into a migration.
    """
    shown = {
        *admin.site._registry,
        *(inline.model for page in admin.site._registry.values() for inline in page.inlines),
    }
    for model in shown:
        names = [(model._meta, name) for name in ("verbose_name", "verbose_name_plural")]
        names += [(field, "verbose_name") for field in model._meta.get_fields() if isinstance(field, Field)]
        for of, name in names:
            said = getattr(of, name)
            if not isinstance(said, Promise) or name not in getattr(of, "original_attrs", [name]):  # its own plural
                setattr(of, name, gettext_lazy(_in_english(said)))


def _in_english(said: Any) -> str:
    with translation.override(None):
        return str(said)
