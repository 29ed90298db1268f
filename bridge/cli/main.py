"""The command line: parses, wires, prints. No logic lives here; each command's work is in the module it names."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click

from bridge import __version__
from bridge.cli import core_dump
from bridge.cli.ending import run as run_to_end
from bridge.cli.terminal import escape_what_has_no_bytes, keep_standard_streams, print_tracebacks

COMMANDS: Final = {  # by name, the module of this room that has it, and what it is called there
    "archive": "archive:archive",
    "bench": "bench:bench",
    "completion": "completion:completion_command",
    "config": "config:config_group",
    "dead": "dead:dead",
    "demo": "demo:demo",
    "docs": "docs:docs",
    "doctor": "doctor:doctor_command",
    "erase": "erase:erase_command",
    "grants": "grants:grants_command",
    "health": "health:health_command",
    "local": "local:local",
    "maintain": "maintain:maintain_command",
    "mcp": "mcp:mcp_command",
    "migrate": "migrate:migrate",
    "partition": "partition:partition_command",
    "recover": "recover:recover_command",
    "replay": "replay:replay_command",
    "route": "route:route_command",
    "run": "run:run",
    "schema": "schema:schema_group",
    "snapshot": "snapshot:snapshot_command",
    "status": "status:status",
    "tail": "tail:tail_command",
    "top": "top:top_command",
    "trace": "trace:trace_command",
    "track": "track:track_command",
    "tracked": "track:tracked_command",
    "untrack": "track:untrack_command",
    "verify": "verify:verify_command",
    "wait": "wait:wait_command",
    "web": "web:web_command",
}


SECTIONS: Final = {  # in the order of need
    "Set up": ("migrate", "grants", "config", "track", "untrack", "tracked", "snapshot", "route", "schema", "docs"),
    "Carry": ("run", "maintain"),
    "Ask": ("status", "doctor", "trace", "tail", "health", "wait", "mcp"),
    "Look on": ("top", "web"),
    "Prove": ("verify", "bench"),
    "Decide": ("dead", "recover", "replay", "erase"),
    "Keep": ("partition", "archive"),
    "Try": ("demo", "local", "completion"),
}


class Lazy(click.Group):
    """Imports a command when it is asked for: all of them, with their clients, take a third of a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are completed."""
        return sorted(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """By what they are for; what each does in a whole sentence."""
        for title, names in SECTIONS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in found if command])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"bridge.cli.{module}"), name)
        return found


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bridge")
def cli() -> None:
    """Carry changes from Postgres to Kafka, exactly once."""


def main() -> None:
    """Run the command line of this process, and exit."""
    core_dump.prevent()
    keep_standard_streams()
    escape_what_has_no_bytes()
    print_tracebacks()
    sys.exit(run_to_end(cli, sys.argv[1:]))
