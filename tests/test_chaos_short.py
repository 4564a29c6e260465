"""The chaos run of `make chaos`, short enough for every change: a few readers, a few faults, the same account."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT


def chaos(folder: Path, *options: str) -> dict[str, float]:
    """Run it, and return its account."""
    output = folder / "chaos.json"
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--faults-only", *options, "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    result: dict[str, float] = json.loads(output.read_text())
    wrong = ("lost", "received_twice", "unsubscribed_received", "wrongly_suppressed")
    assert [result[name] for name in wrong] == [0, 0, 0, 0]
    return result


@pytest.mark.services
@pytest.mark.thorough
def test_whatever_breaks_the_account_of_a_run_balances(tmp_path: Path) -> None:
    result = chaos(tmp_path, "--readers", "400", "--faults", "6", "--seconds", "12")
    assert (result["readers"], result["faults"]) == (400, 6)
    assert result["unknown"] <= result["unknown_bound"]


@pytest.mark.system
def test_prometheus_tells_of_outages_in_a_run_and_of_their_end(tmp_path: Path) -> None:
    """Redis away, then the site: the rules of deploy/ fire in a real Prometheus, and end; not a mail is lost."""
    result = chaos(tmp_path, "--readers", "200", "--faults", "2", "--seconds", "4", "--watched")
    assert result["rules_fired_and_cleared"] == 2
