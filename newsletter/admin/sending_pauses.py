"""Mail streams (running or paused) and heartbeats of processes. Changed by buttons only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from newsletter import delivery
from newsletter.admin import table_cells
from newsletter.admin.confirmed_actions import Act, ActError, ask_or_act
from newsletter.admin.deliveries import ReadOnly
from newsletter.models import Edition, Heartbeat, Stream


def _pause(stream: Stream, request: HttpRequest) -> str:
    if not delivery.pause_stream(stream.name, reason=f"by {request.user}", now=timezone.now()):
        raise ActError(gettext("It is already paused."))
    return gettext("Paused. Messages already being sent will finish; no more are started.")


def _resume(stream: Stream, request: HttpRequest) -> str:
    if not delivery.resume_stream(stream.name):
        raise ActError(gettext("It is not paused."))
    return gettext("Resumed.")


def _try_now(stream: Stream, request: HttpRequest) -> str:
    now = timezone.now()
    if not delivery.is_waiting(now=now):
        raise ActError(gettext("Nothing is waiting for a later try."))
    number = delivery.try_now(now=now)
    return gettext("A worker tries again within a minute. %(number)d delayed deliveries are due now.") % {
        "number": number
    }


ACTS = {
    "pause": Act(
        label=_("Pause the stream"),
        warning=_(
            "No digest of any edition is sent until someone resumes the stream. Messages already being sent will "
            "finish."
        ),
        permission="newsletter.change_stream",
        do=_pause,
        refusal=lambda stream: gettext("It is already paused.") if stream.paused_at else "",
        tone="danger",
    ),
    "resume": Act(
        label=_("Resume the stream"),
        warning=_("Digests that are due are sent at once; those that are too late are skipped."),
        permission="newsletter.change_stream",
        do=_resume,
        refusal=lambda stream: "" if stream.paused_at else gettext("It is not paused."),
    ),
}
OF_DIGESTS = ACTS | {
    "try": Act(
        label=_("Try now"),
        warning=_(
            "Ends every wait: after a failure of the relay, for domains that limit mail, and for messages that were "
            "refused temporarily. Paused streams and editions stay paused."
        ),
        permission="newsletter.change_stream",
        do=_try_now,
        refusal=lambda stream: (
            "" if delivery.is_waiting(now=timezone.now()) else gettext("Nothing is waiting for a later try.")
        ),
    ),
}
OF_NOTICES = ACTS | {
    "pause": replace(
        ACTS["pause"],
        warning=_(
            "No confirmation, preferences link or other notice is sent until someone resumes the stream, so "
            "nobody can subscribe or change anything. Messages already being sent will finish."
        ),
    ),
    "resume": replace(ACTS["resume"], warning=_("Waiting confirmations and notices are sent at once.")),
}


def acts_of(name: str) -> dict[str, Act]:
    return {delivery.CONFIRM_STREAM: OF_NOTICES, delivery.STREAM: OF_DIGESTS}.get(name, ACTS)


def _facts_of_waits(stream: Stream) -> list[tuple[Any, Any]]:
    """Return what is waiting, and the last answer of the relay, as label and value."""
    facts: list[tuple[Any, Any]] = [
        (_("Last answer"), stream.last_reply or "–"),
        (_("Since (UTC)"), table_cells.moment(stream.down_since)),
    ]
    for row in delivery.put_off_by_edition():
        edition = Edition.objects.get(pk=row.edition)
        text = gettext("%(deferred)d refused temporarily, %(sent)d sent, %(owed)d not tried yet; one answer: %(reply)s")
        facts.append((edition, text % row._asdict()))
    return facts


@admin.register(Stream)
class StreamAdmin(ReadOnly):
    list_before_template = "admin/newsletter/streams_without_rows.html"
    list_display = ("name", "standing", "pause_reason", "last_reply", "failures", "next_probe", "button")
    fields = (
        *("name", "standing", "paused_at", "pause_reason", "down_since", "last_reply", "failures", "deferrals"),
        *("probe_at", "button"),
    )
    readonly_fields = ("standing", "button")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show our own streams, too, while nothing was sent or paused and they have no rows yet."""
        names = [delivery.STREAM, delivery.CONFIRM_STREAM]
        known = set(Stream.objects.filter(name__in=names).values_list("name", flat=True))
        unseen = {"unseen": [Stream(name=name) for name in names if name not in known]}
        return super().changelist_view(request, (extra_context or {}) | unseen)  # type: ignore[no-any-return]

    @admin.display(description=_("State"))
    def standing(self, stream: Stream) -> SafeString:
        if stream.paused_at:
            return table_cells.badge(_("paused"), "warn")
        if stream.trouble:
            return table_cells.badge(stream.get_trouble_display(), "warn")
        return table_cells.badge(_("running"), "good")

    @admin.display(description=_("Next probe (UTC)"))
    def next_probe(self, stream: Stream) -> SafeString | str:
        return table_cells.moment(stream.probe_at)

    @admin.display(description="")
    def button(self, stream: Stream) -> SafeString:
        buttons = [("resume", _("Resume")) if stream.paused_at else ("pause", _("Pause"))]
        if stream.trouble and "try" in acts_of(stream.name):
            buttons.append(("try", _("Try now")))
        return format_html_join(
            " ",
            '<a class="desk-button is-small" href="{}">{}</a>',
            ((reverse("admin:newsletter_stream_act", args=[stream.name, verb]), label) for verb, label in buttons),
        )

    def get_urls(self) -> list[URLPattern]:
        own = path("<slug:name>/act/<slug:verb>/", self.admin_site.admin_view(self.act), name="newsletter_stream_act")
        return [own, *super().get_urls()]

    def act(self, request: HttpRequest, name: str, verb: str) -> HttpResponse:
        """Pause, resume or try one stream. Our own two may not have rows yet; any other must exist."""
        acts = acts_of(name)
        if verb not in acts:
            raise Http404
        stream = Stream.objects.filter(name=name).first()
        if stream is None:
            if name not in {delivery.STREAM, delivery.CONFIRM_STREAM}:
                raise Http404
            stream = Stream(name=name)
            if request.method == "POST" and request.user.has_perm(acts[verb].permission):
                stream.save()
        facts = {"facts": [(_("State"), self.standing(stream)), *(_facts_of_waits(stream) if verb == "try" else [])]}
        back = reverse("admin:index")
        return ask_or_act(self.admin_site, request, stream, acts[verb], back=back, facts=facts)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnly):
    list_display = ("name", "last_beat", "detail")

    @admin.display(description=_("Last beat (UTC)"), ordering="at")
    def last_beat(self, beat: Heartbeat) -> SafeString | str:
        return table_cells.moment(beat.at)
