"""What `bridge top` shows: a picture on a terminal, as much of it as there is room for; elsewhere lines."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.admin.overview import Overview
from bridge.admin.pace import ALL, Pace, thinned
from bridge.admin.reasons import all_reasons
from bridge.cli.terminal import PlainConsole
from bridge.errors import DatabaseUnavailable

VERDICTS = {
    "well": ("all is well", "green"),
    "waits": ("waits for a server", "yellow"),
    "idle": ("no relay is at work", "yellow"),
    "person": ("somebody should look", "red"),
}
BARS = "▁▂▃▄▅▆▇█"
FRAME = 7  # lines above the tables
TABLE = 2  # of a table beside its rows: the headings, and what parts it from the next
ENOUGH = 14  # for shards and topics, before jobs take room from them
NUMBERS = 44  # columns that the numbers take, before there is room for a graph


class TopView:
    """`show()` one look, within `with`."""

    def __init__(self, console: PlainConsole, interval: float) -> None:
        self._console = console
        self._interval = interval
        self._live: Live | None = None
        self._seen: Overview | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, screen=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, look: Overview | DatabaseUnavailable, pace: Pace) -> None:
        """Draw it, or say it in a line; what was seen last stays while the database is away."""
        away = str(look) if isinstance(look, DatabaseUnavailable) else None
        self._seen = look if isinstance(look, Overview) else self._seen
        if self._live is not None:
            self._live.update(self._picture(pace, away), refresh=True)
        else:
            self._console.print(away or line(self._seen, pace), soft_wrap=True)

    def _picture(self, pace: Pace, away: str | None) -> RenderableType:
        seen = self._seen
        if seen is None:
            return self._text(away or "", "red")
        width, room = self._console.width, self._console.height - FRAME
        why = [self._text(line, "red", no_wrap=True) for line in ([away] if away else list(all_reasons(seen.status)))]
        why = why[: max(room // 3, 1)]
        room -= len(why) + bool(why)
        jobs = len(seen.status.keeping.jobs) + TABLE
        wanted = len(seen.status.shards) + len(_names(seen, pace)) + 2 * TABLE
        jobs = jobs if room >= jobs + min(wanted, ENOUGH) else 0
        left = room - jobs - 2 * TABLE + 1
        shards = min(len(seen.status.shards), max(left - len(_names(seen, pace)), left // 3, 1))
        topics = max(left - shards, 1)
        parts: list[RenderableType] = [*self._head(seen, pace, width, away), "", *why, *([""] if why else [])]
        parts += [_shards(seen, pace, shards), "", _topics(seen, pace, topics)]
        parts += ["", _jobs(seen)] if jobs else []
        return Group(*parts)

    def _head(self, seen: Overview, pace: Pace, width: int, away: str | None) -> list[RenderableType]:
        words, style = ("not known now, this is what was", "red") if away else VERDICTS[seen.verdict]
        head = Text.assemble(("bridge", "bold"), "  ", (words, f"bold {style}"), f"  {_relays(seen)}")
        ends = f"{seen.at:%H:%M:%S} UTC, every {self._interval:g} s, Ctrl-C ends"
        if width - head.cell_len > len(ends) + 2:
            head.append(ends.rjust(width - head.cell_len), "dim")
        graph = min(width - NUMBERS, 60)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        for least in (11, 14, None):
            grid.add_column(justify="left" if least is None else "right", min_width=least, no_wrap=True)
        rate = _rate(pace.rate(ALL))
        grid.add_row("published", f"{seen.published:,}", rate, _line_graph(pace.rates(ALL), graph))
        oldest = "" if seen.oldest_seconds is None else f"oldest {_age(seen.oldest_seconds)}"
        grid.add_row("pending", _pending(seen), oldest, _line_graph(pace.pending, graph))
        grid.add_row("latency", *_latency(seen))
        grid.add_row("dead", f"{seen.status.undecided_dead:,}")
        return [head, "", grid]

    def _text(self, words: str, style: str, *, no_wrap: bool = False) -> Text:
        text = self._console.render_str(words)
        text.stylize(style)
        text.no_wrap, text.overflow = no_wrap, "ellipsis"
        return text


def line(seen: Overview | None, pace: Pace) -> str:
    """One look in one line."""
    if seen is None:
        return ""
    oldest = "" if seen.oldest_seconds is None else f", the oldest {_age(seen.oldest_seconds)} old"
    first = next(all_reasons(seen.status), None)
    parts = [
        f"{seen.at:%Y-%m-%dT%H:%M:%SZ}",
        VERDICTS[seen.verdict][0],
        f"published {seen.published:,}" + ("" if pace.rate(ALL) is None else f" ({_rate(pace.rate(ALL))})"),
        f"pending {_pending(seen)}{oldest}",
        f"dead {seen.status.undecided_dead:,}",
        ", ".join(_latency(seen)),
        first or "",
    ]
    return "  ".join(part for part in parts if part)


def _pending(seen: Overview) -> str:
    return f"{seen.pending:,}{'+' if seen.is_more else ''}"


def _relays(seen: Overview) -> str:
    return f"{len(seen.relays)} relay{'' if len(seen.relays) == 1 else 's'}"


def _latency(seen: Overview) -> tuple[str, ...]:
    """Of the last minute, the slowest relay's."""
    found = seen.latency
    return () if found is None else (f"p50 {found.p50:,.0f} ms", f"p99 {found.p99:,.0f} ms")


