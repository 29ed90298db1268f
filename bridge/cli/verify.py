"""`bridge verify`: whether what is in the topics is what should be there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli import completion
from bridge.cli.options import Since, config_option, json_option
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.cli.verify_capture import verify_tables
from bridge.configuration.load import load, load_routed
from bridge.errors import VerificationFailed
from bridge.text import counted

if TYPE_CHECKING:  # the clients take half a second to import, and `bridge --help` needs none
    from bridge.admin.verify import Gap, Verdict

COUNTS = {
    "published": "",
    "pending": "",
    "dead": "nobody has decided about them: bridge dead list",
    "given_up": "by bridge dead skip",
    "dead_letters": "of the records are in the topic of the dead letters: one for each time that an event died",
}
REASONS = {
    "trimmed": "events whose records Kafka's retention may have removed",
    "compacted": "events whose records compaction may have removed: their keys have later ones, or tombstones had",
    "erased": "events that bridge erase has emptied: at its tombstone compaction may have removed their records",
    "unrouted": "published events of types that no route names: name the topics they were in with --topic",
    "behind": "records of events that this standby does not have, perhaps not yet: verify the primary",
    "departed": "records of events that have left the database: neither phantom, nor, but for the history's, in order",
}


class Past(Since):
    """A time that has come."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """As `Since`."""
        time = super().convert(value, param, ctx)
        if isinstance(time, datetime) and time > datetime.now(UTC):
            self.fail(f"{value!r} has not come yet: there would be nothing to compare", param, ctx)
        return time


@click.command("verify")
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=completion.tables)
@click.option("--capture", is_flag=True, help="Compare tracked tables, or those named, with their recorded changes.")
@click.option("--since", type=Past(), help="Only events since then: 2026-03-01T12:00Z, 6h, 2d.")
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="Only events of this topic; may be repeated.",
    shell_complete=completion.topics,
)
@config_option
@json_option
def verify_command(
    tables: tuple[str, ...],
    capture: bool,
    since: datetime | timedelta | None,
    topics: tuple[str, ...],
    config: Path | None,
    as_json: bool,
) -> None:
    """Compare the topics with the database: is anything lost, duplicated, reordered or invented?

    Reads both sides, as a read_committed consumer does, and joins them by event id. Safe while relays run. What
    retention has taken on one side is counted as not judged. A --topic that no route names is looked in as well. With
    --capture it compares tracked tables with their events instead, in one snapshot, and needs no Kafka. Exit code 0
    only if nothing differs in what can be judged, else 6; 3 where others keep a table, and no other differs.

    \b
    Examples:
      bridge verify --since 6h --topic shop.order
      bridge verify --capture shop.orders
    """
    if capture:
        if since or topics:
            raise click.UsageError("--since and --topic are about topics, and --capture is not")
        verify_tables(load(config), tables, as_json=as_json)
        return
    if tables:
        raise click.UsageError("tables are named with --capture only")
    from bridge.admin.verify import KINDS, verify

    settings = load_routed(config)
    with progress_bar() as progress:
        verdict = verify(settings, topics, since, progress)
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

    lines = [
        f"{counted(verdict.events, 'event')} and {counted(verdict.records, 'record')} compared"
        f" in {verdict.seconds:.1f} s"
    ]
    for name, what in COUNTS.items():
        count = getattr(verdict, name)
        lines.append(f"  {name.replace('_', ' '):<13}{count:>12,}" + (f"   {what}" if what and count else ""))
    for kind in KINDS:
        count = getattr(verdict, kind)
        ids = verdict.examples.get(kind, ())
        more = ", ..." if count > len(ids) else ""
        lines.append(f"  {kind:<13}{count:>12,}" + (f"   {', '.join(ids)}{more}" if ids else ""))
    if verdict.not_judged:
        lines.append("Not judged:")
        lines += [f"  {reason:<13}{count:>12,}   {REASONS[reason]}" for reason, count in verdict.not_judged.items()]
    if verdict.reused is not None:
        lines.append(
            f"The sequence bridge.event_seq was set back behind the number {verdict.reused:,}: events written since "
            "may lie below where relays read. Start a relay, which stops its shards, and run bridge recover."
        )
    if verdict.missing:
        lines.append(f"Kafka has no topic {', '.join(verdict.missing)}.")
    if verdict.trimmed:
        lines.append(f"Kafka has removed the first records of {', '.join(verdict.trimmed)}.")
    if verdict.moved:
        lines.append(
            f"All that is lost of {', '.join(verdict.moved)} was written before the first such record in its topic. If "
            "its route named another topic then, name that too: bridge verify --topic FORMER_TOPIC"
        )
    return lines + [line for gap in verdict.gaps for line in _explained(gap)]


def _explained(gap: Gap) -> list[str]:
    since, until = gap.since.isoformat(), gap.until.isoformat()
    return [
        f"{gap.phantoms:,} of what is phantom is of a time of which {gap.table} has no table partition. If somebody "
        "dropped or detached it by hand, say so, as the owner of schema bridge, and it counts as departed:",
        f"  select bridge.declare_dropped('{gap.table}', '{since}', '{until}')",
    ]
