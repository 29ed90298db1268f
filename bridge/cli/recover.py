"""`bridge recover`: let stopped shards go on, after a look at what Kafka has."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.options import config_option, json_option, reason_option
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load_routed

if TYPE_CHECKING:  # the clients take half a second to import, and `bridge --help` needs none
    from bridge.admin.recover import Finding


@click.command("recover")
@config_option
@click.option("--shard", type=click.IntRange(min=0), help="Only this one; else all that are stopped.")
@reason_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def recover_command(
    config: Path | None, shard: int | None, reason: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Let stopped shards go on.

    A shard stops when its ledger and Kafka contradict each other, because the database or Kafka went back in time, or
    because the control topic was deleted; when the database is a copy of another one; or when the sequence of event
    numbers was set back. This reads the topics whole, counts the pending events that they hold as published, and lets
    the ledger begin behind Kafka's last batch.
    Relays may run meanwhile. Run `bridge verify` afterwards: it names the events that only one side still has.

    \b
    Examples:
      bridge recover --dry-run
      bridge recover --shard 0 --reason 'restored from Monday'
    """
    from bridge.admin.recover import recover

    decided: list[dict[str, Any]] = []
    with ExitStack() as bar:

        def decide(finding: Finding) -> bool:
            bar.close()
            if not as_json or not (dry_run or yes):
                _print(finding, err=as_json)
            goes_on = not dry_run and (yes or click.confirm("Write that down, and let the shard go on?", err=True))
            decided.append({**asdict(finding), "goes_on": goes_on})
            return goes_on

        found = recover(load_routed(config), shard, decide, bar.enter_context(progress_bar()), reason)
    if as_json:
        echo_json(decided)
    elif not found:
        echo("No shard is stopped." if shard is None else f"Shard {shard} is not stopped.", err=True)
    elif not dry_run:
        echo("Now run bridge verify.", err=True)


def _print(finding: Finding, *, err: bool) -> None:
    last = "Kafka knows of no batch" if finding.last_batch is None else f"Kafka's last batch is {finding.last_batch}"
    lines = [
        last,
        f"{len(finding.published):,} pending events are in Kafka: they count as processed",
        f"{len(finding.dead):,} pending events are among the dead letters: they count as dead",
        f"{finding.left:,} pending events are not in Kafka: they will be published",
    ]
    if finding.renumber:
        renumbered = "all events that no batch has read get new ones, in the order of writing"
        lines.append(f"numbers were given twice: {renumbered}")
    echo(finding.reason, *(f"    {line}" for line in lines), err=err)
