"""`bridge demo`: the whole of it on real servers, in a minute."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.local import open_stack
from bridge.cli.options import config_option, json_option
from bridge.cli.progress import hint_if_interrupted
from bridge.cli.terminal import PlainConsole, echo, echo_json, progress_console
from bridge.cli.verify import describe
from bridge.configuration.load import load
from bridge.errors import VerificationFailed

if TYPE_CHECKING:
    from bridge.admin.tail import Shown
    from bridge.demo.run import Result
    from bridge.local.stage import Stage

DIRECTORY = Path(".bridge")
EXCERPT_CHARACTERS = 480


@click.command()
@click.option("--events", type=click.IntRange(min=1), default=20_000, show_default=True, help="How many, about.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Use local servers that keep their data here, even if others are set.  [default: {DIRECTORY}]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same transactions.")
@config_option
@json_option
def demo(events: int, directory: Path | None, seed: int, config: Path | None, as_json: bool) -> None:
    """Write changes to a real Postgres, carry them to a real Kafka, and prove that each arrived once and in order.

    Starts local servers, and leaves them running for you to look around. Where BRIDGE_DATABASE_URL,
    BRIDGE_KAFKA_BOOTSTRAP_SERVERS and BRIDGE_REGISTRY_URL are set, it writes to those servers instead (schemas bridge
    and crm). The routes are those of config/demo.toml, unless there is a --config. Exit code 0 only if nothing is lost,
    duplicated, reordered or invented, else 6.

    \b
    Example:
      bridge demo --events 5000
    """
    from bridge.demo.run import run, shipped_configuration
    from bridge.demo.view import View

    console = progress_console()
    stage = _stage(directory, config or shipped_configuration(), console)
    hint = f"The servers still run; to stop them: {_command('local down', directory)}"
    with hint_if_interrupted(hint) if stage.is_local else nullcontext():
        result = run(stage, events, seed, View(console, events))
    if as_json:
        echo_json(_summary(result))
    else:
        _print(result, stage, directory)
    if not result.verdict.passed:
        raise VerificationFailed("database and topics differ", hint="`bridge verify` names the events")
    if result.progress.dead:
        dead = f"{result.progress.dead:,} events became dead letters"
        raise VerificationFailed(dead, hint="The column error_message of bridge.event_queue and entity_events says why")


def _stage(directory: Path | None, config: Path, console: PlainConsole) -> Stage:
    from bridge.local.stage import are_servers_given, given_stage, is_of, local_stage

    loaded = load(config)
    given = directory is None and are_servers_given(loaded)
    if given and not (DIRECTORY.exists() and is_of(open_stack(DIRECTORY), loaded)):
        return given_stage(loaded, config, console)
    return local_stage(open_stack(directory or DIRECTORY), config, console)


def _summary(result: Result) -> dict[str, Any]:
    last, verdict = result.progress, result.verdict
    return {
        "written": last.written,
        "published": last.published,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "reordered": verdict.reordered,
        "phantom": verdict.phantom,
        "dead": last.dead,
        "pending": last.pending,
        "seconds": round(last.elapsed, 3),
        "events_per_second": round(last.published / last.elapsed),
        "transactions": result.transactions,
        "rolled_back": result.rolled_back,
        "relay_memory_bytes": last.relay_peak_bytes,
        "versions": result.versions,
    }


def _print(result: Result, stage: Stage, directory: Path | None) -> None:
    last = result.progress
    echo(
        f"{last.written:,} events in {result.transactions:,} transactions; {last.published:,} published after"
        f" {last.elapsed:.1f} s",
        f"{result.rolled_back:,} more transactions were rolled back on purpose",
        "",
        "Some of the records:",
    )
    for record in result.records:
        echo(*_excerpt(record))
    echo("", *describe(result.verdict))
    if result.verdict.passed and not last.dead:
        proof = "Every committed event is in its topic, once and in order, and nothing else is."
        PlainConsole().print(proof, style="bold green", soft_wrap=True)
    echo("", "To look further:")
    for line in _further(result, stage, directory):
        echo(f"  {line}")
    if stage.is_local:
        echo("", "The servers still run. To stop them and remove their data:")
        echo(f"  {_command('local down --purge', directory)}")


def _excerpt(record: Shown) -> list[str]:
    """Where a record is and what it says, cut, wrapped to the terminal's width and safe to print."""
    from bridge.encoding.headers import CE_TYPE
    from bridge.text import json_line, printable

    value = json.dumps(json.loads(json_line(record.value)), ensure_ascii=False)
    cut = " ..." if len(value) > EXCERPT_CHARACTERS else ""
    kind = dict(record.headers).get(CE_TYPE)
    text = printable(value[:EXCERPT_CHARACTERS]) + cut
    lines = textwrap.wrap(text, shutil.get_terminal_size().columns - 5, break_on_hyphens=False)
    return [f"  {record.topic}[{record.partition}]@{record.offset} {kind}", *(f"    {line}" for line in lines)]


def _further(result: Result, stage: Stage, directory: Path | None) -> Iterator[str]:
    from bridge.local.stage import shorter

    if stage.is_local:
        yield f'eval "$({_command("local env", directory)})"'
    config = f" --config {shlex.quote(str(shorter(stage.config)))}" if stage.config else ""
    for record in result.records[:1]:
        yield _command(f"tail {record.topic} --from-beginning --max 5") + config
    yield _command("status") + config
    yield _command("verify") + config
    query = '-c "select * from crm.contacts limit 5"'
    if stage.is_local:
        yield f"{_command('local psql', directory)} {query}"
    elif shutil.which("psql") and "BRIDGE_DATABASE_URL" in os.environ:
        yield f'psql "$BRIDGE_DATABASE_URL" {query}'


def _command(arguments: str, directory: Path | None = None) -> str:
    """A command line that can be pasted: `bridge` by name where the shell finds this one, else by its path."""
    from bridge.local.stage import shorter

    own, found = Path(sys.executable).parent / "bridge", shutil.which("bridge")
    if not own.exists():
        name = f"{shlex.quote(sys.executable)} -m bridge"
    elif found and own.samefile(found):
        name = "bridge"
    else:
        name = shlex.quote(str(shorter(own)))
    option = f" --dir {shlex.quote(str(directory))}" if directory not in (None, DIRECTORY) else ""
    return f"{name} {arguments}{option}"
