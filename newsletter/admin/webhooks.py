"""Webhooks: endpoints, the messages sent to them, and their responses.

In: an operator's entries and clicks. Out: calls of the webhooks step. A secret is shown once, when it is made, and
never written to the log.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from newsletter.admin import table_cells
from newsletter.admin.confirmed_actions import Act, ask_or_act
from newsletter.admin.deliveries import ReadOnly
from newsletter.delivery import webhooks
from newsletter.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from newsletter.models.webhooks import every_event
from subscriptions.admin import ShownFiltersOnly

EVENTS = [
    (kind.value, format_lazy("{}: {}", kind.value, kind.label))
    for kind in WebhookEvent.Kind
    if kind != WebhookEvent.Kind.TEST
]


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("An https URL that answers a POST with a 2xx status within a few seconds."),
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=EVENTS,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=every_event,
        help_text=_("The events sent to it."),
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "events", "is_active")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            webhooks.check_address(url, rules=webhooks.rules())
        except webhooks.AddressError as error:
            raise ValidationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        return url


def _test(endpoint: WebhookEndpoint, request: HttpRequest) -> str:
    webhooks.send_test(endpoint, now=timezone.now())
    return gettext("A test message was queued. The log will show the result within a minute.")


def _new_secret(endpoint: WebhookEndpoint, request: HttpRequest) -> str:
    secret = webhooks.give_secret(endpoint, now=timezone.now())
    endpoint.save(update_fields=["secret", "former_secret", "former_until"])
    _show_once(request, secret)
    return gettext("The new secret is in use. Messages are also signed with the old one for a day.")


def _leave_off(endpoint: WebhookEndpoint, request: HttpRequest) -> str:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(off_reason="")
    return gettext("The alarm was cleared. The webhook stays off.")


def _show_once(request: HttpRequest, secret: str) -> None:
    messages.warning(
        request, gettext("Copy the secret now; it will not be shown again: %(secret)s") % {"secret": secret}
    )


ACTS = {
    "test": Act(
        label=_("Send a test"),
        warning=_("Posts a signed message of the kind “test” to this address."),
        permission="newsletter.change_webhookendpoint",
        do=_test,
        refusal=lambda row: "" if row.is_active else gettext("This webhook is switched off. Switch it on first."),
    ),
    "leave-off": Act(
        label=_("Clear the alarm"),
        warning=_(
            "It was switched off because it stopped accepting messages. This clears the alarm and leaves it off."
        ),
        permission="newsletter.change_webhookendpoint",
        do=_leave_off,
        refusal=lambda row: "" if row.off_reason else gettext("This endpoint has no alarm to clear."),
    ),
    "new-secret": Act(
        label=_("Rotate the secret"),
        warning=_(
            "The secret is shown once. For a day messages are signed with both, so that the receiver can switch."
        ),
        permission="newsletter.change_webhookendpoint",
        do=_new_secret,
    ),
}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ShownFiltersOnly, ModelAdmin):  # type: ignore[misc]
    form = EndpointForm
    list_display = ("name", "standing", "url", "failing", "history")
    list_filter = ("is_active",)
    fields = ("url", "description", "events", "is_active", "standing", "failing", "history", "buttons")
    readonly_fields = ("standing", "failing", "history", "buttons")

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        return self.fields if obj else self.fields[:4]

    def has_delete_permission(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> bool:
        """Never: switch it off instead. Its log stays."""
        return False

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.created_at = now
            _show_once(request, webhooks.give_secret(obj, now=now))
        if "is_active" in form.changed_data:
            obj.off_reason, obj.failing_since = "", None
        super().save_model(request, obj, form, change)

    @admin.display(description=_("Webhook"), ordering="pk")
    def name(self, row: WebhookEndpoint) -> str:
        return str(row)

    @admin.display(description=_("State"))
    def standing(self, row: WebhookEndpoint) -> SafeString:
        if row.is_active:
            return table_cells.badge(_("failing"), "warn") if row.failing_since else table_cells.badge(_("on"), "good")
        off = table_cells.badge(_("off"), "bad" if row.off_reason else "")
        return format_html("{} {}", off, row.off_reason)

    @admin.display(description=_("Failing since (UTC)"))
    def failing(self, row: WebhookEndpoint) -> SafeString | str:
        return table_cells.moment(row.failing_since)

    @admin.display(description=_("Log"))
    def history(self, row: WebhookEndpoint) -> SafeString:
        url = reverse("admin:newsletter_webhookdelivery_changelist")
        label = _("Deliveries")
        return format_html('<a class="desk-link" href="{}?endpoint__id__exact={}">{}</a>', url, row.pk, label)

    @admin.display(description=_("Actions"))
    def buttons(self, row: WebhookEndpoint) -> SafeString:
        links = (
            (reverse("admin:newsletter_webhookendpoint_act", args=[row.pk, verb]), one.label)
            for verb, one in ACTS.items()
            if not one.refusal(row)
        )
        return format_html_join(" ", '<a class="desk-button is-small" href="{}">{}</a>', links)

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<int:pk>/act/<slug:verb>/", self.admin_site.admin_view(self.act), name="newsletter_webhookendpoint_act"
        )
        return [own, *super().get_urls()]

    def act(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        if verb not in ACTS:
            raise Http404
        row = get_object_or_404(WebhookEndpoint, pk=pk)
        back = reverse("admin:newsletter_webhookendpoint_change", args=[pk])
        facts = {"facts": [(_("Address"), row.url), (_("State"), self.standing(row))]}
        return ask_or_act(self.admin_site, request, row, ACTS[verb], back=back, facts=facts)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly):
    list_display = ("number", "endpoint", "event", "state_label", "attempts", "status", "excerpt", "owed", "made")
    list_filter = ("state", "event__kind", "endpoint")
    list_select_related = ("endpoint", "event", "event__edition")
    list_per_page = 50
    ordering = ("-pk",)
    actions = ("send_again",)
    fields = readonly_fields = (
        *("endpoint", "event", "uid", "state_label", "attempts", "owed", "made", "log", "body"),
    )
    paginator = table_cells.BoundedPaginator
    show_full_result_count = False

    @admin.display(description="#", ordering="pk")
    def number(self, row: WebhookDelivery) -> str:
        return f"#{row.pk}"

    @admin.display(description=_("State"), ordering="state")
    def state_label(self, row: WebhookDelivery) -> SafeString:
        return table_cells.state_badge(row)

    @admin.display(description=_("Next try (UTC)"), ordering="next_at")
    def owed(self, row: WebhookDelivery) -> SafeString | str:
        return table_cells.moment(row.next_at)

    @admin.display(description=_("Queued at (UTC)"), ordering="created_at")
    def made(self, row: WebhookDelivery) -> SafeString | str:
        return table_cells.moment(row.created_at)

    @admin.display(description="webhook-id")
    def uid(self, row: WebhookDelivery) -> str:
        return row.event.uid

    @admin.display(description=_("Attempts"))
    def log(self, row: WebhookDelivery) -> SafeString | str:
        lines = (
            (table_cells.moment(parse_datetime(at)), status or "—", took, said) for at, status, took, said in row.tries
        )
        found = format_html_join("", "<li>{} · {} · {} ms<small>{}</small></li>", lines)
        return format_html('<ol class="desk-digest">{}</ol>', found) if found else "—"

    @admin.display(description=_("Body"))
    def body(self, row: WebhookDelivery) -> SafeString:
        return format_html('<pre class="desk-mono">{}</pre>', row.event.body[:4000])

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("newsletter.change_webhookdelivery")

    @admin.action(description=_("Send again"), permissions=["operate"])
    def send_again(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> None:
        for row in rows.select_related("endpoint", "event"):
            self.log_change(request, row, gettext("send again"))
        count = webhooks.send_again(rows, now=timezone.now())
        text = ngettext("%d message was queued again.", "%d messages were queued again.", count)
        messages.success(request, text % count)
