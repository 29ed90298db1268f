"""`bridge top` fits into its terminal, says the worst first, and lets no name steer it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from overviews import job, overview, shard, wait

from bridge.admin.keeping import Keeping
from bridge.admin.overview import TopicCounts
from bridge.admin.pace import Pace
from bridge.cli.terminal import PlainConsole
from bridge.cli.top_view import FRAME, TopView, line
from bridge.errors import DatabaseUnavailable


def console(width: int, height: int) -> tuple[PlainConsole, io.StringIO]:
    shown = io.StringIO()
    made = PlainConsole()
    made.file, made._force_terminal = shown, False
    made.size = (width, height)  # type: ignore[assignment]
    return made, shown


def picture(seen: object, width: int, height: int, away: str | None = None) -> list[str]:
    """The lines of one picture."""
    made, shown = console(width, height)
    pace = Pace(10)
    pace.add(seen)  # type: ignore[arg-type]
    view = TopView(made, 2.0)
    view._seen = seen  # type: ignore[assignment]
    made.print(view._picture(pace, away))
    return shown.getvalue().rstrip("\n").split("\n")


CROWD = overview(
    shards=tuple(shard(n, pending=n, stopped="shard 3 is stopped: why" if n == 3 else None) for n in range(32)),
    topics=tuple(TopicCounts(f"topic-{n:03}", n, 0, 0) for n in range(300)),
    waits=(wait(topic="topic-299", reason="is missing " * 30),),
    relays={"a": {"latency_ms": {"p50": 4.2, "p99": 18.0}}},
)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (40, 10)])
def test_it_fits(width: int, height: int) -> None:
    lines = picture(CROWD, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= max(height, FRAME + 9)
    assert "somebody should look" in lines[0]


def test_the_worst_comes_first() -> None:
    lines = picture(CROWD, 120, 40)
    shards = next(at for at, text in enumerate(lines) if text.startswith("shard  owner"))
    assert lines[shards + 1].split()[0::2][:2] == ["3", "stopped"]
    topics = next(at for at, text in enumerate(lines) if text.startswith("topic "))
    assert lines[topics + 1].startswith("topic-299")
    assert any(text.split() == ["latency", "p50", "4", "ms", "p99", "18", "ms"] for text in lines)


def test_who_is_needed_for_the_keeper_is_told_why() -> None:
    late = replace(job("partitions"), is_late=True)
    lines = picture(overview(keeping=Keeping((late,))), 80, 24)
    assert "somebody should look" in lines[0]
    assert any("keeper: partitions has been due since" in text for text in lines)


def test_it_lives_longer_than_its_graph_is_wide() -> None:
    made, shown = console(80, 24)
    pace = Pace(1000)
    for at in range(101):
        pace.add(overview(at, shards=(shard(0, at),)))
    for width in (80, 50, 40):
        made.size = (width, 24)  # type: ignore[assignment]
        view = TopView(made, 2.0)
        view._seen = overview(101)
        made.print(view._picture(pace, None))
    lines = shown.getvalue().split("\n")
    assert "1.0/s" in next(text for text in lines if text.startswith("published"))
    assert max(map(len, lines)) <= 80


def test_what_was_seen_last_is_not_called_well_while_the_database_is_away() -> None:
    lines = picture(overview(relays={"a": {}}), 120, 24, "cannot connect to Postgres")
    assert "all is well" not in lines[0]
    assert "not known now" in lines[0]
    assert any(text == "cannot connect to Postgres" for text in lines)


def test_shards_have_the_room_that_topics_leave() -> None:
    lines = picture(overview(shards=tuple(map(shard, range(6)))), 80, 24)
    assert sum("host:1:abc" in text for text in lines) == 6


def test_a_small_terminal_has_room_for_jobs_where_little_else_is_shown() -> None:
    assert any(text.startswith("retention") for text in picture(overview(), 80, 24))
    assert not any(text.startswith("retention") for text in picture(CROWD, 80, 24))


def test_no_name_steers_the_terminal() -> None:
    hostile = overview(
        topics=(TopicCounts("\x1b[2J[red]t\n", 1, 0, 0),),
        waits=(wait(topic="\x1b]0;x\x07", reason="\x1b[31mred\nnew line"),),
        shards=(shard(owner="[bold]\x1b[0m"),),
    )
    text = "\n".join(picture(hostile, 120, 40))
    assert "\x1b" not in text
    assert "\\x1b[2J[red]t" in text
    assert "[bold]\\x1b[0m" in text


def test_a_line_where_there_is_no_terminal() -> None:
    made, shown = console(80, 24)
    pace = Pace(10)
    with TopView(made, 2.0) as view:
        for seen in (
            overview(0, shards=(shard(0, 0),)),
            overview(2, shards=(shard(0, 20, pending=3),), relays={"a": {}}),
        ):
            pace.add(seen)
            view.show(seen, pace)
        view.show(DatabaseUnavailable("cannot connect"), pace)
    first, second, third = shown.getvalue().splitlines()
    assert "no relay is at work" in first
    assert "published 0  pending" in first  # one look alone tells no rate
    assert second.startswith("2026-03-01T12:00:02Z  all is well  published 20 (10/s)  pending 3")
    assert third == "cannot connect"
    assert line(None, pace) == ""
