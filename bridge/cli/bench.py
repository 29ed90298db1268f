"""`bridge bench`: how fast it is here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bridge.bench.plan import LONG_PARTS, OTHER_PARTS, PARTS, Plan
from bridge.cli.demo import DIRECTORY
from bridge.cli.local import open_stack
from bridge.cli.options import config_option
from bridge.cli.terminal import echo, progress_console
from bridge.errors import ConfigError

RESULTS = "results.json"


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(PARTS + LONG_PARTS + OTHER_PARTS),
    help="Measure this alone; repeatable.  [default: the first five]",
)
@click.option("--events", type=click.IntRange(min=1000), default=300_000, show_default=True, help="In each backlog.")
@click.option("--bytes", "payload_bytes", type=click.IntRange(min=40), default=220, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--rate", "rates", multiple=True, type=click.IntRange(min=1), default=(100, 500, 2000), show_default=True)
@click.option("--seconds", type=click.IntRange(min=1), default=10, show_default=True, help="At each rate.")
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="For the snapshot.")
@click.option("--shards", type=click.IntRange(1, 1024), default=1, show_default=True)
@click.option("--debezium", "peer", is_flag=True, help="Measure Debezium, too; Postgres needs wal_level = logical.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Use local servers that keep their data here, even if others are set.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Also write results.json and results.md.")
@config_option
def bench(
    only: tuple[str, ...],
    events: int,
    payload_bytes: int,
    rounds: int,
    rates: tuple[int, ...],
    seconds: int,
    minutes: float,
    shards: int,
    peer: bool,
    directory: Path | None,
    out: Path | None,
    config: Path | None,
) -> None:
    """Measure throughput, latency and the writers' cost, here.

    On the servers that are set, or on local ones. Everything happens in a database and in topics of its own, which are
    removed at the end; the role must be allowed to create a database.

    \b
    Example:
      bridge bench --only drain --events 100000 --rounds 1
    """
    if out is not None:  # before minutes are spent
        with _writing(out):
            out.mkdir(parents=True, exist_ok=True)
            (out / RESULTS).touch()
    stack = open_stack(directory or DIRECTORY)  # all that follows needs its packages
    from bridge.bench import report
    from bridge.bench.run import run
    from bridge.bench.scene import open_scene
    from bridge.bench.servers import prepare

    console = progress_console()
    servers = prepare(stack, config, console, always_local=directory is not None, peer=peer)
    plan = Plan(only or PARTS, events, payload_bytes, rounds, rates, seconds, minutes, peer)
    with open_scene(servers.settings, shards) as scene:
        results = run(scene, plan, console.print, servers.allow_decoding)
        markdown = report.as_markdown(plan, results, servers.versions)
        echo(*markdown.splitlines())
        if out is not None:
            with _writing(out):
                (out / RESULTS).write_bytes(report.as_json(scene, plan, results, servers.versions))
                (out / "results.md").write_text(markdown, "utf-8")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = f"results cannot be written to {out}: {error.strerror}"
        raise ConfigError(problem, hint="Name another directory with --out") from error
