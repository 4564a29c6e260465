"""What readers fill in: signing up, preferences, asking for a link, pausing.

In: POST data. Out: an Address, Preferences, a date. Addresses are normalised here and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.utils.html import escape
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from subscriptions import schedule
from subscriptions.addresses import Address, parse_address
from subscriptions.follows import QueryField
from subscriptions.models import Follow, RefusedRequest, Subscriber, Topic, TopicPreference
from subscriptions.papers_at_signup import BroughtPapersForm
from subscriptions.preference_parts import FIELDS
from subscriptions.preferences import Preferences, mark_of
from subscriptions.stances_form import StancesForm

if TYPE_CHECKING:
    from datetime import date

# Change the version with the words below or with the privacy page: the consent record keeps both.
FORM_VERSION = "2026-11-30"
HOURS = [(hour, f"{hour:02}:00") for hour in range(24)]
_DAY_NAMES = [_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday")]
DAYS = list(enumerate(_DAY_NAMES))
REGIONS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
LONGEST_PAUSE_DAYS = 366
TOO_MANY = "too many"
_STARTED_SALT = "subscriptions.forms.started"


def consent_words() -> str:
    """What a reader agrees to by signing up, word for word as shown."""
    return gettext(
        "I want %(site)s to email me digests of research papers. I can unsubscribe at any time with one click in every "
        "email."
    ) % {"site": settings.SITE_NAME}


def click_words() -> str:
    """What a reader agrees to by the box about opened papers, word for word as shown."""
    return gettext(
        "Count which papers I open from my emails. Links to papers in my emails then lead through %(site)s, which "
        "records the paper and the time, shows editors only totals, and deletes the record after %(days)d days. If I "
        "untick this, counting stops at once and the records are deleted within the hour."
    ) % {"site": settings.SITE_NAME, "days": settings.RETENTION_DELIVERY_DAYS}


def zone_options(selected: str) -> SafeString:
    """Options of a time zone list, five hundred, put together once and not per request."""
    known, html = _zone_options()
    mark = f'value="{escape(selected)}"'
    if selected in known:
        return mark_safe(html.replace(mark, f"{mark} selected", 1))  # noqa: S308  (made of tzdata's names)
    return mark_safe(f"<option {mark} selected>{escape(selected)}</option>{html}")  # noqa: S308  (escaped)


@lru_cache(maxsize=1)
def _zone_options() -> tuple[frozenset[str], str]:
    names = sorted(name for name in schedule.zone_names() if name.partition("/")[0] in REGIONS and "/" in name)
    parts = ['<option value="UTC">UTC</option>']
    for region, zones in groupby(names, key=lambda name: name.partition("/")[0]):
        parts.append(f'<optgroup label="{region}">')
        for name in zones:
            label = name.partition("/")[2].replace("_", " ")
            parts.append(f'<option value="{name}">{label}</option>')
        parts.append("</optgroup>")
    return frozenset(["UTC", *names]), "".join(parts)


def _in_words(error: ValueError) -> str:
    """The reason why an address is refused, translated. email-validator's own reasons are in English only."""
    if (get_language() or "en").startswith("en"):
        return str(error)
    return gettext("This does not look like an email address. Please check it for typos.")


