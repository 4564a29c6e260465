import inspect
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class NewsletterConfig(AppConfig):
    name = "newsletter"
    verbose_name = _("Newsletter")

    def ready(self) -> None:
        guard = _named("SIGNUP_GUARD")
        if guard is not None and not _takes_a_request(guard):
            raise ImproperlyConfigured(
                "SIGNUP_GUARD must name a function(request) -> bool, with one parameter called request, not"
                f" {settings.SIGNUP_GUARD!r}."
            )
        if not hasattr(_named("EMAIL_BACKEND"), "send_messages"):
            raise ImproperlyConfigured(f"EMAIL_BACKEND must name a mail backend, not {settings.EMAIL_BACKEND!r}.")
        checks.register(_references, deploy=True)
        if settings.SENTRY_DSN:
            from newsletter.monitoring import error_reports

            error_reports.start()
        if apps.is_installed("anymail"):
            from newsletter.delivery.bounces import act_on_report, provider_events

            # Kept here: the signal holds its receiver weakly.
            self.webhooks = provider_events.listen(act_on_report.take_in_from_provider)


def _named(name: str) -> Any:
    """Import what a setting names by dotted path; None when empty. Settings cannot: it may need them."""
    path = getattr(settings, name)
    try:
        named = import_string(path) if path else None
    except ImportError as error:
        raise ImproperlyConfigured(f"{name} must name what can be imported, not {path!r}: {error}.") from error
    if path and not callable(named):
        raise ImproperlyConfigured(f"{name} must name a function or class, not {path!r}.")
    return named


def _takes_a_request(guard: Any) -> bool:
    """Whether it can be called with a request alone. Its parameter's name tells a guard from any other function."""
    try:
        first, *others = inspect.signature(guard).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)
    optional = (first.VAR_POSITIONAL, first.VAR_KEYWORD)
    is_alone = all(other.default is not other.empty or other.kind in optional for other in others)
    return first.kind in positional and first.name.strip("_") == "request" and is_alone


def _references(**_: Any) -> list[checks.CheckMessage]:
    """Deploy check that warns of `$NAME` in values: it is kept as it stands, which is seldom what was meant."""
    return [
        checks.Warning(
            f"The value of {name} begins with $ and reads like the name of another variable. It is taken as it stands.",
            hint="Write the value itself; if it really begins so, ignore this warning.",
            id="newsletter.W001",
        )
        for name in settings.SETTINGS_LIKE_REFERENCES
    ]
