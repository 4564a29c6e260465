"""Where rows are kept, and the broker that wakes workers."""

from __future__ import annotations

from newsletter.settings.environment import VAR_DIR, env

DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'paperboy.sqlite3'}")}
_CONN_MAX_AGE = env.whole("CONN_MAX_AGE", 60, at_least=0, at_most=86_400)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # The site and `work` write side by side: write-ahead log, write locks taken at BEGIN, a wait instead of an error.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = _CONN_MAX_AGE
    # PgBouncer in transaction mode gives the next statement another connection, where such a cursor does not exist.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # libpq's own words. A server that vanishes without a word, as in a failover, is noticed within half a minute; what
    # stands behind ? in DATABASE_URL outranks these.
    _FAILOVER = {"connect_timeout": 5, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 2}
    _FAILOVER["tcp_user_timeout"] = 30_000  # milliseconds
    DATABASES["default"]["OPTIONS"] = _FAILOVER | DATABASES["default"].get("OPTIONS", {})

# Empty: no broker, `manage.py work` does everything in one process.
REDIS_URL = env.service("REDIS_URL", {"redis": True, "rediss": True, "unix": True}, "redis://host:6379/0")
# In each process, not in Redis: what is kept is small and soon made anew, and no page ever waits for the broker.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
