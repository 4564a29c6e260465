from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    verbose_name = _("Readers")

    def ready(self) -> None:
        from subscriptions import in_long_list_lookup as any_of  # noqa: F401  (registers any_of)
        from subscriptions import postgres_times  # noqa: F401  (connects to the signal)
