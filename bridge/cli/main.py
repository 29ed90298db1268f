"""The command line: parses, wires, prints. No logic lives here; each command's work is in the module it names."""

from __future__ import annotations

import sys

import click

from bridge import __version__
from bridge.cli.archive import archive
from bridge.cli.bench import bench
from bridge.cli.completion import completion_command
from bridge.cli.config import config_group
from bridge.cli.dead import dead
from bridge.cli.demo import demo
from bridge.cli.docs import docs
from bridge.cli.doctor import doctor_command
from bridge.cli.ending import run as run_to_end
from bridge.cli.erase import erase_command
from bridge.cli.health import health_command
from bridge.cli.local import local
from bridge.cli.maintain import maintain_command
from bridge.cli.mcp import mcp_command
from bridge.cli.migrate import migrate
from bridge.cli.partition import partition_command
from bridge.cli.recover import recover_command
from bridge.cli.replay import replay_command
from bridge.cli.route import route_command
from bridge.cli.run import run
from bridge.cli.schema import schema_group
from bridge.cli.snapshot import snapshot_command
from bridge.cli.status import status
from bridge.cli.tail import tail_command
from bridge.cli.terminal import keep_standard_streams, print_tracebacks
from bridge.cli.top import top_command
from bridge.cli.trace import trace_command
from bridge.cli.track import track_command, tracked_command, untrack_command
from bridge.cli.verify import verify_command
from bridge.cli.wait import wait_command
from bridge.cli.web import web_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bridge")
def cli() -> None:
    """Carry changes from Postgres to Kafka, exactly once."""


cli.add_command(archive)
cli.add_command(bench)
cli.add_command(completion_command)
cli.add_command(config_group)
cli.add_command(dead)
cli.add_command(demo)
cli.add_command(docs)
cli.add_command(doctor_command)
cli.add_command(erase_command)
cli.add_command(health_command, "health")
cli.add_command(local)
cli.add_command(maintain_command)
cli.add_command(mcp_command)
cli.add_command(migrate)
cli.add_command(partition_command)
cli.add_command(recover_command)
cli.add_command(route_command)
cli.add_command(run)
cli.add_command(schema_group)
cli.add_command(snapshot_command)
cli.add_command(replay_command)
cli.add_command(status)
cli.add_command(tail_command)
cli.add_command(trace_command)
cli.add_command(top_command)
cli.add_command(track_command)
cli.add_command(tracked_command)
cli.add_command(untrack_command)
cli.add_command(verify_command)
cli.add_command(wait_command)
cli.add_command(web_command)


def main() -> None:
    """Run the command line of this process, and exit."""
    keep_standard_streams()
    print_tracebacks()
    sys.exit(run_to_end(cli, sys.argv[1:]))
