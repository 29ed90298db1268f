"""Refreshes of the reference application's views, and searches in them. `make views`.

In a database of its own, which is removed at the end, on the server that BRIDGE_DATABASE_URL names; the role must be a
superuser.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from contacts import SEARCHES, WITHOUT_INDEX, fill, plan

from bridge.bench.report import machine
from bridge.postgres.migrate import migrate

VIEWS = ["crm.contact_management_view", "crm.sales_opportunity_view", "crm.territory_management_view"]
NAME = "bridge_bench_views"
ROUNDS = 5
Db = psycopg.Connection[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a directory for results.md")
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--beside", default="", help="what else the machine did meanwhile, for the report")
    arguments = parser.parse_args()
    url = os.environ["BRIDGE_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"create database {NAME}".encode())
        try:
            own = urlsplit(url)._replace(path=f"/{NAME}").geturl()
            migrate(own)
            with psycopg.connect(own, autocommit=True) as db:
                lines = measure(db, arguments.contacts, arguments.beside)
        finally:
            admin.execute(f"drop database {NAME} with (force)".encode())
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.md").write_text("\n".join(lines) + "\n")


def measure(db: Db, contacts: int, beside: str) -> list[str]:
    where = machine()
    fill(db, contacts)
    lines = [
        f"Machine: {where['cores']} cores ({where['cpu']}), {where['memory_gib']} GiB, {where['system']}; Postgres"
        f" {db.info.parameter_status('server_version')}. {contacts:,} contacts; searches: medians of {ROUNDS} runs."
        f" {beside}".rstrip(),
        *["", "| seconds to refresh | contacts | opportunities | territories |", "| --- | ---: | ---: | ---: |"],
    ]
    for view in VIEWS:
        db.execute(f"refresh materialized view {view} with no data".encode())
    lines.append(refreshed(db, "first fill"))
    for changed in (contacts // 1000, contacts // 10):
        change(db, changed)
        lines.append(refreshed(db, f"concurrently, {changed:,} contacts changed"))
    lines.append(refreshed(db, "nothing changed"))
    lines.append(refreshed_plainly(db))
    lines += [
        "",
        f"The contacts' view and its indexes, after that: {sizes(db)}.",
        "",
        "| search | rows | ms |",
        "| --- | ---: | ---: |",
    ]
    db.execute("vacuum analyze")
    searches = {**SEARCHES, **WITHOUT_INDEX}
    lines += [
        f"| {name} | {rows(db, search):,} | {milliseconds(db, search):.1f} |" for name, search in searches.items()
    ]
    for name, search in searches.items():
        lines += ["", f"{name.capitalize()}:", "", "```sql", search.strip(), "```", "", "```", plan(db, search), "```"]
    return lines


def refreshed(db: Db, what: str) -> str:
    """A row of the table: how long the keeper's call takes for each view, and what it says."""
    cells = []
    for view in VIEWS:
        began = time.perf_counter()
        outcome, detail = db.execute("select outcome, detail from bridge.refresh_view(%s)", (view,)).fetchone() or (
            "",
            "",
        )
        cells.append(f"{time.perf_counter() - began:.2f}, {outcome}")
        assert detail is None, detail
    return f"| {what} | {' | '.join(cells)} |"


def refreshed_plainly(db: Db) -> str:
    """What `bridge.refresh_views()` by hand would take where a view could not be refreshed concurrently."""
    cells = []
    for view in VIEWS:
        began = time.perf_counter()
        db.execute(f"refresh materialized view {view}".encode())
        cells.append(f"{time.perf_counter() - began:.2f}")
    return f"| plainly, while its readers wait | {' | '.join(cells)} |"


def change(db: Db, contacts: int) -> None:
    db.execute(
        "update crm.contacts set job_title = 'Engineer', last_name = last_name || 'x'"
        " where id in (select md5('contact ' || g)::uuid from generate_series(1, %s) as g)",
        (contacts,),
    )
    db.execute("vacuum analyze crm.contacts")


def sizes(db: Db) -> str:
    query = "select pg_size_pretty(pg_table_size(v)), pg_size_pretty(pg_indexes_size(v)) from cast(%s as regclass) as v"
    return " and ".join(db.execute(query, (VIEWS[0],)).fetchone() or ())


def rows(db: Db, search: str) -> int:
    (found,) = db.execute(search.encode()).fetchone() or (0,)
    return int(found) if search.strip().startswith("select count") else 1


def milliseconds(db: Db, search: str) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        db.execute(search.encode()).fetchall()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
