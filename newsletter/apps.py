from django.apps import AppConfig, apps


class NewsletterConfig(AppConfig):
    name = "newsletter"
    verbose_name = "Newsletter"

    def ready(self) -> None:
        if apps.is_installed("anymail"):
            from newsletter.delivery.bounces import handling, provider_events

            self.webhooks = provider_events.listen(
                handling.take_in_now
            )  # kept here: the signal holds its receiver weakly
