from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string


class NewsletterConfig(AppConfig):
    name = "newsletter"
    verbose_name = "Newsletter"

    def ready(self) -> None:
        for name in ("SIGNUP_GUARD", "EMAIL_BACKEND"):
            _check_function(name)
        if apps.is_installed("anymail"):
            from newsletter.delivery.bounces import handling, provider_events

            self.webhooks = provider_events.listen(
                handling.take_in_now
            )  # kept here: the signal holds its receiver weakly


def _check_function(name: str) -> None:
    """Import what a setting names by its dotted path. Settings cannot: what is named may itself need the settings."""
    path = getattr(settings, name)
    try:
        named = import_string(path) if path else None
    except ImportError as error:
        raise ImproperlyConfigured(f"{name} must name what can be imported, not {path!r}: {error}.") from error
    if path and not callable(named):
        raise ImproperlyConfigured(f"{name} must name a function or class, not {path!r}.")
