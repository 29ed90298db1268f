"""`bridge schema generate`: the Avro schema of a tracked table, from the catalog."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.admin.avro_names import is_name
from bridge.admin.generate import Generated, generate, route_text, routed_file, write_schema
from bridge.admin.route import Kind, explain_kind
from bridge.admin.typed_schema import Wishes
from bridge.cli import completion
from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.route import route_lines
from bridge.cli.terminal import echo, echo_document, echo_json
from bridge.configuration.load import Configuration, read
from bridge.encoding.avro.library import SUFFIX
from bridge.encoding.routing import Router
from bridge.event import CHANGED
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current
from bridge.settings import Encoding


@click.command("generate")
@click.argument("table", callback=plain_text, shell_complete=completion.tables)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write this file, <subject>.avsc."
)
@click.option("--after-only", is_flag=True, help="Without the row as it was before.")
@click.option("--name", callback=plain_text, help="The record's full name; else <schema>.<table>.")
@click.option(
    "--text", metavar="COLUMN", multiple=True, callback=plain_text, help="A column that is to be text, whatever it is."
)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where the file is not what the table is now.")
@json_option
@config_option
def schema_generate_command(
    table: str,
    out: Path | None,
    after_only: bool,
    name: str | None,
    text: tuple[str, ...],
    check: bool,
    as_json: bool,
    config: Path | None,
) -> int:
    """Write the Avro schema of TABLE's changes, with its columns' types; without --out it is printed.

    TABLE is written as in SQL: orders, sales.orders, '"Odd name"'; it need not be tracked yet, but then has a primary
    key. Where FILE is there already, the schema reads what was written with it, and what it was made with
    (--after-only, --name, --text) stays. The route that the table has is shown, or one for it. --check without --out is
    about the file of the table's route. Exit code 4: there can be no such schema, for a column's type became another,
    or the table cannot be tracked.

    \b
    Examples:
      bridge schema generate shop.orders --out schemas/shop.orders-value.avsc
      bridge schema generate shop.orders --check --config bridge.toml
    """
    if out is not None and out.suffix != SUFFIX:
        raise click.BadParameter(f"{out}: a schema's file is called <subject>{SUFFIX}", param_hint="--out")
    if name is not None and not all(is_name(part) for part in name.split(".")):
        raise click.BadParameter(f"{name!r} is no name in Avro: letters, digits and _, with dots", param_hint="--name")
    configuration = read(config)
    settings = configuration.checked()
    with connect(settings.database, application_name="bridge schema generate") as conn:
        require_current(conn)
        if check and out is None:
            out = routed_file(conn, table, settings)
        found = generate(conn, table, Wishes(name, after_only, text), out)
    if as_json:
        told = {"schema": json.loads(found.text), "differences": found.differences, "is_tracked": found.is_tracked}
        echo_json({"file": out and str(out), **told})
    if check:
        echo(*(f"{out}: {difference}" for difference in found.differences), err=as_json)
        return 1 if found.differences else 0
    if out is None:
        echo_document(*([] if as_json else found.text.splitlines()))
    elif found.differences:
        is_new = not out.exists()
        write_schema(out, found.text)
        if is_new:
            echo(f"{out} was written", err=True)
        else:
            echo(*(f"{out}: {difference}" for difference in found.differences), err=True)
            echo(f"{out} was written anew", err=True)
    else:
        echo(f"{out} is as the table is", err=True)
    echo(*_route(found, out, configuration), err=True)
    if not found.is_tracked:
        echo(f"The table is not tracked yet: bridge track {shlex.quote(table)}", err=True)
    return 0


def _route(found: Generated, out: Path | None, configuration: Configuration) -> Iterator[str]:
    """The route that the table has, and whether it is for this schema; or one that it could have."""
    taken = Router(configuration.settings.routes).find(CHANGED, found.entity_type)
    if taken:
        yield from route_lines(explain_kind(configuration, Kind(CHANGED, found.entity_type)))
    if taken and taken.table:
        if taken.encoding is not Encoding.AVRO:
            yield f"It has no use for a schema, for its encoding is {taken.encoding}: make that avro, with a subject"
        elif out is None or out.stem != taken.subject:
            yield f"The schema of that route is {taken.subject}{SUFFIX}"
        return
    subject = out.stem if out else f"{found.full_name}-{found.full_name}"
    topic = subject.removesuffix("-value") if subject.endswith("-value") else found.full_name
    yield "A route of its own:" if taken else "A route for it:"
    yield from route_text(found.entity_type, topic, subject).splitlines()
