"""What a run found, as JSON and as Markdown; ratios are medians of the ratios within each round."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson
import psutil

from bridge.bench.costs import ANEW, PLAIN_TABLE, Costs
from bridge.bench.drain import Drained
from bridge.bench.latency import Quantiles
from bridge.bench.plan import Plan
from bridge.bench.run import Results
from bridge.bench.scene import Scene
from bridge.bench.typed import Carried
from bridge.bench.writers import BULK_ROWS, PLAIN


def machine() -> dict[str, Any]:
    """Where it ran; a figure without its machine says nothing."""
    models = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cores": psutil.cpu_count(),
        "cpu": models[0] if models else platform.processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def as_json(scene: Scene, plan: Plan, results: Results, versions: dict[str, str]) -> bytes:
    """Everything, for plots and for comparing runs."""
    relay = asdict(scene.settings.relay)
    document = {"machine": machine(), "versions": versions, "plan": asdict(plan), "relay": relay, **asdict(results)}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)


def as_markdown(plan: Plan, results: Results, versions: dict[str, str]) -> str:
    """The tables, with the machine above them."""
    where = machine()
    lines = [
        f"Machine: {where['cores']} cores ({where['cpu']}), {where['memory_gib']} GiB, {where['system']}, all servers"
        f" on it; {', '.join(f'{name} {version}' for name, version in versions.items())}. Payloads of"
        f" {plan.payload_bytes} bytes; medians of {plan.rounds} rounds, in which the systems take turns.",
    ]
    if results.drained:
        lines += ["", *_drains(plan, results)]
    if results.latencies:
        lines += ["", *_latencies(results)]
    if results.sustained:
        lines += ["", *_sustained(results)]
    if results.costs:
        lines += ["", *_costs(results.costs)]
    if results.writers:
        lines += ["", *_writers(results)]
    for title, found in (
        ("Shards", results.by_shards),
        ("Bytes of the payload", results.by_bytes),
        ("Processed events before", results.by_history),
        ("Past table partitions", results.by_leaves),
        (f"A snapshot open for {plan.minutes:g} minutes", results.by_snapshot),
    ):
        if found:
            lines += ["", *_flat(title, found)]
    if results.by_form:
        lines += ["", *_forms(results.by_form)]
    return "\n".join(lines) + "\n"


def _drains(plan: Plan, results: Results) -> list[str]:
    rows = [["", "events/s", "spread", "CPU s per million", "memory, MB", "of Debezium", "of the ceiling"]]
    for name, found in results.drained.items():
        rates = [one.rate for one in found]
        peer = [one.rate for one in results.drained.get(name.replace("bridge", "Debezium"), [])]
        rows.append(
            [
                name.replace("_", " "),
                f"{statistics.median(rates):,.0f}",
                f"{min(rates):,.0f} to {max(rates):,.0f}",
                f"{statistics.median(one.cpu_seconds for one in found):.1f}",
                f"{max(one.memory_bytes for one in found) / 1e6:,.0f}",
                f"{_ratio(rates, peer):.1f} x" if peer else "",
                f"{_ratio(rates, results.ceilings()):.0%}",
            ]
        )
    for name, rates in (
        ("Postgres alone: read", results.read),
        ("librdkafka alone: transactions", results.publish),
        ("the ceiling: one after the other", results.ceilings()),
    ):
        rows.append(
            [name, f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", "", "", "", ""]
        )
    return [f"A backlog of {plan.events:,} events:", "", *_table(rows)]


def _latencies(results: Results) -> list[str]:
    rows = [["", "events/s", "average", "p50", "p99", "p99 by round", "p99.9", "p99 from the schedule"]]
    for name, by_rate in results.latencies.items():
        for rate, found in by_rate.items():
            from_commit = [one.from_commit for one in found]
            rows.append(
                [
                    name.replace("_", " "),
                    f"{rate:,}",
                    *(_median(from_commit, each) for each in ("average", "p50", "p99")),
                    ", ".join(f"{one.p99:.0f}" for one in from_commit),
                    _median(from_commit, "p999"),
                    _median([one.from_schedule for one in found], "p99"),
                ]
            )
    return ["Milliseconds from commit to a `read_committed` consumer:", "", *_table(rows)]


def _median(rounds: Sequence[Quantiles], each: str) -> str:
    return f"{statistics.median(map(attrgetter(each), rounds)):.1f}"


def _sustained(results: Results) -> list[str]:
    rows = [["", "events/s", "on their way", "too much"]]
    for name, found in results.sustained.items():
        best = found[-1] if found[-1].is_sustainable else None
        too_much = min((one.rate for one in found if not one.is_sustainable), default=None)
        rows.append(
            [
                name.replace("_", " "),
                f"{best.rate:,}" if best else "none",
                f"{best.backlog_after:,.0f}" if best else "",
                f"{too_much:,}" if too_much else "",
            ]
        )
    return ["The highest rate, whatever the relay does, at which the backlog does not grow:", "", *_table(rows)]


def _costs(found: Costs) -> list[str]:
    rows = [
        ["an event, or a batch", ""],
        ["bytes of WAL: written", f"{found.wal_written:,.0f}"],
        ["bytes of WAL: read and claimed", f"{found.wal_carried:,.0f}"],
        ["bytes of WAL: dropped with its table partition", f"{found.wal_left:,.1f}"],
        ["bytes of WAL: all", f"{found.wal:,.0f}"],
        ["dead tuples", f"{found.dead_tuples:.2f}"],
        ["bytes of disk", f"{found.disk:,.0f}"],
        ["transactions a batch", f"{found.transactions:.1f}"],
        ["round trips a batch", f"{found.round_trips:.1f}"],
    ]
    for name, times in found.writer_us.items():
        plain = found.writer_us[f"{PLAIN_TABLE}{ANEW}" if name.endswith(ANEW) else PLAIN_TABLE]
        of_plain = statistics.median(mine / other for mine, other in zip(times, plain, strict=True))
        rows.append([f"microseconds to insert into {name}", f"{statistics.median(times):.1f} ({of_plain:.2f} x)"])
    return [f"What it costs Postgres (`wal_level = {found.wal_level}`):", "", *_table(rows)]


def _writers(results: Results) -> list[str]:
    found = results.writers
    assert found is not None  # noqa: S101 - the caller looked
    bulk_head = [f"{BULK_ROWS:,} rows, ms", "its cost", "WAL bytes a change"]
    rows = [["", "transactions/s", "of untracked", "its cost", *bulk_head]]
    for arm, rates in found.single_rate.items():
        row = [arm, f"{statistics.median(rates):,.0f}", f"{found.kept(arm):.0%}", f"{found.cost(arm):.2f}"]
        if times := found.bulk_ms.get(arm):
            wal = statistics.median(found.wal_bytes[arm])
            row += [f"{statistics.median(times):,.0f}", f"{found.bulk_cost(arm):.2f}", f"{wal:,.0f}"]
        rows.append([*row, *[""] * (len(rows[0]) - len(row))])
    head = f"What tracking costs the writers; *its cost* is what comes on top of untracked, {PLAIN}'s being 1:"
    return [head, "", *_table(rows)]


def _flat(title: str, found: Mapping[Any, Sequence[Drained]]) -> list[str]:
    first, *_ = found.values()
    rows = [[title, "events/s", "of the first", "memory, MB"]]
    for key, drains in found.items():
        rates = [one.rate for one in drains]
        share = statistics.median(rates) / statistics.median(one.rate for one in first)
        memory = max(one.memory_bytes for one in drains) / 1e6
        name = f"{key:,}" if isinstance(key, int) else key
        rows.append([name, f"{statistics.median(rates):,.0f}", f"{share:.0%}", f"{memory:,.0f}"])
    return _table(rows)


def _forms(found: Mapping[str, Sequence[Carried]]) -> list[str]:
    first, *_ = found.values()
    rows = [["UPDATEs of a tracked table, as", "events/s", "CPU s per million", "bytes of the value", "in Kafka"]]
    for form, ones in found.items():
        row = [form]
        for figure, digits in (
            ("drained.rate", 0), ("drained.cpu_seconds", 1), ("value_bytes", 0), ("kafka_bytes", 0)
        ):  # fmt: skip
            values, of = ([attrgetter(figure)(one) for one in carried] for carried in (ones, first))
            row.append(f"{statistics.median(values):,.{digits}f} ({_ratio(values, of):.2f} x)")
        rows.append(row)
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    return [_row(head), _row(["---"] + ["---:"] * (len(head) - 1)), *map(_row, body)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(rates: Sequence[float], of: Sequence[float]) -> float:
    return statistics.median(rate / other for rate, other in zip(rates, of, strict=False))


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
