"""What a person sees while the demo runs, all of it on standard error: a live picture on a terminal, else lines."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table

from bridge.demo.progress import Progress

BAR_WIDTH = 30
LINE_SECONDS = 1.0  # between two lines at first; later a tenth of what has passed, so that a long run stays readable


class View:
    """`say` prints a line; `show`, within `with`, the progress. `events` is how many are to be written."""

    def __init__(self, console: Console, events: int) -> None:
        self._console = console
        self._events = events
        self._live: Live | None = None
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        self._console.print(text)

    def show(self, progress: Progress, is_last: bool) -> None:
        """Draw the progress, or now and then a line of it; the last one always, with the rates of the whole run."""
        if is_last:
            seconds = progress.elapsed
            progress = replace(
                progress, written_rate=progress.written / seconds, published_rate=progress.published / seconds
            )
        if self._live is not None:
            self._live.update(self.picture(progress), refresh=True)
        elif is_last or progress.elapsed >= self._next_line:
            self._next_line = progress.elapsed + max(LINE_SECONDS, progress.elapsed / 10)
            self.say(line(progress))

    def picture(self, progress: Progress) -> Group:
        """The progress as two tables, the same height whatever the numbers, so that nothing jumps."""
        totals = Table.grid(padding=(0, 2))
        totals.add_column(style="bold", width=9)
        totals.add_column(justify="right", min_width=10)
        totals.add_column(width=BAR_WIDTH)
        totals.add_column(justify="right", min_width=10)
        for name, count, rate in (
            ("written", progress.written, progress.written_rate),
            ("published", progress.published, progress.published_rate),
        ):
            total = max(self._events, progress.written)
            bar = ProgressBar(total, count, BAR_WIDTH, complete_style="cyan", finished_style="green")
            totals.add_row(name, f"{count:,}", bar, f"{rate:,.0f}/s")
        oldest = "" if progress.oldest_age is None else f"events, the oldest {progress.oldest_age:.2f} s old"
        totals.add_row("lag", f"{progress.pending:,}", oldest)
        if progress.dead:
            totals.add_row("dead", f"{progress.dead:,}", "events that cannot be published", style="red")
        if progress.relay_bytes is not None:
            totals.add_row("relay", megabytes(progress.relay_bytes), "of memory")
        totals.add_row("elapsed", f"{progress.elapsed:.1f} s")
        shards = Table("shard", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("pending", "Kafka transactions"):
            shards.add_column(heading, justify="right")
        for shard in progress.shards:
            shards.add_row(str(shard.shard), f"{shard.pending:,}", f"{shard.batches:,}")
        return Group(Padding(totals, (1, 2)), Padding(shards, (0, 2, 1, 2)))


def line(progress: Progress) -> str:
    """The progress in one line."""
    parts = [
        f"{progress.elapsed:5.1f} s",
        f"written {progress.written:,} ({progress.written_rate:,.0f}/s)",
        f"published {progress.published:,} ({progress.published_rate:,.0f}/s)",
        f"lag {progress.pending:,}" + (f", {progress.oldest_age:.1f} s" if progress.oldest_age is not None else ""),
    ]
    if progress.relay_bytes is not None:
        parts.append(f"relay {megabytes(progress.relay_bytes)}")
    return "  ".join(parts)


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
