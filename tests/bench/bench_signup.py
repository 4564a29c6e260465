"""How long a signup takes at 50 a second: `python -m tests.bench.bench_signup [seconds]`.

Real gunicorn and PostgreSQL; Redis up, stopped and hung; an empty Django site in the same run. Signups arrive by the
clock whether or not the ones before were answered, and each is timed from when it was due (no coordinated omission).
A warm-up of one second is not counted. Goal: p95 at most 50 ms whatever Redis does.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

from tests.processes import ROOT, Program
from tests.services import PostgresServer, RedisServer, free_port

PER_SECOND = 50


class Gunicorn(Program):
    """As the Dockerfile runs it."""

    def __init__(self, application: str, *, env: dict[str, str], folder: Path) -> None:
        self.port = free_port()
        arguments = ["-m", "gunicorn", application, "--bind", f"127.0.0.1:{self.port}"]
        arguments += ["--workers", "2", "--threads", "8", "--no-control-socket"]
        super().__init__(application, arguments, env=env, folder=folder, ready="Booting worker")


def times(port: int, *, seconds: float, emails: str, run: str) -> list[float]:
    """Milliseconds of each signup, from when it was due until it was answered."""
    local = threading.local()
    start = time.perf_counter() + 0.2

    def sign_up(number: int) -> float:
        due = start + number / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = urlencode(
            {"email": emails.format(n=number, run=run), "topics": "vision", "cadence": "weekly", "hour": "7"}
        )
        connection.request("POST", "/subscribe/", body, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.read()
        if answer.will_close:
            connection.close()
        assert answer.status in {200, 303}, answer.status
        return (time.perf_counter() - due) * 1000

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(sign_up, range(int(PER_SECOND * (seconds + 1)))))
    return found[PER_SECOND:]


def line(name: str, found: list[float], *, base: float) -> str:
    cuts = statistics.quantiles(found, n=100)
    return f"{name:<28}{cuts[49]:>9.1f}{cuts[94]:>9.1f}{cuts[98]:>9.1f}{max(found):>9.1f}{cuts[94] / base:>9.1f}"


def main(seconds: float) -> None:
    postgres, redis = PostgresServer(), RedisServer()
    postgres.start()
    redis.start()
    folder = Path(tempfile.mkdtemp(prefix="paperboy-bench-"))
    env = {
        "SECRET_KEY": "bench",
        "ADDRESS_HASH_KEY": "bench",
        "POSTAL_ADDRESS": "Bench",
        "SITE_URL": "https://127.0.0.1",
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "VAR_DIR": str(folder),
        "LOG_LEVEL": "ERROR",
        **dict.fromkeys(
            ("SIGNUPS_PER_NETWORK_AND_HOUR", "SIGNUPS_PER_DOMAIN_AND_HOUR", "SIGNUPS_PER_HOUR"), "10000000"
        ),
    }
    for command in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
        subprocess.run([sys.executable, "manage.py", *command], env=os.environ | env, cwd=ROOT, check=True)
    empty = Gunicorn("tests.bench.empty_site:application", env={}, folder=folder)
    site = Gunicorn("newsletter.wsgi", env=env, folder=folder)
    try:
        empty.start()
        site.start()
        time.sleep(2)
        nothing = times(empty.port, seconds=seconds, emails="a{n}@example.net", run="")
        base = statistics.quantiles(nothing, n=100)[94]
        print(f"{'ms from when it was due':<28}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}{'p95 ÷':>9}")
        print(line("an empty Django view", nothing, base=base))
        for trouble in ("up", "stopped", "hung"):
            during = contextlib.nullcontext() if trouble == "up" else getattr(redis, trouble)()
            with during:
                found = times(site.port, seconds=seconds, emails="a{n}@{run}.example.net", run=trouble)
            print(line(f"signup, Redis {trouble}", found, base=base))
        with postgres.connect() as connection:
            connection.execute(
                "UPDATE subscriptions_subscriber SET state = 'confirmed', confirmed_at = now()"
                " WHERE domain = 'up.example.net'"
            )
            connection.execute("DELETE FROM subscriptions_allowance")
            connection.commit()
        found = times(site.port, seconds=seconds, emails="a{n}@{run}.example.net", run="up")
        print(line("signup of a confirmed reader", found, base=base))
        found = times(site.port, seconds=seconds, emails="a{n}@{run}.example.net", run="up")
        print(line("signup over the limit", found, base=base))
    finally:
        site.kill()
        empty.kill()
        redis.close()
        postgres.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
