"""The benchmark in small: it runs to the end, says what the issue wants to read, and sends each message just once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.bench import delivery_report
from tests.inbox import Inbox
from tests.services import ServiceMissing, postgres_binaries

ROOT = Path(__file__).parent.parent
KEYS = {
    "deliver_vs_smtp_source",
    "deliver_vs_django_loop",
    "deliver_vs_django_post_office",
    "deliver_vs_nodemailer",
    "plan_readers_per_s",
    "rss_growth_20k_200k",
}


def bench(out: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    try:
        postgres_binaries()
    except ServiceMissing as missing:
        pytest.fail(str(missing), pytrace=False)
    command = [sys.executable, "-m", "tests.bench", "--runs", "1", "--out", str(out), *arguments]
    run = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    figures: dict[str, Any] = json.loads(out.read_text())
    return figures, run.stdout


@pytest.mark.services
@pytest.mark.thorough
def test_every_message_of_a_run_arrives_once(inbox: Inbox, tmp_path: Path) -> None:
    figures, _ = bench(tmp_path / "bench.json", "--readers", "200", "--just-deliver", "--relay", str(inbox.port))
    arrived = Counter(letter.rcpt_to for letter in inbox.letters)
    assert set(arrived) == {f"reader{number}@mail{number % 400}.example" for number in range(200)}
    assert set(arrived.values()) == {1}
    assert len({letter.mail_from for letter in inbox.letters}) == 200
    assert figures["deliver_per_s"] > 0
    assert 35_000 < figures["message_bytes"] < 80_000


@pytest.mark.services
@pytest.mark.thorough
def test_the_figures_of_the_issue_are_in_the_file_and_in_the_table(tmp_path: Path) -> None:
    small = ["--readers", "100", "--big", "200", "--peers", "django_loop", "--peer-messages", "20"]
    figures, table = bench(tmp_path / "bench.json", *small)
    assert figures.keys() >= KEYS
    assert figures["deliver_vs_django_loop"] > 1
    assert figures["deliver_vs_django_post_office"] is None, "was not asked for"
    assert figures["plan_readers_per_s"] > 0
    assert -0.5 < figures["rss_growth_20k_200k"] < 0.5
    assert figures["sender_cpu_ms_dkim"] > 0
    assert figures["queries_per_1000"] > 0
    for words in ("÷ plain Django loop", "CPU of the sender", "Queries per 1,000 deliveries"):
        assert words in table


def test_a_ratio_is_the_median_of_the_rounds_own_and_null_without_a_peer() -> None:
    rounds = [
        {"deliver_per_s": 4000.0, "smtp_source_per_s": 4000.0, "rss_mb_20k": 100.0},
        {"deliver_per_s": 1000.0, "smtp_source_per_s": 2000.0, "rss_mb_20k": 101.0},
        {"deliver_per_s": 3000.0, "smtp_source_per_s": 5000.0, "rss_mb_20k": 100.0},
        {"rss_mb_200k": 104.0},
    ]
    figures = delivery_report.summary(rounds)
    assert figures["deliver_vs_smtp_source"] == 0.6
    assert figures["deliver_per_s"] == 3000
    assert figures["rss_growth_20k_200k"] == 0.04
    assert figures["deliver_vs_nodemailer"] is None
    assert figures["plan_readers_per_s"] is None
