"""Errors of every process to Sentry (SENTRY_DSN), with the discretion of our logs: nobody can be told from a report.

In: what sentry-sdk collected. Out: the same without addresses, readers' links, form fields, cookies, headers, local
variables and breadcrumbs. No traces are sent.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from subscriptions.log_redaction import redact

KEPT_OF_REQUEST = ("method", "url")


def start() -> None:
    """Begin to report. sentry-sdk is loaded by this alone."""
    import sentry_sdk

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=f"paperboy@{settings.VERSION}",
        environment=settings.SENTRY_ENVIRONMENT,
        before_send=discreet,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=None,
    )


def discreet(event: Any, _hint: Any = None) -> Any:
    """Return the event without what stands for a person."""
    event.pop("user", None)
    request = event.get("request") or {}
    if request:
        event["request"] = {name: request[name] for name in KEPT_OF_REQUEST if name in request}
    return {**_redacted(event), "release": event.get("release")}  # an @ stands in it


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redacted(one) for key, one in value.items()}
    return [_redacted(one) for one in value] if isinstance(value, list | tuple) else value
