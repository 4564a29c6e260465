"""Gunicorn's logs without the secrets: `gunicorn --logger-class subscriptions.access_log.DiscreetLogger`."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger

from subscriptions.log_context import JsonFormatter
from subscriptions.log_redaction import redact


class DiscreetLogger(Logger):  # type: ignore[misc]
    def setup(self, cfg: Any) -> None:
        """Write JSON lines where LOG_FORMAT says so; gunicorn's parent process loads no settings."""
        super().setup(cfg)
        if os.environ.get("LOG_FORMAT") == "json":
            for handler in (*self.error_log.handlers, *self.access_log.handlers):
                handler.setFormatter(JsonFormatter())

    def atoms(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        atoms: dict[str, Any] = super().atoms(*args, **kwargs)
        return {name: redact(value) if isinstance(value, str) else value for name, value in atoms.items()}
