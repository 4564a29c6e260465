"""What operators write in the browser rather than in a shell: an API key, a barred address, a CSV file of readers.

In: a signed-in person with the permission. Out: rows by the same steps that the commands call, and a line in the log.
"""

from __future__ import annotations

import csv
import logging
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import StreamingHttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from subscriptions import csv_export, suppression, token_links
from subscriptions.addresses import parse_address
from subscriptions.models import ApiKey, Subscriber, Suppression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from django.urls import URLPattern

log = logging.getLogger("subscriptions.audit")


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A key: which program, and what it may write."""

    name = forms.CharField(label=_("Program"), max_length=80, widget=UnfoldAdminTextInputWidget)
    scopes = forms.MultipleChoiceField(
        label=_("Scope"), choices=ApiKey.Scope.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes")


class MadeInTheBrowser:
    """A page of rows that may be added, by whoever has the permission, and never edited."""

    opts: Any

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.add_{self.opts.model_name}")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            return self.add_form  # type: ignore[attr-defined]
        return super().get_form(request, obj, change, **kwargs)  # type: ignore[misc]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(self.add_form.base_fields) if obj is None else super().get_fields(request, obj)  # type: ignore


class MakesKeys(MadeInTheBrowser):
    add_form = KeyForm

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Store the key's hash, and show the key itself once."""
        key, obj.key_hash = token_links.new_api_key()
        obj.created_at = timezone.now()
        obj.save()
        log.info("API key %s made for %s, by %s", obj.name, ", ".join(obj.scopes), request.user)
        messages.warning(request, gettext("Copy the key now, it is not shown again: %s") % key)


class AddressForm(forms.ModelForm):  # type: ignore[type-arg]
    """An address that must not be mailed."""

    email = forms.CharField(label=_("Address"), max_length=320, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Suppression
        fields = ()

    def clean_email(self) -> str:
        try:
            return token_links.address_hash(parse_address(self.cleaned_data["email"]).key)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class BarsAddresses(MadeInTheBrowser):
    add_form = AddressForm

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """Bar the address and end its reader's subscription; one that is barred already stays so."""
        hashed, now = form.cleaned_data["email"], timezone.now()
        suppression.suppress_address(
            hashed, reason=Suppression.Reason.ADMIN, source=f"admin {request.user}"[:64], now=now
        )
        obj.__dict__.update(Suppression.objects.get(address_hash=hashed).__dict__)


class ExportsReaders:
    """A button above the list of readers: all of them as CSV, as `export_readers` writes it."""

    admin_site: Any
    list_before_template = "admin/subscriptions/export_readers.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.export))
        return [path("export/", view, name="subscriptions_subscriber_export"), *super().get_urls()]  # type: ignore[misc]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        if not request.user.has_perm("subscriptions.change_subscriber"):
            raise PermissionDenied
        log.info("Readers exported, by %s", request.user)
        answer = StreamingHttpResponse(_lines(), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="readers.csv"'
        return answer


class _Echo:
    def write(self, text: str) -> str:
        return text


def _lines() -> Iterator[str]:
    writer = csv.writer(_Echo())
    states = [Subscriber.State.CONFIRMED, Subscriber.State.PAUSED]
    yield from (writer.writerow(cells) for cells in csv_export.export_lines(states=states))
