"""`bridge schema`: the schemas of what is published."""

from __future__ import annotations

import click

from bridge.cli.schema_generate import schema_generate_command


@click.group("schema")
def schema() -> None:
    """Generate the Avro schemas of what is published."""


schema.add_command(schema_generate_command)
