"""From rounds of measurements to the table and `bench.json`: medians, ratios within a round, goals beside them.

In: what each round measured. Out: figures by name, None for what could not be had. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Rounds = Sequence[Mapping[str, float]]

# Ratio in bench.json -> the peer's rate in a round.
RATIOS = {
    "deliver_vs_smtp_source": "smtp_source_per_s",
    "deliver_vs_smtp_source_kept_open": "smtp_source_kept_open_per_s",
    "deliver_vs_django_loop": "django_loop_per_s",
    "deliver_vs_django_post_office": "django_post_office_per_s",
    "deliver_vs_nodemailer": "nodemailer_per_s",
}
MEASURED = (
    *("plan_readers_per_s", "deliver_per_s", *RATIOS.values(), "relay_20ms_per_s"),
    *("sender_cpu_ms", "sender_main_thread_cpu_ms", "sender_cpu_ms_dkim", "postgres_cpu_ms", "sink_cpu_ms"),
    *("plan_cpu_ms", "plan_postgres_cpu_ms", "queries_per_1000", "rss_mb_20k", "plan_rss_mb_20k"),
    *("rss_mb_200k", "plan_rss_mb_200k", "plan_readers_per_s_200k", "deliver_per_s_200k", "queries_per_1000_200k"),
)
TABLE = (
    ("Planning, rows a second", "plan_readers_per_s", ",.0f", "≥ 20,000"),
    ("  with {many} readers", "plan_readers_per_s_200k", ",.0f", ""),
    ("  CPU of ours, ms a reader", "plan_cpu_ms", ".3f", ""),
    ("  CPU of PostgreSQL, ms a reader", "plan_postgres_cpu_ms", ".3f", ""),
    ("Delivery, messages a second, rows to rows", "deliver_per_s", ",.0f", ""),
    ("  with {many} readers", "deliver_per_s_200k", ",.0f", ""),
    ("  through a relay 20 ms away", "relay_20ms_per_s", ",.0f", "≥ 1,200"),
    ("  ÷ smtp-source, 16 sessions", "deliver_vs_smtp_source", ".2f", "≥ 0.80"),
    ("  ÷ smtp-source -d (connections kept open)", "deliver_vs_smtp_source_kept_open", ".2f", ""),
    ("  ÷ plain Django loop", "deliver_vs_django_loop", ".1f", "≥ 15"),
    ("  ÷ django-post_office, 2 processes of 10 threads", "deliver_vs_django_post_office", ".1f", "≥ 18"),
    ("  ÷ nodemailer, pool of 10, handlebars", "deliver_vs_nodemailer", ".1f", "≥ 8"),
    ("Others: smtp-source", "smtp_source_per_s", ",.0f", ""),
    ("  smtp-source -d", "smtp_source_kept_open_per_s", ",.0f", ""),
    ("  plain Django loop", "django_loop_per_s", ",.0f", ""),
    ("  django-post_office", "django_post_office_per_s", ",.0f", ""),
    ("  nodemailer", "nodemailer_per_s", ",.0f", ""),
    ("CPU of the sender, ms a message", "sender_cpu_ms", ".3f", "≤ 0.15"),
    ("  the thread that composes and sends", "sender_main_thread_cpu_ms", ".3f", ""),
    ("  with DKIM in the app (RSA-2048)", "sender_cpu_ms_dkim", ".3f", "≤ 0.55"),
    ("CPU of PostgreSQL, ms a message", "postgres_cpu_ms", ".3f", ""),
    ("CPU of the sink, ms a message", "sink_cpu_ms", ".3f", ""),
    ("Queries per 1,000 deliveries", "queries_per_1000", ".0f", "constant"),
    ("  with {many} readers", "queries_per_1000_200k", ".0f", ""),
    ("Memory of the sender, MB", "rss_mb_20k", ".0f", "≤ 150"),
    ("  with {many} readers", "rss_mb_200k", ".0f", ""),
    ("  growth", "rss_growth_20k_200k", ".1%", "< 10 %"),
    ("Memory of the planner, MB", "plan_rss_mb_20k", ".0f", ""),
    ("  with {many} readers", "plan_rss_mb_200k", ".0f", ""),
)


def summary(rounds: Rounds) -> dict[str, Any]:
    """Medians of everything, and of the ratios taken within each round: noise of the machine meets both alike."""
    figures: dict[str, Any] = {name: _median(_column(rounds, name)) for name in (*MEASURED, *RATIOS)}
    small, big = figures["rss_mb_20k"], figures["rss_mb_200k"]
    figures["rss_growth_20k_200k"] = big / small - 1 if small and big else None
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}


def table(figures: Mapping[str, Any], rounds: Rounds, *, many: int) -> str:
    """One line a figure: the median, the goal of issue 3, the lowest and highest of the rounds."""
    lines = [f"{'':50}{'median':>10}  {'goal':10}{'lowest':>10}{'highest':>10}"]
    for words, name, shape, goal in TABLE:
        if not many and "200k" in name:
            continue
        value = figures.get(name)
        values = _column(rounds, name)
        spread = "".join(f"{format(x, shape):>10}" for x in (min(values), max(values))) if len(values) > 1 else ""
        words = words.format(many=f"{many:,}")
        lines.append(f"{words:50}{format(value, shape) if value is not None else '–':>10}  {goal:10}{spread}".rstrip())
    return "\n".join(lines)


def _column(rounds: Rounds, name: str) -> list[float]:
    if name in RATIOS:
        peer = RATIOS[name]
        return [row["deliver_per_s"] / row[peer] for row in rounds if "deliver_per_s" in row and peer in row]
    return [row[name] for row in rounds if name in row]


def _median(values: Sequence[float]) -> float | None:
    return float(median(values)) if values else None
