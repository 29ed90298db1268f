"""`bridge tail` and `bridge verify`: what is in the topics, and whether it is what should be there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import orjson

from bridge import settings
from bridge.errors import VerificationFailed
from bridge.tail import printable
from bridge.verify import KINDS, Verdict
from bridge.verify import verify as compare

_config = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), envvar="BRIDGE_CONFIG", help="bridge.toml."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.command()
@_config
@_json
def verify(config: Path | None, as_json: bool) -> None:
    """Compare the topics with the database: is anything lost, duplicated, reordered or invented?

    Reads both sides whole, as a read_committed consumer does, and joins them by event id. Safe while relays run. Exit
    code 0 only if nothing differs, else 6.
    """
    verdict = compare(settings.load(config))
    click.echo(orjson.dumps(asdict(verdict)) if as_json else describe(verdict))
    if not verdict.passed:
        found = ", ".join(f"{kind} {getattr(verdict, kind)}" for kind in KINDS if getattr(verdict, kind))
        raise VerificationFailed(f"database and topics differ: {found}")


def describe(verdict: Verdict) -> str:
    """The verdict for a person."""
    lines = [f"{verdict.events:,} events and {verdict.records:,} records compared in {verdict.seconds:.1f} s"]
    lines += [f"  {name:<11}{getattr(verdict, name):>12,}" for name in ("published", "pending", "dead")]
    for kind in KINDS:
        count = getattr(verdict, kind)
        ids = [printable(event_id) for event_id in verdict.examples.get(kind, ())]
        more = ", ..." if count > len(ids) else ""
        lines.append(f"  {kind:<11}{count:>12,}" + (f"   {', '.join(ids)}{more}" if ids else ""))
    if verdict.trimmed:
        lines.append(
            f"Retention has removed the first records of {', '.join(verdict.trimmed)}; their events count as lost."
        )
    return "\n".join(lines)
