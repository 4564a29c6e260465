"""An editor's words on the desk: headline, subject, preheader, note and signature, and the same in other languages.

In: what was typed, and what its author saw before. Out: an edition's words, changed only where its author changed them;
what somebody else wrote meanwhile is shown before it is replaced. Beside it, a preview of what is not stored yet.
"""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any, cast

import css_inline
from django import forms
from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from newsletter.mail import editors_words, subject_lines
from newsletter.mail.compile_edition import SUBJECT_WIDTH, TEMPLATES, languages_in_use
from newsletter.models import Edition, EditionItem
from subscriptions import plain_text as mail_text
from subscriptions.mail import han_faces

SPOKEN = ("headline", "subject", "preheader", "editor_note")  # what may be said in each language
WORDS = (*SPOKEN, "signature")
SHOWS = {
    "mail": gettext_lazy("Mail"),
    "text": gettext_lazy("Text"),
    "site": gettext_lazy("Site"),
    "feed": gettext_lazy("Feed"),
}


def languages_of(edition: Edition | None) -> dict[str, str]:
    """Return code and name of the other languages that readers use, or that it has words in."""
    wanted = {*languages_in_use(), *(edition.translations if edition else ())}
    return {code: name for code, name in settings.LANGUAGES if code in wanted and code != settings.LANGUAGE_CODE}


class WordsForm(forms.ModelForm):  # type: ignore[type-arg]
    """An edition's words and cut-off."""

    class Meta:
        model = Edition
        fields = (*WORDS, "cutoff_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, language in languages_of(self.instance).items():
            for name in SPOKEN if SPOKEN[0] in self.fields else ():  # none where the edition is only shown
                field = deepcopy(self.fields[name])
                field.label = f"{field.label} ({language})"
                self.fields[name_of(name, code)] = field
                self.initial[name_of(name, code)] = self._stored(name_of(name, code))
        for name in self._spoken():
            self.fields[name].show_hidden_initial = True

    def _spoken(self) -> list[str]:
        return [name for name in self.fields if name.partition("__")[0] in WORDS]

    def _stored(self, name: str) -> str:
        """Return what is stored now for a field of the form."""
        field, _sign, code = name.partition("__")
        words = self.instance.translations.get(code, {}) if code else None
        return str(getattr(self.instance, field) if words is None else words.get(field, ""))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in set(self._spoken()).intersection(cleaned):
            stored = _lines(self._stored_before[name])
            if name not in self.changed_data or self.add_prefix(name) not in self.data:
                cleaned[name] = self._stored_before[name]
            elif self._seen(name, stored) != stored != _lines(cleaned[name]):
                self._show_anew(name, stored)
        return cleaned

    def full_clean(self) -> None:
        self._stored_before = {name: self._stored(name) for name in self._spoken()}  # the instance takes what is typed
        super().full_clean()

    def _seen(self, name: str, stored: str) -> str:
        return _lines(self.data.get(self[name].html_initial_name, stored))

    def _show_anew(self, name: str, stored: str) -> None:
        """Refuse once, showing what somebody else wrote; to save again replaces it."""
        posted = cast(QueryDict, self.data).copy()
        posted[self[name].html_initial_name] = stored
        self.data = posted
        said = _("Somebody else has changed this meanwhile, to: “%s”. Save again to replace it with yours.")
        self.add_error(name, said % stored)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        changed = {name for name in self._spoken() if self.cleaned_data.get(name) != self._stored_before[name]}
        translations = deepcopy(self.instance.translations)
        for name in self._spoken():
            field, sign, code = name.partition("__")
            if sign and name in self.cleaned_data:
                words = translations.setdefault(code, {})
                words |= {field: self.cleaned_data[name]}
                translations[code] = {key: text for key, text in words.items() if text}
        self.instance.translations = {code: words for code, words in translations.items() if words}
        if any(name.startswith("editor_note") for name in changed):
            self.instance.note_is_markdown = True


def name_of(field: str, code: str) -> str:
    return f"{field}__{code}"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def preview(request: HttpRequest, edition: Edition) -> str:
    """Return a page that shows the words of a posted form, which are not stored, as `show` in the language `in`."""
    form = WordsForm(request.POST, instance=copy(edition))
    form.is_valid()  # what is refused is shown as typed: the form tells why when it is saved
    show = request.POST.get("show", "mail")
    code = request.POST.get("in", settings.LANGUAGE_CODE)
    with translation.override(code if code in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE):
        page = render_to_string("admin/newsletter/words_preview.html", _shown(form.instance, show, request))
        style = render_to_string(f"{TEMPLATES}/style.css", {"han_faces": han_faces()})
    if show != "mail":
        return page
    return str(css_inline.CSSInliner(extra_css=style, load_remote_stylesheets=False).inline(page))


def _shown(edition: Edition, show: str, request: HttpRequest) -> dict[str, Any]:
    first = edition.items.exclude(standing__in=EditionItem.UNLISTED).select_related("paper").first()
    title = first.paper.title if first else ""
    own = subject_lines.own_subject(edition, title, width=SUBJECT_WIDTH)
    return {
        "edition": edition,
        "show": show if show in SHOWS else "mail",
        "origin": request.build_absolute_uri("/").rstrip("/"),
        "LANGUAGE_CODE": translation.get_language(),
        "headline": subject_lines.headline(edition),
        "subject": own or mail_text.shorten(title, width=SUBJECT_WIDTH),
        "preheader": editors_words.said(edition, "preheader"),
        "note": editors_words.note_html(edition),
        "note_in_mail": editors_words.note_in_mail(edition),
        "note_text": editors_words.note_text(edition),
    }
