"""`bridge tail` and `bridge verify`: what is in the topics, and whether it is what should be there."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.options import config_option
from bridge.cli.terminal import echo, echo_json
from bridge.cli.verify_capture import verify_tables
from bridge.configuration.load import load, load_routed
from bridge.errors import VerificationFailed

if TYPE_CHECKING:  # the clients take half a second to import, and `bridge --help` needs none
    from bridge.admin.verify import Verdict

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.command("tail")
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...")
@click.option("--from-beginning", is_flag=True, help="Start with the first record; else with what comes from now on.")
@click.option("--max", "most", type=click.IntRange(min=1), help="Stop after this many records.")
@click.option("--exit-on-end", is_flag=True, help="Stop where the topics ended when the command started.")
@config_option
@_json
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
    """
    from bridge.admin.tail import tail

    records = tail(load(config), dict.fromkeys(topics), from_beginning=from_beginning, exit_on_end=exit_on_end)
    try:
        for record in islice(records, most):
            echo(*([record.as_json()] if as_json else record.as_lines()))
    except KeyboardInterrupt:
        return 130
    return 0


@click.command("verify")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--capture", is_flag=True, help="Compare tracked tables, or those named, with their recorded changes.")
@config_option
@_json
def verify_command(tables: tuple[str, ...], capture: bool, config: Path | None, as_json: bool) -> None:
    """Compare the topics with the database: is anything lost, duplicated, reordered or invented?

    Reads both sides whole, as a read_committed consumer does, and joins them by event id. Safe while relays run. With
    --capture it compares tracked tables with their events instead, in one snapshot, and needs no Kafka. Exit code 0
    only if nothing differs, else 6.
    """
    if capture:
        verify_tables(load(config), tables, as_json=as_json)
        return
    if tables:
        raise click.UsageError("tables are named with --capture only")
    from bridge.admin.verify import KINDS, verify

    verdict = verify(load_routed(config))
    if as_json:
        echo_json(verdict)
    else:
        echo(*describe(verdict))
    if not verdict.passed:
        found = [f"{kind} {getattr(verdict, kind)}" for kind in KINDS if getattr(verdict, kind)]
        set_back = [] if verdict.reused is None else ["the sequence of event numbers was set back"]
        raise VerificationFailed(f"database and topics differ: {', '.join(found + set_back)}")


def describe(verdict: Verdict) -> list[str]:
    """The verdict for a person, in lines."""
    from bridge.admin.verify import KINDS

    lines = [f"{verdict.events:,} events and {verdict.records:,} records compared in {verdict.seconds:.1f} s"]
    lines += [f"  {name:<11}{getattr(verdict, name):>12,}" for name in ("published", "pending", "dead")]
    for kind in KINDS:
        count = getattr(verdict, kind)
        ids = verdict.examples.get(kind, ())
        more = ", ..." if count > len(ids) else ""
        lines.append(f"  {kind:<11}{count:>12,}" + (f"   {', '.join(ids)}{more}" if ids else ""))
    if verdict.reused is not None:
        lines.append(
            f"The sequence bridge.event_seq was set back behind the number {verdict.reused:,}: events written since "
            "may lie below where relays read. Start a relay, which stops its shards, and run bridge recover."
        )
    if verdict.trimmed:
        lines.append(
            f"Retention has removed the first records of {', '.join(verdict.trimmed)}; their events count as lost."
        )
    return lines
