"""`bridge completion`: what a shell proposes: commands and options by click, topics, event types and tables by us.

A key press waits for it: the configuration is read, the database asked only if it answers within a second, and whatever
goes wrong, there is nothing to propose.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable

import click
import psycopg
from click.shell_completion import get_completion_class

from bridge.cli.ending import COMPLETION
from bridge.cli.terminal import echo
from bridge.configuration.load import load
from bridge.errors import BridgeError
from bridge.postgres.connection import connect
from bridge.settings import Settings

SECONDS = 1.0
PLAIN = re.compile(r"[\w.:-]+", re.ASCII).fullmatch  # of others, a shell makes something else

Names = Callable[[psycopg.Connection], Iterable[str]]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script by which SHELL completes commands, options, topics, event types and tables.

    \b
    Examples:
      eval "$(bridge completion bash)"
      bridge completion zsh > ~/.zfunc/_bridge
      bridge completion fish > ~/.config/fish/completions/bridge.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all three
    script = kind(context.find_root().command, {}, "bridge", COMPLETION)
    echo(*(script.source_template % script.source_vars()).strip().splitlines())


def topics(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Of the routes, and that of dead letters."""
    settings = _settings(context)
    return _fitting([*(route.topic for route in settings.routes), settings.topics.dead_letters], begun)


def event_types(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Of the routes, and of dead events."""
    settings = _settings(context)
    routed = [route.event_type for route in settings.routes if not route.is_prefix]
    return _fitting([*routed, *_asked(settings, _dead_types)], begun)


def tables(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """That are tracked."""
    return _fitting(_asked(_settings(context), _tracked), begun)


def routed(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Event types and tables that a route names."""
    routes = _settings(context).routes
    return _fitting((route.table or route.event_type for route in routes if not route.is_prefix), begun)


def _fitting(names: Iterable[str], begun: str) -> list[str]:
    return sorted({name for name in names if name.startswith(begun) and PLAIN(name)})


def _settings(context: click.Context) -> Settings:
    try:
        return load(context.params.get("config"))
    except BridgeError:
        return Settings()


def _asked(settings: Settings, names: Names) -> list[str]:
    """What the database says, if it does so in time; the thread ends with the process."""
    found: list[str] = []

    def ask() -> None:
        try:
            with connect(settings.database, application_name="bridge completion") as conn:
                found.extend(names(conn))
        except (BridgeError, psycopg.Error):
            pass  # nothing to propose

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return list(found)


def _dead_types(conn: psycopg.Connection) -> list[str]:
    from bridge.admin.dead import Wanted, summarise

    return [group.event_type for group in summarise(conn, Wanted()) if group.event_type]


def _tracked(conn: psycopg.Connection) -> list[str]:
    from bridge.admin.tracking import list_tracked

    return [table.relation for table in list_tracked(conn)]
