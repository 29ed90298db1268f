"""`bridge trace`: where an event is, and why it waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load

if TYPE_CHECKING:  # the clients take half a second to import, and `bridge --help` needs none
    from bridge.admin.trace import Trace

SHOWN = 200  # characters of a key in text; JSON has it whole
NO_KEY = (
    "No event of this key among the last ones of its shard.",
    "  a change of a tracked row has the key <name>:<key>, as order:7, or 'line:[7, 1]': see bridge tracked",
)


@click.command("trace")
@click.argument("event_id", type=click.UUID, required=False)
@click.option("--key", callback=plain_text, help="The last events of this key, in place of one event.")
@click.option("--last", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many of a key.")
@click.option("--topic", callback=plain_text, help="Look in this topic; with --key, only events that go to it.")
@config_option
@json_option
def trace_command(
    event_id: UUID | None, key: str | None, last: int, topic: str | None, config: Path | None, as_json: bool
) -> int:
    """Say where an event is: written, read, parked, published to which offset; who has it now, and why it waits.

    Shows no payload. Exit code 0: nobody has to do anything. 1: nothing is known of it. 3: it waits for a server that
    is away, or one could not be asked. 5: it waits for a person.

    \b
    Examples:
      bridge trace 01a21d71-bf60-7c1f-ad35-146386d29779
      bridge trace --key customer-4711 --last 20
      bridge trace 01a21d71-bf60-7c1f-ad35-146386d29779 --topic shop.former
    """
    from bridge.admin.trace import worst
    from bridge.admin.tracer import Tracer
    from bridge.postgres.connection import connect, look_briefly
    from bridge.postgres.explained import explained
    from bridge.postgres.migrate import require_current

    if (event_id is None) == (key is None):
        raise click.UsageError("name one event by its id, or a key with --key")
    settings = load(config)
    with explained(), connect(settings.database, application_name="bridge trace") as conn:
        look_briefly(conn)
        require_current(conn)
        tracer = Tracer(conn, settings, topic)
        found = [tracer.event(event_id)] if event_id is not None else list(tracer.of_key(key or "", last))
    if as_json:
        echo_json(found[0].as_json() if event_id is not None else {"events": [one.as_json() for one in found]})
    elif event_id is not None:
        echo(*_lines(found[0]))
    else:
        echo(*(map(_line, found) if found else NO_KEY))
    return worst(found)


def _line(trace: Trace) -> str:
    row = trace.row
    what = "" if row is None else f"  {row.written_at:%Y-%m-%d %H:%M:%SZ}  {row.event_type}"
    return f"{trace.event_id}{what}  {trace.answer}"


def _lines(trace: Trace) -> Iterator[str]:
    from bridge.admin.event_wait import moment

    yield trace.answer
    if trace.mend is not None:
        yield f"  do: {trace.mend}"
    if (row := trace.row) is not None:
        kind = row.event_type if row.entity_type is None else f"{row.event_type} of {row.entity_type}"
        yield f"  event: {kind}, key {row.key[:SHOWN]}{'...' if len(row.key) > SHOWN else ''}"
        yield f"  row: number {row.seq} of shard {row.shard}, {row.source}"
        if row.erasure is not None:
            yield f"  erased: certificate {row.erasure}; nothing is left of its payload"
    if trace.topic is not None:
        yield f"  topic: {trace.topic}"
    if (look := trace.look) is not None:
        if look.place is not None:
            schema = "no schema" if look.place.schema_id is None else f"schema id {look.place.schema_id}"
            yield f"  record: {look.place}, {schema}"
        else:
            yield f"  record: {look.why_not} ({look.records:,} records were read)"
    if trace.shard is not None:
        until = "" if trace.shard.owner is None else f", lease until {moment(trace.shard.lease_until)}"
        yield f"  shard {trace.shard.shard}: held by {trace.shard.owner or 'nobody'}{until}"
    if trace.gone is not None:
        yield from (f"  {line}" for line in trace.gone.lines)
    for at, what in trace.steps:
        yield f"  {at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"Z  {what}"
