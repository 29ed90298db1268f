"""`bridge archive`: table partitions in cold files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg

from bridge.admin.archive import Archived, list_archived, manifests, only, verify
from bridge.admin.export import export
from bridge.admin.restore import restore
from bridge.cli.options import config_option, json_option
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.errors import VerificationFailed
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.settings import Settings
from bridge.text import counted


@click.group("archive")
def archive() -> None:
    """Table partitions in cold files: what there is, whether it is intact, and how it becomes a table again.

    LOCATION is a directory, or a URL such as s3://bucket/folder; there, a manifest says which files count.
    """


@archive.command("list")
@config_option
@json_option
def list_command(config: Path | None, as_json: bool) -> None:
    """Show the table partitions that were taken out for cold files, and how far each is.

    \b
    Example:
      bridge archive list
    """
    with _database(load(config)) as conn:
        partitions = list_archived(conn)
    if as_json:
        echo_json(partitions)
        return
    for partition in partitions:
        echo(*_described(partition))
    if not partitions:
        echo("Nothing was taken out for cold files.", err=True)


@archive.command("export")
@click.argument("table")
@click.option("--to", "location", help="Where to. Default: where the policy of its parent says.")
@click.option("--format", type=click.Choice(["avro", "parquet"]), help="Default: as it was, or as the policy says.")
@config_option
def export_command(table: str, location: str | None, format: str | None, config: Path | None) -> None:
    """Write a table partition to cold files now, and read them back; nothing is dropped.

    One that was taken out for cold files is written anew, and its former files no longer count. One that is still in
    use is written as it is at one moment.

    \b
    Example:
      bridge archive export bridge.history_2026_01 --to s3://cold/bridge --format parquet
    """
    settings = load(config)
    with _database(settings) as conn:
        with progress_bar() as progress:
            manifest = export(conn, settings, table, location, format, progress)
        echo(manifest)


@archive.command("verify")
@click.argument("target", metavar="[ID|LOCATION]", required=False)
@config_option
@json_option
def verify_command(target: str | None, config: Path | None, as_json: bool) -> None:
    """Read cold files anew: of one table partition, all below a location, or all that the database knows.

    Exit code 6 where any is not what was written.

    \b
    Example:
      bridge archive verify s3://cold/bridge
    """
    with _database(load(config)) as conn:
        paths = manifests(conn, target)
    with progress_bar() as progress:
        verdicts = list(verify(paths, progress))
    if as_json:
        echo_json(verdicts)
    else:
        for verdict in verdicts:
            found = f"{counted(verdict.rows, 'row')} in {counted(verdict.files, 'file')}"
            echo(f"{verdict.manifest}: {verdict.trouble or found}")
    if failed := sum(verdict.trouble is not None for verdict in verdicts):
        raise VerificationFailed(f"{failed} of {len(paths)} manifests or their files are not as they were written")
    if not paths and not as_json:
        echo("There are no cold files.", err=True)


@archive.command("restore")
@click.argument("source", metavar="ID|LOCATION")
@click.option("--as", "name", help="The table to create. Default: the name that it had.")
@config_option
def restore_command(source: str, name: str | None, config: Path | None) -> None:
    """Make a table of cold files again: one of its own, with the same columns and rows, compared after loading.

    \b
    Example:
      bridge archive restore 7 --as public.history_2026_01
    """
    with _database(load(config)) as conn, progress_bar() as progress:
        restored = restore(conn, only(manifests(conn, source)), name, progress)
    echo(f"{counted(restored.rows, 'row', 'are')} in {restored.table}")


@contextmanager
def _database(settings: Settings) -> Iterator[psycopg.Connection]:
    with explained(), connect(settings.database, application_name="bridge archive") as conn:
        require_current(conn)
        yield conn


def _described(partition: Archived) -> list[str]:
    rows = "" if partition.rows is None else f", {counted(partition.rows, 'row')}"
    files = f", {partition.files} files of {partition.bytes:,} bytes" if partition.files else ""
    lines = [f"{partition.id}  {partition.leaf}  {partition.state}{rows}{files}", f"    {partition.location}"]
    return [*lines, f"    {partition.trouble}"] if partition.trouble else lines
