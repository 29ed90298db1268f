"""Draws the results of `bridge bench --out DIR` as SVG beside them: `python tests/bench/plot.py DIR`."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle

OURS, THEIRS, THEIRS_QUICK, OTHER = "#1f6f8b", "#c8553d", "#e8a598", "#8a8a8a"
LOOKS = {"font_family": "sans-serif", "label_font_size": 13, "value_font_size": 13, "title_font_size": 16}
PLAIN = {"print_values": True, "js": [], "width": 860}


def throughput(results: dict[str, Any]) -> pygal.HorizontalBar:
    chart = pygal.HorizontalBar(
        style=CleanStyle(value_colors=("white",), **LOOKS), show_legend=False, show_x_guides=False, height=320,
        formatter=lambda n: f"{n:,.0f}", **PLAIN,
    )  # fmt: skip
    chart.title = f"Events a second, a backlog of {results['plan']['events']:,} (more is better)"
    bars = {name.replace("_", " "): [one["rate"] for one in found] for name, found in results["drained"].items()}
    bars["the ceiling"] = [1 / (1 / a + 1 / b) for a, b in zip(results["read"], results["publish"], strict=True)]
    chart.x_labels = list(reversed(bars))
    chart.add("", [{"value": statistics.median(bars[name]), "color": colour(name)} for name in reversed(bars)])
    return chart


def latency(results: dict[str, Any], delivery: str) -> pygal.Bar:
    found = {name: by_rate for name, by_rate in results["latencies"].items() if delivery in name}
    colors = tuple(colour(name) for name in found)
    chart = pygal.Bar(
        style=CleanStyle(colors=colors, **LOOKS), logarithmic=True, range=(1, 1000), zero=1, show_y_guides=False,
        legend_at_bottom=True, legend_at_bottom_columns=1, truncate_legend=-1, height=400,
        formatter=lambda n: f"{n:,.0f}" if n >= 10 else f"{n:.1f}", **PLAIN,
    )  # fmt: skip
    chart.title = (
        f"Milliseconds from commit to consumer, 99th percentile, {delivery.replace('_', ' ')} (less is better)"
    )
    chart.y_labels = [1, 10, 100, 1000]
    for name, by_rate in found.items():
        chart.x_labels = [f"{int(rate):,} events a second" for rate in by_rate]
        p99 = [statistics.median(one["from_commit"]["p99"] for one in rounds) for rounds in by_rate.values()]
        chart.add(name.replace("_", " "), p99)
    return chart


def colour(name: str) -> str:
    if name.startswith("bridge"):
        return OURS
    return OTHER if "Debezium" not in name else THEIRS_QUICK if "polling" in name else THEIRS


def main() -> None:
    directory = Path(sys.argv[1])
    results = json.loads((directory / "results.json").read_bytes())
    if results["drained"]:
        throughput(results).render_to_file(str(directory / "throughput.svg"))
    if results["latencies"]:
        for delivery in ("exactly_once", "at_least_once"):
            latency(results, delivery).render_to_file(str(directory / f"latency_{delivery}.svg"))


if __name__ == "__main__":
    main()
