"""The desk's page of relay and sender names: what is in force, a change tried by real test mails, and the way back.

In: an operator. Out: a version that counts only after every one of its test mails was accepted. A stored password is
never shown and never sent to another server than the one it was typed for.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from newsletter import delivery
from newsletter.admin.deliveries import ReadOnly
from newsletter.delivery import trial_mail
from newsletter.delivery.transports import OutcomeKind
from subscriptions import mail_settings
from subscriptions.addresses import Address, is_loopback, parse_address
from subscriptions.models import MailSettings
from subscriptions.settings_from_env import is_server

WITHIN = 20.0  # seconds for one test mail: a page must come before a proxy gives up
ENCRYPTIONS = {
    "smtp+tls": gettext_lazy("STARTTLS (usually port 587)"),
    "smtp+ssl": gettext_lazy("TLS from the first byte (usually port 465)"),
    "smtp": gettext_lazy("none (a relay on this machine or network)"),
}
_PORTS = {"smtp+tls": 587, "smtp+ssl": 465, "smtp": 25}
_NAME = r"\A[^<>\"\\\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z"


class MailSettingsForm(forms.Form):
    """Form of one version. Without a server, mail goes on by the relay of the environment."""

    host = forms.CharField(
        label=gettext_lazy("Server"),
        required=False,
        max_length=250,
        help_text=gettext_lazy("Such as mail.example.org. Empty: the relay of EMAIL_URL and DIGEST_RELAYS."),
    )
    port = forms.IntegerField(label=gettext_lazy("Port"), required=False, min_value=1, max_value=65535)
    scheme = forms.ChoiceField(label=gettext_lazy("Encryption"), choices=list(ENCRYPTIONS.items()))
    username = forms.CharField(label=gettext_lazy("User"), required=False, max_length=250)
    password = forms.CharField(
        label=gettext_lazy("Password"), required=False, max_length=500, strip=False, widget=forms.PasswordInput
    )
    digest_name = forms.RegexField(_NAME, label=gettext_lazy("Sender name of digests"), required=False, max_length=100)
    notice_name = forms.RegexField(
        _NAME, label=gettext_lazy("Sender name of confirmations and notices"), required=False, max_length=100
    )
    test_address = forms.CharField(
        label=gettext_lazy("Send the test mails to"),
        max_length=254,
        help_text=gettext_lazy("A mailbox of yours. Nothing changes before they are accepted and you say so."),
    )

    def __init__(self, data: Any, *, chosen: MailSettings | None) -> None:
        self.stored = urlsplit(mail_settings.relay_url(chosen))
        names = {"digest_name": chosen.digest_name, "notice_name": chosen.notice_name} if chosen else {}
        super().__init__(data, initial=names | _shown(self.stored))
        if self.stored.password:
            self.fields["password"].help_text = _("One is set. Empty: keep it, for the same server and user.")

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"].strip("[] ").lower()
        if host and not is_server(host):
            raise forms.ValidationError(_("No server can be called so. Write a host name or an IP address alone."))
        return host

    def clean_test_address(self) -> Address:
        try:
            address = parse_address(self.cleaned_data["test_address"])
        except ValueError as error:
            raise forms.ValidationError(_("This is no mail address.")) from error
        if reason := trial_mail.why_not(address):
            raise forms.ValidationError(reason)
        return address

    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        if self.errors:
            return told
        if not told["host"]:
            if told["username"] or told["password"] or told["port"]:
                self.add_error("host", _("Name the server too, or empty port, user and password."))
            return told
        told["port"] = told["port"] or _PORTS[told["scheme"]]
        if not told["password"] and (told["host"], told["port"], told["username"]) == _account(self.stored):
            told["password"] = unquote(self.stored.password or "")
        if bool(told["username"]) != bool(told["password"]):
            self.add_error("password", _("User and password go together: type both, or neither."))
        elif told["password"] and told["scheme"] == "smtp" and not is_loopback(told["host"]):
            self.add_error("scheme", _("The password would travel unencrypted. Choose one of the other two."))
        return told

    def version(self, *, by: str) -> MailSettings:
        """Make the version that was typed, not saved yet."""
        told = self.cleaned_data
        return MailSettings(
            relay=mail_settings.seal(_url(told)) if told["host"] else "",
            digest_name=told["digest_name"],
            notice_name=told["notice_name"],
            by=by,
            made_at=timezone.now(),
        )


@admin.register(MailSettings)
class MailSettingsAdmin(ReadOnly):
    fields = readonly_fields = ("digest_name", "notice_name", "by", "made_at", "tried_at", "in_force_at", "ended_at")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        """Show what is in force; on POST try a change, put a tried one in force, or go back."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = mail_settings.in_force()
        form = MailSettingsForm(request.POST if "try" in request.POST else None, chosen=chosen)
        if request.method == "POST":
            if not request.user.has_perm("subscriptions.change_mailsettings"):
                raise PermissionDenied
            if "try" not in request.POST:
                self._put_in_force(request) if "use" in request.POST else self._go_back(request)
                return HttpResponseRedirect(reverse("admin:subscriptions_mailsettings_changelist"))
            if form.is_valid():
                self._try(request, form)
        tried = MailSettings.objects.filter(tried_at__isnull=False).first()
        context = self.admin_site.each_context(request) | {
            "title": _("Mail settings"),
            "opts": self.opts,
            "form": form,
            "chosen": chosen,
            "facts": _facts(chosen),
            "waiting": tried if tried and not tried.in_force_at else None,
            "waiting_facts": _facts(tried),
            "is_lost": bool(chosen and chosen.relay and not mail_settings.relay_url(chosen)),
            "may_change": request.user.has_perm("subscriptions.change_mailsettings"),
        }
        return render(request, "admin/subscriptions/mail_settings.html", context)

    def _try(self, request: HttpRequest, form: MailSettingsForm) -> None:
        """Send a test mail by each way out; keep the version when all were accepted, else say what was answered."""
        version = form.version(by=request.user.get_username())
        address, refused = form.cleaned_data["test_address"], 0
        for route in trial_mail.routes(version):
            result = trial_mail.send(route, address, now=timezone.now(), within=WITHIN)
            refused += result.kind is not OutcomeKind.SENT
            said = " ".join(filter(None, (str(result.code or ""), result.text))) or _("no answer")
            if result.kind is OutcomeKind.SENT:
                messages.success(request, _("%(route)s: accepted (%(said)s)") % {"route": route, "said": said})
            else:
                phase = {"route": route, "phase": result.phase, "said": said}
                messages.error(request, _("%(route)s: not accepted at %(phase)s (%(said)s)") % phase)
        if refused:
            messages.warning(request, _("Nothing was changed: correct the settings and try again."))
            return
        version.tried_at = timezone.now()
        version.save()
        self.log_change(request, version, _("tried"))

    def _put_in_force(self, request: HttpRequest) -> None:
        version = MailSettings.objects.filter(pk=request.POST["use"]).first() if request.POST["use"].isdigit() else None
        if version is None or not mail_settings.put_in_force(version):
            messages.warning(request, _("These settings count already, or were never tried. Nothing was changed."))
            return
        self.log_change(request, version, _("put in force"))
        self._ring(request, _("In force. Mail that is being sent finishes as it was; within a minute all uses it."))

    def _go_back(self, request: HttpRequest) -> None:
        chosen = mail_settings.in_force()
        if chosen is None or not mail_settings.go_back():
            messages.warning(request, _("Nothing is set here: the environment says how mail leaves."))
            return
        self.log_change(request, chosen, _("went back"))
        self._ring(request, _("What was before is in force again, for all mail within a minute."))

    def _ring(self, request: HttpRequest, sentence: str) -> None:
        delivery.try_now(now=timezone.now())  # what waited for the relay before has no reason to
        messages.success(request, sentence)


