from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    verbose_name = "Readers"

    def ready(self) -> None:
        from subscriptions import in_long_list_lookup as any_of  # noqa: F401  (registers any_of)
        from subscriptions import postgres_times  # noqa: F401  (connects to the signal)
