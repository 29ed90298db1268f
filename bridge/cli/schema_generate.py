"""`bridge schema generate`: the Avro schema of a tracked table, from the catalog."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bridge.admin.avro_names import is_name
from bridge.admin.generate import generate, route_text, routed_file, write_schema
from bridge.admin.typed_schema import Wishes
from bridge.cli import completion
from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.encoding.avro.library import SUFFIX
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current


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

    TABLE is written as in SQL: orders, sales.orders, '"Odd name"'; it need not be tracked yet. Where FILE is there
    already, the schema reads what was written with it, and what it was made with (--after-only, --name, --text) stays.
    --check without --out is about the file of the table's route. Exit code 4: there can be no such schema, for a
    column's type became another.

    \b
    Examples:
      bridge schema generate shop.orders --out schemas/shop.orders-value.avsc
      bridge schema generate shop.orders --check --config bridge.toml
    """
    if out is not None and out.suffix != SUFFIX:
        raise click.BadParameter(f"{out}: a schema's file is called <subject>{SUFFIX}", param_hint="--out")
    if name is not None and not all(is_name(part) for part in name.split(".")):
        raise click.BadParameter(f"{name!r} is no name in Avro: letters, digits and _, with dots", param_hint="--name")
    settings = load(config)
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
        echo(*([] if as_json else found.text.splitlines()))
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
    subject = out.stem if out else f"{found.full_name}-{found.full_name}"
    topic = subject.removesuffix("-value") if subject.endswith("-value") else found.full_name
    echo("A route for it:", *route_text(found.entity_type, topic, subject).splitlines(), err=True)
    if not found.is_tracked:
        echo(f"The table is not tracked yet: bridge track {table}", err=True)
    return 0
