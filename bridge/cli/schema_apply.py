"""`bridge schema plan`, `apply`: what is new, into the registry."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.options import config_option, json_option
from bridge.cli.schema_options import read_schemas
from bridge.cli.terminal import echo, echo_json
from bridge.errors import BridgeError

set_levels_option = click.option(
    "--set-levels", is_flag=True, help="Set registry.compatibility on subjects that have another level, too."
)


@click.command("plan")
@config_option
@set_levels_option
@json_option
def schema_plan_command(config: Path | None, set_levels: bool, as_json: bool) -> int:
    """Show what `apply` would do in the registry: new subjects, new versions, levels; and what keeps it from that.

    Asks the registry's own check, too, and changes nothing. Exit code 0: it can be applied; 1: something is not
    compatible; 3: the registry cannot be reached; 4: a file or the configuration is wrong.

    \b
    Example:
      bridge schema plan --config bridge.toml
    """
    from bridge.admin.schema_plan import Planner

    plan = Planner(read_schemas(config, registry=True), set_levels=set_levels).plan()
    if as_json:
        echo_json(plan.as_json())
    else:
        echo(*plan.lines)
    return plan.exit_code


@click.command("apply")
@config_option
@set_levels_option
@json_option
def schema_apply_command(config: Path | None, set_levels: bool, as_json: bool) -> int:
    """Register what is new, and set the levels of new subjects, if nothing at all is refused.

    Again, it does nothing. Where the registry goes away half-way it says what was done, and the next time it goes on.

    \b
    Example:
      bridge schema apply --config bridge.toml --json
    """
    from bridge.admin.schema_apply import apply_plan
    from bridge.admin.schema_plan import Planner

    planner = Planner(read_schemas(config, registry=True), set_levels=set_levels)
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