class AddressField(forms.CharField):
    """Form field whose clean value is an Address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, label=_("Your email address"), **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            address = parse_address(text)
        except ValueError as error:
            raise forms.ValidationError(_in_words(error), code="address") from None
        if address.is_below(settings.REFUSED_MAIL_DOMAINS):
            raise forms.ValidationError(
                _("We do not send to this email domain. Please use another address."), code="domain"
            )
        return address


class RhythmForm(forms.Form):
    """Topics and schedule. Every field has a default, so that an address alone is enough."""

    cadence = forms.ChoiceField(label=_("How often"), choices=Subscriber.Cadence.choices, required=False)
    hour = forms.TypedChoiceField(label=_("Time of day"), choices=HOURS, coerce=int, required=False)
    time_zone = forms.CharField(label=_("Time zone"), max_length=64, required=False)

    def clean_cadence(self) -> str:
        return self.cleaned_data["cadence"] or Subscriber.Cadence.DAILY

    def clean_hour(self) -> int:
        hour = self.cleaned_data["hour"]
        return 8 if hour == "" else int(hour)

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"] or "UTC"
        if not schedule.is_zone(zone):
            raise forms.ValidationError(_("We do not know this time zone."), code="zone")
        return zone

    @property
    def zones(self) -> SafeString:
        return zone_options(self["time_zone"].value() or "UTC")

    @property
    def hours(self) -> list[tuple[int, str, bool]]:
        chosen = str(self["hour"].value() or "8") if self["hour"].value() != 0 else "0"
        return [(hour, label, str(hour) == chosen) for hour, label in HOURS]

    @property
    def cadences(self) -> list[tuple[str, str, bool]]:
        chosen = self["cadence"].value() or Subscriber.Cadence.DAILY
        return [(value, str(label), value == chosen) for value, label in Subscriber.Cadence.choices]


class TopicsForm(RhythmForm):
    """Schedule, and topics to follow as check boxes, all empty at first."""

    topics = forms.MultipleChoiceField(label=_("Topics"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known_topics = list(Topic.objects.filter(is_active=True).only("slug", "name", "description"))
        self.fields["topics"].choices = [(topic.slug, topic.local_name) for topic in self.known_topics]  # type: ignore[attr-defined]

    @property
    def cards(self) -> list[tuple[Topic, bool, list[str]]]:
        """Topic, whether it is ticked, and the titles of current papers."""
        ticked = set(self["topics"].value() or ())
        examples: dict[str, list[str]] = import_string(settings.TOPIC_EXAMPLES)() if settings.TOPIC_EXAMPLES else {}
        return [(topic, topic.slug in ticked, examples.get(topic.slug, [])) for topic in self.known_topics]

    def preferences(self, base: Preferences) -> Preferences:
        data = self.cleaned_data
        return replace(
            base,
            cadence=data["cadence"],
            hour=data["hour"],
            time_zone=data["time_zone"],
            language=(get_language() or "en")[:8],
            stances=dict.fromkeys(data["topics"], TopicPreference.Stance.FOLLOW.value),
        )


class ConfirmForm(TopicsForm):
    """The preferences asked for, which the mailbox's owner may change: a stranger may have typed them."""

    follows = forms.MultipleChoiceField(required=False)
    interests = forms.BooleanField(required=False)  # those that the reader kept apart before

    def __init__(self, *args: Any, asked: Preferences, **kwargs: Any) -> None:
        wanted = [slug for slug, stance in asked.stances.items() if stance != TopicPreference.Stance.MUTE]
        shown = {**asked.columns, "topics": wanted, "follows": list(asked.follows), "interests": True}
        super().__init__(*args, **(kwargs | {"initial": shown}))
        self.asked = asked
        self.fields["follows"].choices = [(query, query) for query in asked.follows]  # type: ignore[attr-defined]

    @property
    def follow_rows(self) -> list[tuple[str, bool, bool]]:
        """Query, whether it is ticked, and whether it is to be left out of the digests."""
        ticked = set(self["follows"].value() or ())
        return [(query, query in ticked, stance == Follow.Stance.NOT) for query, stance in self.asked.follows.items()]

    def preferences(self, base: Preferences) -> Preferences:
        """What is ticked, with the stances that topics and queries had."""
        chosen = super().preferences(base)
        mutes = {slug: stance for slug, stance in base.stances.items() if stance == TopicPreference.Stance.MUTE}
        return replace(
            chosen,
            stances={**mutes, **{slug: base.stances.get(slug, stance) for slug, stance in chosen.stances.items()}},
            follows={query: base.follows[query] for query in self.cleaned_data["follows"]},
            interests=base.interests if self.cleaned_data["interests"] else (),
        )


