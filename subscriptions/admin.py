"""The operator's view of readers: who gets what, what they agreed to, and whom we never write to.

In: an operator with permission. Out: reading, and a few acts that go through lifecycle so that they are recorded.
Nobody edits a reader's wishes here, and the consent record cannot be changed by anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.shortcuts import render
from django.utils import timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from subscriptions import gdpr, lifecycle, preferences_link, schedule, suppression
from subscriptions import list_imports_admin as _registered  # noqa: F401
from subscriptions.addresses import parse_address
from subscriptions.desk_forms import BarsAddresses, ExportsReaders, MakesKeys
from subscriptions.lifecycle import Origin
from subscriptions.models import (
    ApiKey,
    ConsentEvent,
    Follow,
    Interest,
    Notice,
    RefusedRequest,
    Subscriber,
    Suppression,
    Topic,
    TopicPreference,
    TopicTranslation,
)
from subscriptions.tasks import wake_sender
from subscriptions.token_links import address_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse


class ReadOnly:
    """Read-only admin: these rows are written elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PreferenceInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = TopicPreference
    extra = 0
    hide_title = True
    fields = ("topic", "stance")


class FollowInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Follow
    extra = 0
    hide_title = True
    fields = ("text", "stance", "interest", "at")


class InterestInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Interest
    extra = 0
    hide_title = True
    fields = ("name", "is_on", "share", "unit")


class ConsentInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = ConsentEvent
    extra = 0
    hide_title = True
    verbose_name_plural = _("consent record")
    fields = ("at", "kind", "method", "form_version", "source_url", "ip_address", "detail")


class NoticeInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Notice
    extra = 0
    hide_title = True
    fields = ("created_at", "kind", "state", "attempts", "settled_at", "error")


class ShownFiltersOnly:
    """Allow only the filters that the list shows: others would let hidden values be guessed bit by bit."""

    list_filter: Any
    date_hierarchy: str | None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        named = [each if isinstance(each, str) else each[0] for each in self.list_filter if not isinstance(each, type)]
        offered = {name.partition("__")[0] for name in (*named, self.date_hierarchy or "", "id", "pk")}
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]
        return allowed and lookup.partition("__")[0] in offered


