"""`make bench-papers`: choosing papers, measured. Each part runs in a process of its own and prints its own table."""

from __future__ import annotations

import subprocess
import sys

PARTS = (
    "bench_trends",
    "bench_select",
    "bench_profile",
    "bench_digests",
    "bench_scoring",
    "bench_search",
    "bench_listing",
    "bench_topics",
    "bench_key_sentence",
)


def main() -> int:
    failed = 0
    for part in PARTS:
        print(f"\n=== {part}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"tests.bench.{part}"], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
