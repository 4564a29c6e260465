"""The chaos run of `make chaos`, short enough for every change: a few readers, a few faults, the same account."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

pytestmark = [pytest.mark.services, pytest.mark.thorough]


def test_whatever_breaks_the_account_of_a_run_balances(tmp_path: Path) -> None:
    output = tmp_path / "chaos.json"
    size = ["--readers", "400", "--faults", "6", "--seconds", "12", "--faults-only"]
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *size, "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    result = json.loads(output.read_text())
    assert (result["readers"], result["faults"]) == (400, 6)
    wrong = ("lost", "received_twice", "unsubscribed_received", "wrongly_suppressed")
    assert [result[name] for name in wrong] == [0, 0, 0, 0]
    assert result["unknown"] <= result["unknown_bound"]
