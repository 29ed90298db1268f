"""What a person sees of the demo, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bridge.demo.progress import Progress, ShardProgress
from bridge.demo.view import View


def progress(elapsed: float = 8.0, dead: int = 0) -> Progress:
    return Progress(
        elapsed=elapsed, written=1_234_567, published=1_234_000, pending=567 - dead, dead=dead, written_rate=12_345.6,
        published_rate=12_340.1, oldest_age=0.123, idle=0.0, relay_bytes=88_000_000, relay_peak_bytes=90_000_000,
        shards=tuple(ShardProgress(number, 100_000, 12_345) for number in range(4)),
    )  # fmt: skip


def console(width: int, *, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=24, soft_wrap=True, markup=False)


def written(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_picture_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    target = console(width, terminal=False)
    target.print(View(target, 2_000_000).picture(progress(dead=3)))
    lines = written(target).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert len(lines) < 20
    assert "1,234,567" in written(target)


def test_a_terminal_without_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    target = console(80, terminal=True)
    with View(target, 2_000_000) as view:
        view.show(progress(dead=3), True)
    assert "1,234,567" in written(target)
    assert not any(f"\x1b[{code}m" in written(target) for code in (31, 32, 91, 92))


def test_elsewhere_there_are_lines_and_they_never_flood() -> None:
    target = console(80, terminal=False)
    with View(target, 1000) as view:
        for tick in range(2400):  # ten minutes
            view.show(progress(tick / 4), False)
        view.show(progress(600.0), True)
    lines = written(target).splitlines()
    assert 10 < len(lines) < 70
    assert "\x1b" not in written(target)
    assert lines[-1].startswith("600.0 s")