class LinesField(forms.CharField):
    """A list of words, one a line, for people who do not write JSON."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 5}), **kwargs})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        return [line.strip() for line in map(str, lines) if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))

    def validate(self, value: Any) -> None:
        """Accept any text."""

    def run_validators(self, value: Any) -> None:
        """Never read the text as code or as a regular expression."""


class TopicForm(forms.ModelForm):  # type: ignore[type-arg]
    keywords = LinesField(label=_("Keywords"), help_text=_("Phrases that papers of this topic use, one per line."))

    class Meta:
        model = Topic
        fields = ("name", "slug", "description", "keywords", "position", "is_active", "field")


class TopicTranslationForm(forms.ModelForm):  # type: ignore[type-arg]
    language = forms.ChoiceField(
        label=_("Language"), choices=lambda: [one for one in settings.LANGUAGES if not one[0].startswith("en")]
    )

    class Meta:
        model = TopicTranslation
        fields = ("language", "name", "description")


class TopicTranslationInline(TabularInline):  # type: ignore[misc]
    model = TopicTranslation
    form = TopicTranslationForm
    extra = 0
    hide_title = True


@admin.register(Topic)
class TopicAdmin(ModelAdmin):  # type: ignore[misc]
    form = TopicForm
    list_display = ("name", "field", "description", "position", "is_active")
    list_editable = ("position", "is_active")
    list_filter = ("is_active", "field")
    actions = ("switch_on", "switch_off")
    list_per_page = 200
    search_fields = ("name", "description")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (TopicTranslationInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Topic | None = None) -> bool:
        """Never: a topic is switched off, not deleted, because readers' preferences refer to it."""
        return False

    @admin.action(description=_("Switch on, for papers that come in from now on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Topic]) -> None:
        queryset.update(is_active=True)

    @admin.action(description=_("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Topic]) -> None:
        queryset.update(is_active=False)


@admin.register(Subscriber)
class SubscriberAdmin(ExportsReaders, ShownFiltersOnly, ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("email", "state", "cadence", "local_hour", "next_due_at", "confirmed_at", "left_at")
    list_filter = ("state", "cadence", "mail_format", "language")
    search_fields = ("email",)
    search_help_text = _("Search by full email address.")
    ordering = ("-pk",)
    show_full_result_count = False
    list_per_page = 50
    inlines = (PreferenceInline, InterestInline, FollowInline, ConsentInline, NoticeInline)
    exclude = ("unsubscribe_token", "unsubscribe_hash", "address_key", "weekdays")
    readonly_fields = ("days",)
    change_form_before_template = "admin/subscriptions/reader_panel.html"
    actions = ("unsubscribe_readers", "suppress_readers", "mail_preferences_link", "erase_readers")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Subscriber], search_term: str
    ) -> tuple[QuerySet[Subscriber], bool]:
        """Search by the exact address only: it uses the index, and nobody can browse addresses by parts."""
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(address_key=parse_address(search_term).key), False
        except ValueError:
            return queryset.none(), False

    @admin.display(description=_("days"))
    def days(self, reader: Subscriber) -> str:
        """Days of the week on which a daily digest is due."""
        return ", ".join(str(name) for bit, name in WEEKDAYS_ABBR.items() if reader.weekdays >> bit & 1)

    @admin.display(description=_("local hour"))
    def local_hour(self, reader: Subscriber) -> str:
        if schedule.is_zone(reader.time_zone):
            return f"{reader.hour:02}:00 {reader.time_zone}"
        return f"{reader.hour:02}:00 UTC ({reader.time_zone}?)"  # an unknown zone counts as UTC and is shown

    def has_act_on_readers_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_subscriber")

    def has_erase_readers_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.delete_subscriber")

    @admin.action(description=_("Unsubscribe"), permissions=["act_on_readers"])
    def unsubscribe_readers(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        self._each(
            request,
            queryset,
            lambda reader: lifecycle.unsubscribe(reader, now=timezone.now(), method="admin", origin=Origin()),
        )

    @admin.action(description=_("Suppress: never send to this address again"), permissions=["act_on_readers"])
    def suppress_readers(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        self._each(
            request,
            queryset,
            lambda reader: suppression.suppress(
                reader, reason=Suppression.Reason.ADMIN, source=_operator(request), now=timezone.now()
            ),
        )

    @admin.action(description=_("Email the preferences link"), permissions=["act_on_readers"])
    def mail_preferences_link(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        def mail(reader: Subscriber) -> bool:
            if reader.email is None:
                return False
            address = parse_address(reader.email)
            return preferences_link.ask_link(address, now=timezone.now(), origin=Origin()) is not None

        self._each(request, queryset, mail)
        transaction.on_commit(wake_sender, robust=True)

    @admin.action(description=_("Erase for good"), permissions=["erase_readers"])
    def erase_readers(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> HttpResponse | None:
        """Erase the chosen readers once their number was typed: a wrong tick must not erase everybody."""
        count = queryset.count()
        if request.POST.get("typed") != str(count):
            context = {
                **self.admin_site.each_context(request),
                "title": _("Erase for good"),
                "readers": queryset,
                "count": count,
                "was_wrong": "typed" in request.POST,
            }
            return render(request, "admin/subscriptions/erase_readers.html", context)
        self._each(request, queryset, lambda reader: gdpr.erase(reader, now=timezone.now(), method=_operator(request)))
        return None

    def _each(self, request: HttpRequest, readers: QuerySet[Subscriber], act: Callable[[Subscriber], object]) -> None:
        """Apply ``act`` to each chosen reader, write the admin log, and tell the operator how many changed."""
        changed = [reader for reader in readers if act(reader)]
        what = str(dict(self.get_action_choices(request)).get(request.POST.get("action", ""), ""))
        for reader in changed:
            reader.email = None  # the log outlives erasure: it keeps which row it was, not whose
            self.log_change(request, reader, what)
        text = ngettext("%(count)d reader changed.", "%(count)d readers changed.", len(changed))
        self.message_user(request, text % {"count": len(changed)}, messages.SUCCESS)


def _operator(request: HttpRequest) -> str:
    return f"admin:{request.user.pk}"


@admin.register(RefusedRequest)
class RefusedRequestAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Requests that were refused, counted by day and reason."""

    list_display = ("on", "reason", "requests")
    list_filter = ("reason",)
    date_hierarchy = "on"


@admin.register(Suppression)
class SuppressionAdmin(BarsAddresses, ShownFiltersOnly, ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("__str__", "reason", "source", "first_at", "last_at", "lifted_at")
    list_filter = ("reason", ("lifted_at", admin.EmptyFieldListFilter))
    search_fields = ("address_hash",)
    search_help_text = _("Search by full email address. The list holds only fingerprints.")
    actions = ("lift_suppressions",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(address_hash=address_hash(parse_address(search_term).key)), False
        except ValueError:
            return queryset.none(), False

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_suppression")

    @admin.action(description=_("Lift: the address may subscribe again"), permissions=["lift"])
    def lift_suppressions(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        lifted = [row for row in queryset if suppression.lift(row, now=timezone.now())]
        for row in lifted:
            self.log_change(request, row, gettext("lift"))
        text = ngettext("%(count)d suppression lifted.", "%(count)d suppressions lifted.", len(lifted))
        self.message_user(request, text % {"count": len(lifted)}, messages.SUCCESS)


@admin.register(Notice)
class NoticeAdmin(ShownFiltersOnly, ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("subscriber", "kind", "state", "created_at", "attempts", "settled_at", "error")
    list_filter = ("state", "kind")
    list_select_related = ("subscriber",)
    ordering = ("-pk",)
    show_full_result_count = False
    exclude: Sequence[Any] = ("context",)
    actions = ("send_again",)

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_notice")

    @admin.action(description=_("Send again (failed or unknown)"), permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        now = timezone.now()
        ended = queryset.filter(state__in=[Notice.State.FAILED, Notice.State.UNKNOWN])
        count = ended.update(
            state=Notice.State.QUEUED, not_before=now, created_at=now, attempts=0, settled_at=None, error=""
        )
        transaction.on_commit(wake_sender, robust=True)
        self.message_user(request, ngettext("%d email queued.", "%d emails queued.", count) % count, messages.SUCCESS)


@admin.register(ApiKey)
class ApiKeyAdmin(MakesKeys, ShownFiltersOnly, ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Keys are shown once, when they are made; here they are made and end."""

    list_display = ("name", "may", "created_at", "last_used_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    ordering = ("-pk",)
    actions = ("revoke_keys",)

    @admin.display(description=_("Scope"))
    def may(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_apikey")

    @admin.action(description=_("Revoke the key"), permissions=["revoke"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        valid = list(ApiKey.objects.valid().filter(pk__in=queryset))
        count = ApiKey.objects.filter(pk__in=[key.pk for key in valid]).revoke(now=timezone.now())
        for key in valid:
            self.log_change(request, key, gettext("revoke"))
        text = ngettext("%(count)d key revoked.", "%(count)d keys revoked.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
