"""Debian's Prometheus beside a site of a test, with our configuration and rules, whose minutes pass as seconds.

In: where the site is, and its METRICS_TOKEN. Out: what fires, and the series it recorded, to be played again by
`promtool test rules` with the minutes they were written for.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from tests.processes import ROOT
from tests.relay import program
from tests.services import die_with_parent, free_port

RULES = ROOT / "deploy/prometheus"
PATIENCE = 120  # seconds until an alert fires, or no longer does


class Watcher:
    def __init__(self, *, site: str, token: str, folder: Path) -> None:
        self._program = program("prometheus", package="prometheus")
        self._folder, self._port = folder / "prometheus", free_port()
        shutil.copytree(RULES, self._folder)
        (self._folder / "paperboy-token").write_text(token)
        self._hurry("prometheus.yml", r"(interval|timeout): \d+s", r"\1: 1s", site.removeprefix("http://"))
        self._hurry("alerts.yml", r"for: (\d+)m", r"for: \1s")

    def _hurry(self, name: str, minutes: str, seconds: str, target: str = "") -> None:
        text = re.sub(minutes, seconds, (self._folder / name).read_text())
        (self._folder / name).write_text(text.replace("web:8000", target))

    def __enter__(self) -> Self:
        command = [self._program, "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        command += [f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=error"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, preexec_fn=die_with_parent(signal.SIGKILL)
            )
        self._began = time.time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def firing(self) -> set[str]:
        """Return the names of alerts that fire; our own alarms, which one rule passes on, by theirs."""
        found = [one["labels"] for one in self._ask("alerts").get("alerts", []) if one["state"] == "firing"]
        return {one.get("name", one["alertname"]) for one in found}

    def wait(self, alert: str, *, is_firing: bool) -> None:
        """Return as soon as the alert fires, or has ended. Raises AssertionError when it never does."""
        pause, give_up = threading.Event(), time.monotonic() + PATIENCE
        while (alert in (now := self.firing())) != is_firing:
            assert time.monotonic() < give_up, f"{alert} {'never fired' if is_firing else 'did not end'}; firing: {now}"
            pause.wait(0.2)

    def recorded(self, query: str) -> list[float]:
        """Return what a query without labels gave each second, from its first answer until now."""
        span = {"query": query, "start": self._began, "end": time.time(), "step": 1}
        (series,) = self._ask("query_range", **span)["result"]
        return [float(value) for _moment, value in series["values"]]

    def wait_for_record(self, query: str, *, alert: str) -> None:
        """Return when an outage has been recorded for so many seconds as the rule of the alert wants minutes."""
        pause, give_up = threading.Event(), time.monotonic() + PATIENCE
        while (lasted := self.recorded(query).count(0.0)) < minutes_of(rule_of(alert)) + 2:
            assert time.monotonic() < give_up, f"{query} was 0 for {lasted} s"
            pause.wait(0.2)

    def _ask(self, what: str, **query: Any) -> dict[str, Any]:
        try:
            told = httpx.get(f"http://127.0.0.1:{self._port}/api/v1/{what}", params=query, timeout=10).json()
        except (httpx.HTTPError, ValueError):
            return {}  # it has not begun to listen
        return dict(told.get("data", {}))


def rule_of(alert: str) -> dict[str, Any]:
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return next(one for group in groups for one in group["rules"] if one["alert"] == alert)


def minutes_of(rule: dict[str, Any]) -> int:
    return int(rule["for"].removesuffix("m"))


def replay(metric: str, seconds: Sequence[float], *, alert: str, folder: Path) -> None:
    """Play recorded seconds as minutes to the rules as they are: the alert fires in the outage, and not at its end.

    Raises CalledProcessError, with what promtool says, when it does not.
    """
    rule = rule_of(alert)
    fires = seconds.index(0.0) + minutes_of(rule) + 1
    expected = {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}
    moments = [(fires, [expected]), (len(seconds) - 1, [])]
    tests = {
        "interval": "1m",
        "input_series": [{"series": metric, "values": " ".join(f"{value:g}" for value in seconds)}],
        "alert_rule_test": [
            {"alertname": alert, "eval_time": f"{minute}m", "exp_alerts": alerts} for minute, alerts in moments
        ],
    }
    file = folder / "recorded.test.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(RULES / "alerts.yml")], "tests": [tests]}))
    subprocess.run([program("promtool", package="prometheus"), "test", "rules", str(file)], check=True)
