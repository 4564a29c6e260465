"""Gunicorn's access log without the secrets: `gunicorn --logger-class subscriptions.access_log.DiscreetLogger`."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from subscriptions.log_redaction import redact


class DiscreetLogger(Logger):  # type: ignore[misc]
    def atoms(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        atoms: dict[str, Any] = super().atoms(*args, **kwargs)
        return {name: redact(value) if isinstance(value, str) else value for name, value in atoms.items()}