def _shards(seen: Overview, pace: Pace, most: int) -> Table:
    table = Table("shard", "owner", "lease", box=None, pad_edge=False, header_style="dim")
    for heading in ("rate", "pending", "oldest"):
        table.add_column(heading, justify="right")
    shards = sorted(seen.status.shards, key=lambda shard: (shard.stopped is None, -shard.pending, shard.shard))
    for shard in shards[:most]:
        oldest = "" if shard.oldest_age_seconds is None else _age(max(shard.oldest_age_seconds, 0))
        rate = _rate(pace.rate("shard", str(shard.shard)))
        style = "red" if shard.stopped else None
        table.add_row(
            str(shard.shard), shard.owner or "-", shard.lease, rate, f"{shard.pending:,}", oldest, style=style
        )
    return table


def _topics(seen: Overview, pace: Pace, most: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    table.add_column("topic", no_wrap=True, overflow="ellipsis", max_width=60)
    for heading in ("rate", "waiting", "dead"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("held", ratio=1, no_wrap=True, overflow="ellipsis")
    parked = {counts.topic: counts for counts in seen.topics}
    held = seen.held
    worst_first = sorted(
        _names(seen, pace), key=lambda name: (name not in held, -(pace.rate("topic", name) or 0), name)
    )
    for name in worst_first[:most]:
        counts = parked.get(name)
        waiting, dead = (counts.waiting, counts.dead) if counts else (0, 0)
        numbers = _rate(pace.rate("topic", name)), f"{waiting:,}", f"{dead:,}"
        table.add_row(name, *numbers, held.get(name, ""), style="red" if name in held else None)
    return table


def _names(seen: Overview, pace: Pace) -> set[str]:
    """Of the topics that there is something to say of."""
    return {counts.topic for counts in seen.topics} | seen.held.keys() | pace.topics()


def _jobs(seen: Overview) -> Table:
    table = Table("keeper's job", "last run (UTC)", "outcome", box=None, pad_edge=False, header_style="dim")
    for job in seen.status.keeping.jobs:
        last = "-" if job.started_at is None else f"{job.started_at:%Y-%m-%d %H:%M}"
        table.add_row(job.job, last, job.outcome or "-", style="red" if job.fails else None)
    return table


def _rate(rate: float | None) -> str:
    """One that is not known yet is no 0, and a few a minute do not look like none."""
    if rate is None:
        return "-"
    return f"{rate:.1f}/s" if 0 < rate < 10 else f"{rate:,.0f}/s"


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def _line_graph(values: Sequence[float], width: int) -> str:
    """The last values, the highest one as a full bar; none where there is no room to see anything."""
    if width < len(BARS):
        return ""
    shown = list(values)[-width:] if len(values) <= width else thinned(values, width)
    top = max(shown, default=0)
    return "".join(BARS[min(int(value / top * len(BARS)), len(BARS) - 1)] if top else BARS[0] for value in shown)