class SignupForm(BroughtPapersForm, TopicsForm):
    """Signing up. ``keep_empty`` is hidden from people, and no password manager knows its name; ``started`` says when
    a person first saw the form.
    """

    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    follow = QueryField(required=False)
    keep_empty = forms.CharField(required=False)
    started = forms.CharField(required=False)

    @property
    def address(self) -> Address:
        found: Address = self.cleaned_data["email"]
        return found

    def preferences(self, base: Preferences) -> Preferences:
        query = self.cleaned_data["follow"]
        return replace(super().preferences(base), follows={query: Follow.Stance.FOLLOW.value} if query else {})

    @property
    def has_seen_form(self) -> bool:
        """False for the banner and other forms that ask for the address only."""
        return bool(self.cleaned_data["started"])

    @property
    def looks_automatic(self) -> str:
        """Why this looks like a bot's request (hidden field filled in, sent too fast); empty when it does not.

        People do both, by a password manager or in haste: they are shown the form again.
        """
        if self.cleaned_data["keep_empty"]:
            return RefusedRequest.Reason.HIDDEN
        started = self.cleaned_data["started"]
        if not started:
            return ""
        signer = TimestampSigner(salt=_STARTED_SALT)
        try:
            signer.unsign(started, max_age=settings.SIGNUP_SECONDS_MIN)
        except SignatureExpired:
            return ""
        except BadSignature:
            return RefusedRequest.Reason.FAST
        return RefusedRequest.Reason.FAST if settings.SIGNUP_SECONDS_MIN else ""

    def ask_again(self, reason: str) -> None:
        """Add an error that says what to do, in words that reveal nothing about the address."""
        self.add_error(None, forms.ValidationError(_ASK_AGAIN[reason], code=reason))

    @property
    def start(self) -> str:
        """Moment at which the form was first shown, so that pressing again at once is not too fast."""
        started = str(self.data.get("started", ""))
        try:
            TimestampSigner(salt=_STARTED_SALT).unsign(started)
        except BadSignature:
            return self.new_start()
        return started

    @staticmethod
    def new_start() -> str:
        return TimestampSigner(salt=_STARTED_SALT).sign("seen")


_CHANGED_MEANWHILE = _(
    "Your preferences have changed since you opened this page, perhaps in another tab. Below is what you filled in "
    "here: press “Save” to keep it, or open the page again to see what is stored."
)
_ASK_AGAIN = {
    RefusedRequest.Reason.FAST: _("That was faster than we expect of a person. Please press the button once more."),
    RefusedRequest.Reason.HIDDEN: _(
        "A field that must stay empty was filled in, perhaps by your browser. It is empty again: "
        "please press the button once more."
    ),
    RefusedRequest.Reason.GUARD: _("We could not check that you are a person. Please try once more."),
    TOO_MANY: _(
        "Too many requests came from your network, or for your mail provider, within the hour. "
        "Nothing was sent. Please try again in an hour."
    ),
}


def too_many_words() -> str:
    return str(_ASK_AGAIN[TOO_MANY])


class LinkForm(forms.Form):
    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "email"}))


