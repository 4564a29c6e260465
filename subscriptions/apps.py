from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    verbose_name = "Readers"

    def ready(self) -> None:
        from subscriptions import orm_lookups as any_of  # noqa: F401  (registers any_of)