def _facts(chosen: MailSettings | None) -> list[tuple[Any, Any]]:
    relay = urlsplit(mail_settings.relay_url(chosen))
    shown = [(_("Relay"), _("%(servers)s, of the environment") % {"servers": _servers_of_environment()})]
    if relay.hostname:
        shown = [(_("Relay"), f"{relay.hostname}:{relay.port}, {ENCRYPTIONS[relay.scheme]}")]
        shown += [(_("User"), unquote(relay.username or "") or "–")]
        shown += [(_("Password"), _("set") if relay.password else _("not set"))]
    return [
        *shown,
        (_("Digests come from"), mail_settings.digest_sender(chosen)),
        (_("Confirmations and notices come from"), mail_settings.notice_sender(chosen)),
        *([(_("Set by"), f"{chosen.by}, {chosen.made_at:%Y-%m-%d %H:%M} UTC")] if chosen else []),
    ]


def _servers_of_environment() -> str:
    return ", ".join(dict.fromkeys(route.server for route in trial_mail.routes(None)))


def _shown(relay: SplitResult) -> dict[str, Any]:
    if not relay.hostname:
        return {}
    shown = {"host": relay.hostname, "port": relay.port, "scheme": relay.scheme}
    return shown | {"username": unquote(relay.username or "")}


def _account(relay: SplitResult) -> tuple[str, int | None, str]:
    return relay.hostname or "", relay.port, unquote(relay.username or "")


def _url(told: dict[str, Any]) -> str:
    host = f"[{told['host']}]" if ":" in told["host"] else told["host"]
    account = f"{quote(told['username'], safe='')}:{quote(told['password'], safe='')}@" if told["username"] else ""
    return f"{told['scheme']}://{account}{host}:{told['port']}"
