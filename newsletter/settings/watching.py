"""Who may read the figures, where errors and log lines go."""

from __future__ import annotations

import sys

from newsletter.settings.environment import env

# Who may read /metrics: who sends this as a bearer token, or comes from one of these networks. Neither: no such page.
METRICS_TOKEN = env.matching("METRICS_TOKEN", r"\S{16,200}", "16 characters or more, without spaces")
METRICS_NETWORKS = env.networks("METRICS_NETWORKS")
# Errors of every process go there, without addresses, readers' links, form fields or cookies. Empty: nowhere.
SENTRY_DSN = env.service("SENTRY_DSN", {"https": True, "http": True}, "https://key@sentry.example.org/1")
SENTRY_ENVIRONMENT = env.matching("SENTRY_ENVIRONMENT", r"[\w.-]{1,64}", "letters, digits, - and _", "production")
LOG_FORMAT = env.one_of("LOG_FORMAT", ("line", "json"), default="line")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "subscriptions.log_redaction.DiscreetFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {"class": "subscriptions.log_context.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": LOG_FORMAT}},
    "root": {
        "handlers": ["stderr"],
        "level": env.one_of("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO"),
    },
    "loggers": {
        "httpx": {"level": "WARNING"},  # a line a request; source runs say more
        "pylatexenc": {"level": "ERROR"},  # a line for each odd macro, hundreds in one abstract
        "bibtexparser": {"level": "ERROR"},  # a line for each broken entry; the reader of the file is told
    },
}
