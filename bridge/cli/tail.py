"""`bridge tail`: what is in the topics."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from bridge.cli import completion
from bridge.cli.options import config_option, json_lines_option
from bridge.cli.terminal import echo, echo_json_line
from bridge.configuration.load import load


@click.command("tail")
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...", shell_complete=completion.topics)
@click.option("--from-beginning", is_flag=True, help="Start with the first record; else with what comes from now on.")
@click.option("--max", "most", type=click.IntRange(min=1), help="Stop after this many records.")
@click.option("--exit-on-end", is_flag=True, help="Stop where the topics ended when the command started.")
@config_option
@json_lines_option
def tail_command(
    topics: tuple[str, ...],
    from_beginning: bool,
    most: int | None,
    exit_on_end: bool,
    config: Path | None,
    as_json: bool,
) -> int:
    """Show the records of topics: time, place, key, headers, value.

    Avro values are decoded by the registry. Reads as a read_committed consumer, joins no group, commits nothing.

    \b
    Examples:
      bridge tail shop.order --from-beginning --max 5
      bridge tail shop.order --exit-on-end --from-beginning --json | jq .data.value
    """
    from bridge.admin.tail import tail

    records = tail(load(config), dict.fromkeys(topics), from_beginning=from_beginning, exit_on_end=exit_on_end)
    try:
        for record in islice(records, most):
            if as_json:
                echo_json_line(record.as_document())
            else:
                echo(*record.as_lines())
    except KeyboardInterrupt:
        return 130
    return 0
