"""`bridge partition`: of which tables the keeper makes partitions ahead of time, and when these leave."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.admin.partitioning import forget_policy, leaving_now, set_policy
from bridge.cli.options import config_option, json_option
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current


@click.command("partition")
@click.argument("table")
@click.option("--by", metavar="COLUMN", help="The column by whose range it is partitioned; it is found out, too.")
@click.option("--every", type=click.Choice(["day", "month"]), help="One partition a day or a month (UTC).")
@click.option("--ahead", type=click.IntRange(1, 400), help="So many are made ahead; at first 7 days, or 3 months.")
@click.option("--keep-for", metavar="INTERVAL", help="A partition leaves so long after its end: '90 days'; 0: never.")
@click.option(
    "--expiry",
    type=click.Choice(["drop", "detach", "archive", "files"]),
    help="How it leaves: at first, drop. archive: the activity log's rows, to its archive table.",
)
@click.option("--to", "location", metavar="LOCATION", help="Where cold files go: a directory, or a URL (s3://...).")
@click.option("--format", type=click.Choice(["avro", "parquet"]), help="Of cold files: at first, avro.")
@click.option("--forget", is_flag=True, help="Do not look after it any more; all its partitions stay.")
@click.option("--dry-run", is_flag=True, help="Do it, show what comes of it, and undo it.")
@json_option
@config_option
def partition_command(
    table: str,
    by: str | None,
    every: str | None,
    ahead: int | None,
    keep_for: str | None,
    expiry: str | None,
    location: str | None,
    format: str | None,
    forget: bool,
    dry_run: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Have partitions of TABLE made ahead of time, and old ones taken out; or change that, for bridge's own, too.

    TABLE is partitioned by a range of a date or a time already. What is not given stays as it was. The keeper does the
    work: in `bridge run`, or `bridge maintain`.

    \b
    Examples:
      bridge partition shop.visit --every month --keep-for '1 year' --dry-run
      bridge partition bridge.history --keep-for '2 years' --expiry files --to s3://cold/bridge
    """
    wanted = {
        "by": by, "every": every, "ahead": ahead, "keep_for": keep_for, "expiry": expiry, "location": location,
        "format": format,
    }  # fmt: skip
    if forget and any(value is not None for value in wanted.values()):
        raise click.UsageError("--forget goes with nothing else")
    with connect(load(config).database, application_name="bridge partition") as conn:
        require_current(conn)
        with conn.transaction(force_rollback=dry_run):
            if forget:
                forgotten = forget_policy(conn, table)
                if as_json:
                    echo_json({"forgotten": forgotten})
                else:
                    echo(f"The keeper lets {forgotten} be; its partitions stay.")
                return
            policy = set_policy(conn, table, wanted)
            leaving = leaving_now(conn, policy)
    if as_json:
        echo_json({**policy._asdict(), "leaving": leaving._asdict()})
        return
    echo(*policy.lines, str(leaving))
    if dry_run:
        echo("  (a dry run: nothing was changed)")
