"""Draws the results of `bridge bench --out DIR` as SVG beside them: `python tests/bench/plot.py DIR`."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle

STYLE = CleanStyle(font_family="sans-serif", label_font_size=13, value_font_size=13, title_font_size=16)


def throughput(results: dict[str, Any]) -> pygal.HorizontalBar:
    chart = pygal.HorizontalBar(
        style=STYLE, show_legend=False, print_values=True, width=800, height=320, formatter=lambda n: f"{n:,.0f}"
    )
    chart.title = f"Events a second, a backlog of {results['plan']['events']:,} (more is better)"
    bars = {name: [one["rate"] for one in found] for name, found in results["drained"].items()}
    bars["ceiling"] = [1 / (1 / a + 1 / b) for a, b in zip(results["read_and_mark"], results["publish"], strict=True)]
    chart.x_labels = [name.replace("_", " ") for name in reversed(bars)]
    chart.add("", [statistics.median(rates) for rates in reversed(bars.values())])
    return chart


def latency(results: dict[str, Any]) -> pygal.Bar:
    chart = pygal.Bar(
        style=STYLE,
        logarithmic=True,
        print_values=True,
        legend_at_bottom=True,
        width=800,
        height=420,
        formatter=lambda n: f"{n:,.0f}" if n >= 10 else f"{n:.1f}",
    )
    chart.title = "Milliseconds from commit to a read_committed consumer, 99th percentile (less is better)"
    for name, found in results["latencies"].items():
        chart.x_labels = [f"{one['rate']:,}/s" for one in found]
        chart.add(name.replace("_", " "), [one["from_commit"]["p99"] for one in found])
    return chart


def main() -> None:
    directory = Path(sys.argv[1])
    results = json.loads((directory / "results.json").read_bytes())
    if results["drained"]:
        throughput(results).render_to_file(str(directory / "throughput.svg"))
    if results["latencies"]:
        latency(results).render_to_file(str(directory / "latency.svg"))


if __name__ == "__main__":
    main()