class MoveForm(forms.Form):
    new_email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    def __init__(self, *args: Any, present: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.present = present

    def clean_new_email(self) -> Address:
        address: Address = self.cleaned_data["new_email"]
        if address.email == self.present:
            raise forms.ValidationError(_("Your digests go to this address already."), code="same")
        return address


def errors_of(*shown: forms.Form) -> list[tuple[str, str]]:
    """What is wrong in these forms, in their order: the id of the field to go to (empty: none) and the sentence."""
    return [
        (f"id_{name}", f"{form.fields[name].label}: {error}") if name in form.fields else ("", str(error))
        for form in shown
        for name, errors in form.errors.items()
        for error in errors
    ]


class PauseForm(forms.Form):
    until = forms.DateField(label=_("Pause until"))

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first, self.last = today + timedelta(days=1), today + timedelta(days=LONGEST_PAUSE_DAYS)

    def clean_until(self) -> date:
        until: date = self.cleaned_data["until"]
        if not self.first <= until <= self.last:
            raise forms.ValidationError(_("Choose a day from tomorrow on, within a year."), code="range")
        return until


class PreferencesForm(StancesForm, RhythmForm):
    """The preferences of a reader: one part of them, or all (``part`` empty)."""

    weekdays = forms.TypedMultipleChoiceField(label=_("On which days"), choices=DAYS, coerce=int, required=False)
    max_papers = forms.IntegerField(label=_("Papers in one digest, at most"), min_value=1, max_value=50)
    thin_policy = forms.ChoiceField(label=_("If few papers match"), choices=Subscriber.ThinPolicy.choices)
    wants_outside = forms.BooleanField(label=_("Include one paper from outside my topics"), required=False)
    wants_news = forms.BooleanField(
        label=_("Tell me when a paper I liked or saved is withdrawn, or its code comes out"), required=False
    )
    wants_also = forms.BooleanField(
        label=_("List the other new papers of my topics, a line each, below those chosen"), required=False
    )
    wants_reasons = forms.BooleanField(label=_("When no digest is sent, tell me why in a short email"), required=False)
    mail_format = forms.ChoiceField(label=_("Format"), choices=Subscriber.MailFormat.choices)
    language = forms.ChoiceField(label=_("Email language"), choices=settings.LANGUAGES, required=False)
    counts_clicks = forms.BooleanField(required=False)  # a consent of its own, shown where CLICK_TRACKING is on

    def __init__(
        self, *args: Any, preferences: Preferences, counts_clicks: bool = False, part: str = "", **kwargs: Any
    ) -> None:
        self.before = preferences
        initial = preferences.columns | {"weekdays": [day for day, _label in DAYS if preferences.weekdays >> day & 1]}
        initial["counts_clicks"] = counts_clicks
        shown = {"stances": preferences.stances, "initial": initial, "label_suffix": ""}
        super().__init__(*args, **(kwargs | shown))
        if settings.CLICK_TRACKING:
            self.fields["counts_clicks"].label = click_words()
        else:
            del self.fields["counts_clicks"]
        if part:
            kept = self.stance_names if part == "topics" else FIELDS.get(part, ())
            self.fields = {name: field for name, field in self.fields.items() if name in kept}
        self.fields["seen"] = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_weekdays(self) -> int:
        chosen = sum(1 << day for day in set(self.cleaned_data["weekdays"]))
        if not chosen and self.cleaned_data.get("cadence") == Subscriber.Cadence.DAILY:
            raise forms.ValidationError(_("Choose at least one day."), code="days")
        return chosen or self.before.weekdays

    def clean_language(self) -> str:
        return self.cleaned_data["language"] or self.before.language

    @property
    def seen_now(self) -> str:
        """Mark of what the fields of this form held when the page was opened."""
        shown = {name: getattr(self.before, name) for name in self.fields.keys() & self.before.columns.keys()}
        has_topics = self.stance_names <= self.fields.keys()
        return mark_of(Preferences(**shown, stances=self.before.stances if has_topics else {}))

    def clean(self) -> dict[str, Any]:
        """Refuse to overwrite what was saved since the page was opened, unless it is the same."""
        super().clean()
        seen = self.cleaned_data.pop("seen", "")
        if not self.errors and seen not in {"", self.seen_now} and self.preferences() != self.before:
            raise forms.ValidationError(_CHANGED_MEANWHILE, code="changed")
        return self.cleaned_data

    @property
    def days(self) -> list[tuple[int, str, bool]]:
        chosen = {str(day) for day in self["weekdays"].value() or ()}
        return [(day, str(label), str(day) in chosen) for day, label in DAYS]

    def preferences(self) -> Preferences:
        names = self.cleaned_data.keys() - self.stance_names - {"counts_clicks"}
        data = {name: self.cleaned_data[name] for name in names}
        has_topics = self.stance_names <= self.fields.keys()
        return replace(self.before, stances=self.stances() if has_topics else self.before.stances, **data)
