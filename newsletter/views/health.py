"""Three short addresses for whoever watches us: is the process alive, may it be sent readers, is the pipeline moving.

In: GET /healthz, /readyz, /statusz from a balancer or monitor, by whatever host name it uses. Out: 200, or 503 with the
reasons as JSON. A middleware before all others, so that neither host checks nor sessions stand in the way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from newsletter.monitoring import alarms

STATUS_SECONDS = 5  # strangers may ask as often as they like; the database is asked this often


class HealthMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._migrated = False
        self._lock = threading.Lock()
        self._status: tuple[float, list[str]] = (0.0, [])

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = {"/healthz": self.alive, "/readyz": self.ready, "/statusz": self.moving}.get(request.path)
        if answer is None or request.method not in {"GET", "HEAD"}:
            return self._get_response(request)
        reasons = answer()
        body: dict[str, Any] = {"ok": not reasons} | ({"reasons": reasons} if reasons else {})
        response = JsonResponse(body, status=503 if reasons else 200)
        response["Cache-Control"] = "no-store"
        return response

    def alive(self) -> list[str]:
        """Nothing is asked of anybody: a restart cures only the process itself."""
        return []

    def ready(self) -> list[str]:
        """By a connection of its own: one that hangs is given up after the connect time-out."""
        connection = connections.create_connection("default")
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            if not self._migrated:
                executor = MigrationExecutor(connection)
                if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                    return ["migrations are missing"]
                self._migrated = True
        except DatabaseError:
            return ["the database does not answer"]
        finally:
            connection.close()
        return []

    def moving(self) -> list[str]:
        """The names of the alarms; the sentences are for those who may log in: `manage.py check_health`."""
        with self._lock:
            asked_at, reasons = self._status
            if time.monotonic() - asked_at > STATUS_SECONDS or not asked_at:
                try:
                    reasons = sorted({alarm.name for alarm in alarms.alarms(now=timezone.now())})
                except DatabaseError:
                    reasons = ["the database does not answer"]
                self._status = (time.monotonic(), reasons)
            return reasons
