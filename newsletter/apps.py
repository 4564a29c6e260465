from django.apps import AppConfig, apps


class NewsletterConfig(AppConfig):
    name = "newsletter"
    verbose_name = "Newsletter"

    def ready(self) -> None:
        if apps.is_installed("anymail"):
            from newsletter.delivery import feedback
            from newsletter.delivery.bounces import provider_events as webhooks

            self.webhooks = webhooks.listen(feedback.take_in_now)  # kept here: the signal holds its receiver weakly
