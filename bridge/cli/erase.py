"""`bridge erase`: remove what bridge holds of a person, on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli import completion
from bridge.cli.options import config_option, json_option, reason_option
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load_routed
from bridge.text import counted

if TYPE_CHECKING:  # the clients take half a second to import, and `bridge --help` needs none
    from bridge.admin.erase import Certificate, Plan


@click.command("erase")
@click.argument("key")
@click.option("--entity", "entity_type", metavar="TYPE", help="KEY is the id of a tracked row of this entity type.")
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    shell_complete=completion.topics,
    help="Another topic that has its records.",
)
@reason_option
@config_option
@click.option("--dry-run", is_flag=True, help="Only show what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase_command(
    key: str,
    entity_type: str | None,
    topics: tuple[str, ...],
    reason: str | None,
    config: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase what events, activity log, archive and cold files hold of KEY, for good.

    KEY is the key of events that an application published; with --entity, the id of a tracked row. Let the
    application delete its own rows first. Compacted topics get a tombstone. A row of bridge.erasure is the
    certificate. It is refused, with exit code 5, while events of the key are still to be published. Should it be
    broken off, the same command goes on.

    \b
    Examples:
      bridge erase customer-4711 --dry-run
      bridge erase 4711 --entity shop.customer --topic crm.customer
    """
    from bridge.admin.erase import erase, look_for
    from bridge.keeping.subject import Subject

    if not key or entity_type == "":
        raise click.UsageError("KEY and TYPE are not empty")
    settings = load_routed(config)

    subject = Subject(key, entity_type)
    with progress_bar() as progress:
        plan = look_for(settings, subject, topics, progress)
    if dry_run and as_json:
        echo_json(plan)
    elif not as_json:
        echo(*_planned(plan))
    if dry_run:
        return
    if not yes:
        click.confirm("Erase that? It cannot be undone", abort=True, err=True)
    with progress_bar() as progress:
        certificate = erase(settings, subject, topics, progress, reason)
    if as_json:
        echo_json(certificate)
    else:
        echo(*_done(certificate))


def _planned(plan: Plan) -> list[str]:
    lines = [f"{counted(rows, 'row')} of {name}" for name, rows in plan.rows.items()]
    lines += [f"{files:,} cold files in {folder}" for folder, files in plan.files.items()]
    lines += [f"a tombstone to {topic}" for topic in plan.topics.compacted]
    lines += [f"no tombstone to {topic}, which is not compacted" for topic in plan.topics.kept]
    return lines + [f"not before it is published: {count:,} {state}" for state, count in plan.pending.items()]


def _done(certificate: Certificate) -> list[str]:
    return [f"Erased. Certificate: {certificate.id}, in bridge.erasure.", "What remains:"] + [
        f"  {place}" for place in certificate.remains
    ]
