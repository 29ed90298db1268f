"""`bridge schema check`, `diff`: the schemas beside what was before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.options import config_option, json_option
from bridge.cli.schema_options import read_schemas
from bridge.cli.terminal import echo, echo_document, echo_json
from bridge.configuration.load import Configuration
from bridge.encoding.avro.compatibility import LEVELS
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current

if TYPE_CHECKING:
    from bridge.admin.schema_former import Former

ALL_LEVELS = [*LEVELS, *(f"{level}_TRANSITIVE" for level in LEVELS), "NONE"]

level_option = click.option(
    "--level", type=click.Choice(ALL_LEVELS), help="At this level, whatever configuration and registry say."
)
against_option = click.option(
    "--against",
    metavar="REVISION|DIRECTORY",
    help="A directory of schemas, or else a git revision.  [default: the registry]",
)


@click.command("check")
@config_option
@click.option(
    "--against",
    metavar="REVISION|DIRECTORY",
    help="A directory of schemas, or a git revision.  [default: the registry]",
)
@level_option
@click.option("--format", "form", type=click.Choice(["text", "github", "junit"]), default="text", show_default=True)
@click.option(
    "--tables", "with_tables", is_flag=True, help="Compare generated schemas with the database's tables, too."
)
@json_option
def schema_check_command(
    config: Path | None, against: str | None, level: str | None, form: str, with_tables: bool, as_json: bool
) -> int:
    """Say what the schemas would break, where, by which rule, and how to mend it; routes and files are checked, too.

    With --against, and without --tables, it reaches no server. A schema's meaning is compared, not its text, and a new
    subject is no error. Exit code 0: compatible; 1: not, or not as a table is; 3: a server cannot be reached; 4: a file
    or the configuration is wrong.

    \b
    Example:
      bridge schema check --config bridge.toml --against origin/main --format github
    """
    from bridge.admin.schema_check import check_schemas
    from bridge.admin.schema_formats import FORMATS
    from bridge.admin.schema_formats import as_json as document_of
    from bridge.admin.schema_tables import SchemaTables

    configuration = read_schemas(config, registry=against is None)
    before = _former(against, configuration)
    if with_tables:
        database = configuration.settings.database
        with explained(), connect(database, application_name="bridge schema check") as conn:
            require_current(conn)
            report = check_schemas(configuration, before, level, SchemaTables(conn))
    else:
        report = check_schemas(configuration, before, level)
    if as_json:
        echo_json(document_of(report))
    else:
        echo_document(*FORMATS[form](report).splitlines())
    return report.exit_code


@click.command("diff")
@config_option
@against_option
@json_option
def schema_diff_command(config: Path | None, against: str | None, as_json: bool) -> int:
    """Show what differs between the schemas and the registry, or a revision or directory, in what they mean.

    `#` marks what differs in documentation alone. Exit code 0: nothing differs; 1: something does.

    \b
    Example:
      bridge schema diff --config bridge.toml --against main
    """
    from bridge.admin.schema_diff import diff_schemas

    configuration = read_schemas(config, registry=against is None)
    configuration.checked()
    found = list(diff_schemas(configuration, _former(against, configuration)))
    if as_json:
        subjects = [{**vars(one), "changes": [vars(change) for change in one.changes]} for one in found]
        echo_json({"subjects": subjects})
    else:
        echo(*(line for one in found for line in one.lines))
    return 1 if found else 0


def _former(against: str | None, configuration: Configuration) -> Former:
    from bridge.admin.schema_former import former
    from bridge.admin.schema_revision import NoRevision

    try:
        return former(against, configuration.settings)
    except NoRevision as error:
        raise click.BadParameter(str(error), param_hint="--against") from None
