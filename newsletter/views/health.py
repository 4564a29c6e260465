"""Health checks: is the process alive, is it ready for traffic, is the pipeline moving; and numbers for Prometheus.

In: GET /healthz, /readyz, /statusz (`?part=digest`) and /metrics from a balancer or monitor, by whatever host name it
uses. Out: 200, or 503 with the reasons as JSON; of /metrics text, for those who may read it. A middleware before all
others, so that neither host checks nor sessions stand in the way. A change of the pipeline's state is one line in the
log; a monitor that asks while it is red writes none.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from newsletter.monitoring import current_alarms
from newsletter.views.metrics import Metrics

log = logging.getLogger(__name__)
STATUS_SECONDS = 5  # seconds an answer is kept: strangers may ask often, the database is asked this often …
STATUS_SHARE = 20  # … but no sooner than so many times its last duration: 5 % of a core at most
PATIENCE_SECONDS = 2.5  # seconds; a database that takes longer counts as away
SILENT = "the database does not answer"


class HealthMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._migrated = False
        self._asking = threading.Lock()
        self._looking = threading.Lock()
        self._status: list[str] = []
        self._parts: dict[str, str] = {}
        self._metrics = Metrics()
        self._look_again_at = float("-inf")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return self._get_response(request)
        answer = {"/healthz": self.alive, "/readyz": self.ready, "/statusz": self.moving}.get(request.path)
        if answer is None:
            return self._metrics.answer(request) or self._get_response(request)
        part = request.GET.get("part") if request.path == "/statusz" else None
        if part and part not in set(current_alarms.Part):
            return JsonResponse({"error": f"part must be one of {', '.join(current_alarms.Part)}."}, status=400)
        reasons = [name for name in answer() if not part or self._parts.get(name, part) == part]
        body: dict[str, Any] = {"ok": not reasons} | ({"reasons": reasons} if reasons else {})
        if request.path == "/statusz":
            body["version"] = settings.VERSION
        response = JsonResponse(body, status=503 if reasons else 200)
        response["Cache-Control"] = "no-store"
        response._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark: no ERROR line for a 503
        return response

    def alive(self) -> list[str]:
        """Answer 200 without touching the database: a restart would not mend it."""
        return []

    def ready(self) -> list[str]:
        """Say what keeps us from serving. Asks in a thread that is left behind when the database hangs."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        if not self._asking.acquire(timeout=PATIENCE_SECONDS):
            return [SILENT]  # another thread asks already and hangs
        answers: list[list[str]] = []

        def ask() -> None:
            try:
                answers.append(self._ask())
            finally:
                self._asking.release()

        thread = threading.Thread(target=ask, name="readiness", daemon=True)
        thread.start()
        thread.join(max(0.0, give_up_at - time.monotonic()))
        return answers[0] if answers else [SILENT]

    def _ask(self) -> list[str]:
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
            return [SILENT]
        finally:
            connection.close()
        return []

    def moving(self) -> list[str]:
        """Answer with the names of the alarms; their sentences are for operators (`manage.py check_health`)."""
        if not self._looking.acquire(timeout=PATIENCE_SECONDS):
            return [SILENT]  # another thread looks already and hangs
        try:
            if time.monotonic() >= self._look_again_at:
                began = time.monotonic()
                self._note(self._look())
                took = time.monotonic() - began
                self._look_again_at = began + took + max(STATUS_SECONDS, STATUS_SHARE * took)
            return self._status
        finally:
            self._looking.release()

    def _look(self) -> list[str]:
        try:
            self._parts = {alarm.name: alarm.part for alarm in current_alarms.alarms(now=timezone.now())}
        except DatabaseError:
            return [SILENT]
        return sorted(self._parts)

    def _note(self, reasons: list[str]) -> None:
        if reasons != self._status:
            log.warning("The pipeline's alarms: %s", ", ".join(reasons) or "none any more")
        self._status = reasons
