"""Celery, which only wakes: rows in the database drive (docs/decisions)."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec

from newsletter.settings.data import REDIS_URL
from newsletter.settings.environment import VAR_DIR, env
from newsletter.settings.papers import SEMANTIC

CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SOFT_TIME_LIMIT = 420  # a slice of delivery and the longest wait for a relay's last answer
CELERY_TASK_TIME_LIMIT = 480
CELERY_VISIBILITY_TIMEOUT = 3600  # must exceed the hard limit times (prefetch + 1), or a task runs twice at once
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": CELERY_VISIBILITY_TIMEOUT,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "global_keyprefix": "paperboy:",
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": CELERY_VISIBILITY_TIMEOUT}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.whole("WORKER_SOFT_SHUTDOWN_SECONDS", 30, at_least=0, at_most=3600)
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False  # rows drive: nothing is lost, and an idle worker ends at once
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
# KiB; a worker that has read papers by the extra `semantic` holds its model
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 256_000 if SEMANTIC == "off" or find_spec("onnxruntime") is None else 768_000
CELERY_WORKER_ETA_TASK_LIMIT = 1000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_ROUTES = {
    "subscriptions.tasks.send_notices": {"queue": "confirm"},
    "newsletter.tasks.mail_curators": {"queue": "ingest"},  # the queue `confirm` is for who waits in front of a page
    "newsletter.tasks.deliver": {"queue": "digest"},
    "newsletter.tasks.plan": {"queue": "digest"},
    "newsletter.tasks.ingest": {"queue": "ingest"},
    "newsletter.tasks.check_links": {"queue": "ingest"},
    "newsletter.tasks.ping_hub": {"queue": "ingest"},
    "newsletter.tasks.call_webhooks": {"queue": "ingest"},  # as slow as other people's hosts are
    "newsletter.tasks.listen": {"queue": "ingest"},  # as slow as the bounce mailbox is
    "newsletter.tasks.reconcile": {"queue": "ingest"},  # minutes for a long list
}
TICK_SECONDS = env.whole("TICK_SECONDS", 60, at_least=1, at_most=3600)
# A task that waited longer is dropped: a later tick asked the same. Far above what clocks of workers may be apart, as
# the worker's own clock judges it: one that is two minutes ahead must not drop all its tasks.
TASK_EXPIRES_SECONDS = max(300, 5 * TICK_SECONDS)
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "newsletter.tasks.tick",
        "schedule": TICK_SECONDS,
        "options": {"expires": TASK_EXPIRES_SECONDS},
        "last_run_at": datetime(2000, 1, 1, tzinfo=UTC),  # due when beat starts, not a tick later
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_TIMEZONE = "UTC"
