"""`bridge schema`: whether schemas fit what was before, bringing them into the registry, and generating them."""

from __future__ import annotations

import click

from bridge.cli.schema_apply import schema_apply_command, schema_plan_command
from bridge.cli.schema_check import schema_check_command, schema_diff_command
from bridge.cli.schema_generate import schema_generate_command
from bridge.cli.schema_pull import schema_pull_command


@click.group("schema")
def schema_group() -> None:
    """Check schemas against a revision, a directory or the registry; bring them into the registry; generate them."""


schema_group.add_command(schema_apply_command)
schema_group.add_command(schema_check_command)
schema_group.add_command(schema_diff_command)
schema_group.add_command(schema_generate_command)
schema_group.add_command(schema_plan_command)
schema_group.add_command(schema_pull_command)
