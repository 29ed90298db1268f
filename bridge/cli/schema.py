"""`bridge schema`: whether schemas fit what was before, and bringing them into the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.options import config_option
from bridge.cli.schema_generate import schema_generate_command
from bridge.cli.terminal import echo, echo_document, echo_json
from bridge.configuration.load import Configuration, no_routes, read
from bridge.configuration.mistake import as_error
from bridge.encoding.avro.compatibility import LEVELS
from bridge.errors import BridgeError

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

set_levels_option = click.option(
    "--set-levels", is_flag=True, help="Set registry.compatibility on subjects that have another level, too."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


@click.group("schema")
def schema_group() -> None:
    """Check schemas against a revision, a directory or the registry; bring them into the registry; generate them."""


schema_group.add_command(schema_generate_command)


def _read(config: Path | None, *, registry: bool) -> Configuration:
    """What was given; most of its mistakes are part of a command's report.

    Raises ConfigError for those that leave nothing to report on, and where nothing names any schema.
    """
    configuration = read(config)
    settings = configuration.settings
    if not configuration.origins or (registry and not settings.registry.url):
        configuration.checked()
    if config is None and settings.schemas is None:
        configuration.checked()
        raise as_error([no_routes(None)])
    return configuration


def _former(against: str | None, configuration: Configuration) -> Former:
    from bridge.admin.schema_former import former
    from bridge.admin.schema_revision import NoRevision

    try:
        return former(against, configuration.settings)
    except NoRevision as error:
        raise click.BadParameter(str(error), param_hint="--against") from None


@schema_group.command("check")
@config_option
@click.option(
    "--against",
    metavar="REVISION|DIRECTORY",
    help="A directory of schemas, or a git revision.  [default: the registry]",
)
@level_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github", "junit"]), default="text", show_default=True
)
def check_command(config: Path | None, against: str | None, level: str | None, form: str) -> int:
    """Say what the schemas would break, where, by which rule, and how to mend it; routes and files are checked, too.

    With --against it reaches no server. A schema's meaning is compared, not its text, and a new subject is no error.
    Exit code 0: compatible; 1: not; 3: the registry cannot be reached; 4: a file or the configuration is wrong.
    """
    from bridge.admin.schema_check import check_schemas
    from bridge.admin.schema_report import FORMATS

    configuration = _read(config, registry=against is None)
    report = check_schemas(configuration, _former(against, configuration), level)
    echo_document(FORMATS[form](report))
    return report.exit_code


@schema_group.command("plan")
@config_option
@set_levels_option
@json_option
def plan_command(config: Path | None, set_levels: bool, as_json: bool) -> int:
    """Show what `apply` would do in the registry: new subjects, new versions, levels; and what keeps it from that.

    Asks the registry's own check, too, and changes nothing. Exit code 0: it can be applied; 1: something is not
    compatible; 3: the registry cannot be reached; 4: a file or the configuration is wrong.
    """
    from bridge.admin.schema_plan import Planner

    plan = Planner(_read(config, registry=True), set_levels=set_levels).plan()
    if as_json:
        echo_json(plan.as_json())
    else:
        echo(*plan.lines)
    return plan.exit_code


@schema_group.command("apply")
@config_option
@set_levels_option
@json_option
def apply_command(config: Path | None, set_levels: bool, as_json: bool) -> int:
    """Register what is new, and set the levels of new subjects, if nothing at all is refused.

    Again, it does nothing. Where the registry goes away half-way it says what was done, and the next time it goes on.
    """
    from bridge.admin.schema_apply import apply_plan
    from bridge.admin.schema_plan import Planner

    planner = Planner(_read(config, registry=True), set_levels=set_levels)
    plan = planner.plan()
    if plan.exit_code:
        if as_json:
            echo_json(plan.as_json() | {"done": []})
        else:
            echo(*plan.lines)
        return plan.exit_code
    done: list[str] = []
    try:
        for line in apply_plan(planner, plan):
            done.append(line)
            if not as_json:
                echo(line)
    except BridgeError:
        echo("bridge: it was not finished; what is printed was done. Once it can go on: bridge schema apply", err=True)
        raise
    finally:
        if as_json:
            echo_json(plan.as_json() | {"done": done})
    if not done and not as_json:
        echo(*plan.lines)
    return 0


@schema_group.command("diff")
@config_option
@against_option
@json_option
def diff_command(config: Path | None, against: str | None, as_json: bool) -> int:
    """Show what differs between the schemas and the registry, or a revision or directory, in what they mean.

    `#` marks what differs in documentation alone. Exit code 0: nothing differs; 1: something does.
    """
    from bridge.admin.schema_diff import diff_schemas

    configuration = _read(config, registry=against is None)
    configuration.checked()
    found = list(diff_schemas(configuration, _former(against, configuration)))
    if as_json:
        subjects = [{**vars(one), "changes": [vars(change) for change in one.changes]} for one in found]
        echo_json({"version": 1, "command": "schema diff", "subjects": subjects})
    else:
        echo(*(line for one in found for line in one.lines))
    return 1 if found else 0


@schema_group.command("pull")
@click.argument("subjects", nargs=-1)
@config_option
@click.option("--force", is_flag=True, help="Overwrite files that say something else.")
def pull_command(subjects: tuple[str, ...], config: Path | None, force: bool) -> None:
    """Write what the registry has of SUBJECTS into the directory of schemas, with the schemas that they use.

    Without SUBJECTS, of the routes' subjects and those that have a file. A file that says something else is left
    alone, and then nothing is written.
    """
    from bridge.admin.schema_pull import Puller

    written = 0
    for line in Puller(_read(config, registry=True)).pull(subjects, force=force):
        written += 1
        echo(line)
    if not written:
        echo("Nothing to write: the files say what the registry has.")
