"""Brings the database to the version this program needs: applies the files of `sql/`, each in its own transaction.

Numbered files (`migrations/`) are applied once, in order, and never change. The others (functions, triggers, views)
are applied again when their checksum differs. `bridge.schema_migration` holds what was applied, with its sha-256.
A newer program may have migrated the database further: what it applied there is left alone (`compatibility.py`).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import psycopg
from psycopg import errors

from bridge.errors import DatabaseRefuses, DatabaseUnavailable, MigrationError
from bridge.postgres.compatibility import keep_out, keeping_out, let_in, require_compatible
from bridge.postgres.connection import connect
from bridge.postgres.dependents import refuse_dependents
from bridge.postgres.pending import pending
from bridge.postgres.queries import query
from bridge.postgres.script import Script, scripts
from bridge.progress import Progress, silent
from bridge.settings import DatabaseSettings

OLDEST_POSTGRES = 15
LOCK_SECONDS = 60.0  # to try to get the locks that a file needs, briefly each time (SESSION);
WAY_SECONDS = 2.0  # in between, who came behind it has the way

LOCK = query("migration_lock").rstrip()
SESSION = query("migration_session").rstrip()
PARTITIONS = query("ensure_partitions").rstrip()


def migrate(
    database: DatabaseSettings | str, *, engine_only: bool | None = False, progress: Progress = silent
) -> list[str]:
    """Apply what is missing and return its names, in order; then see to it that table partitions exist.

    `engine_only` None: an update adds no reference application to a database that was set up without it.
    Two at once are safe: the second waits, and finds nothing to do. After a failure or a kill the next run goes on
    where this one stopped. Raises MigrationError, DatabaseUnavailable or ConfigError.
    """
    with connect(database, application_name="bridge migrate") as conn:
        _refuse_server(conn)
        try:
            conn.execute(LOCK)  # before SESSION, whose lock_timeout would end the wait for the other
            conn.execute(SESSION)
            let_in(conn)  # whom a run that was killed has kept out for what it did not come to
            require_compatible(conn)
            todo = _todo(applied(conn), engine_only)
            refuse_dependents(conn, todo)  # or what comes before that file would be applied, and it not
            try:
                keep_out(conn, todo, progress)
                for number, script in enumerate(todo, 1):
                    _apply(conn, script)
                    progress("files", number, len(todo))
            except BaseException:
                with suppress(psycopg.Error):  # it is lost; the next run does it
                    let_in(conn)
                raise
            conn.execute(PARTITIONS)
        except psycopg.Error as error:
            raise _explained(error, "the database", conn) from error
    return [script.name for script in todo]


def plan(database: DatabaseSettings | str | None, *, engine_only: bool | None = False) -> list[Script]:
    """What `migrate` would apply; without a database, everything. Changes nothing. Raises as `migrate` does."""
    if not database:
        return scripts(engine_only=bool(engine_only))
    with connect(database, application_name="bridge migrate --dry-run") as conn:
        _refuse_server(conn)
        return _todo(applied(conn), engine_only)


def is_engine_alone(database: DatabaseSettings | str) -> bool:
    """Whether it was migrated, and has no reference application. Raises as `migrate` does."""
    with connect(database, application_name="bridge migrate") as conn:
        return _is_engine_alone(applied(conn))


def _todo(done: Mapping[tuple[str, str], str], engine_only: bool | None) -> list[Script]:
    return pending(scripts(engine_only=_is_engine_alone(done) if engine_only is None else engine_only), done)


def _is_engine_alone(done: Collection[tuple[str, str]]) -> bool:
    return bool(done) and not any(layer == "domain" for layer, _ in done)


def render(todo: Sequence[Script]) -> str:
    """`todo` as SQL that psql can run (`psql -v ON_ERROR_STOP=1`); it has the same effect as `migrate`."""
    if not todo:
        return "-- Nothing to apply.\n"
    parts = [f"{LOCK};\n", f"{SESSION};\n"]  # in this order, as in `migrate`
    parts += [f"{statement};\n" for statement in keeping_out(todo)]
    for script in todo:
        statements = "\n\n".join(f"{text.strip().removesuffix(';')};" for text in script.statements)
        parts.append(f"-- {script.name}\nbegin;\n{statements}\ncommit;\n")
    return "\n".join([*parts, f"{PARTITIONS};\n"])


def require_current(conn: psycopg.Connection) -> None:
    """Raise MigrationError unless the database has what this program ships, or what a newer one does that lets it work.

    The domain layer counts only where it is installed.
    """
    _refuse_server(conn)
    done = applied(conn)
    require_compatible(conn)
    engine_only = not any(layer == "domain" for layer, _ in done)
    missing = pending(scripts(engine_only=engine_only), done)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MigrationError(
            f"the database {conn.info.dbname} lacks {missing[0].name}{more}",
            hint="Run: bridge migrate" + _layers(done, engine_only=engine_only),
        )


def _layers(done: Collection[object], *, engine_only: bool) -> str:
    """What to add to the command: an empty database may be one where nobody wants the example's tables."""
    if not engine_only:
        return ""
    return " --engine-only" if done else " --engine-only (without it, the example's schema crm is made, too)"


def applied(conn: psycopg.Connection) -> dict[tuple[str, str], str]:
    """Layer and file of everything applied so far, with its checksum."""
    try:
        with conn.transaction():
            rows = conn.execute(query("applied_migrations")).fetchall()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return {}
    except errors.InsufficientPrivilege as error:
        raise DatabaseRefuses(
            f"{conn.info.user} may not read bridge.schema_migration in the database {conn.info.dbname}",
            hint=f"The owner runs what bridge grants --role relay --to {shlex.quote(conn.info.user)} prints; "
            "for other commands than bridge run it is another role (docs/operations.md, Roles and rights)",
        ) from error
    except psycopg.Error as error:
        raise _explained(error, "bridge.schema_migration", conn) from error
    return {(layer, file): checksum for layer, file, checksum in rows}


def _apply(conn: psycopg.Connection, script: Script) -> None:
    """Writers queue behind a lock that a file waits for, so it gives way to them, and comes again."""
    ends = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            with conn.transaction():
                for statement in script.statements:
                    conn.execute(statement.encode())
        except errors.LockNotAvailable as error:
            if time.monotonic() >= ends:
                raise _explained(error, script.name, conn) from error
            time.sleep(WAY_SECONDS)
        except psycopg.Error as error:
            raise _explained(error, script.name, conn) from error
        else:
            return


def _refuse_server(conn: psycopg.Connection) -> None:
    major = conn.info.server_version // 10000
    if major < OLDEST_POSTGRES:
        raise MigrationError(f"the server is Postgres {major}; bridge needs {OLDEST_POSTGRES} or newer")
    if conn.info.parameter_status("server_encoding") == "SQL_ASCII":
        raise MigrationError(
            f"the database {conn.info.dbname} has the encoding SQL_ASCII: nobody knows what its bytes mean, and Kafka "
            "is to get UTF-8",
            hint="Use a database with another encoding: createdb --encoding UTF8 --template template0",
        )


def _explained(error: psycopg.Error, what: str, conn: psycopg.Connection) -> MigrationError | DatabaseUnavailable:
    """The error as one line that names the file and what to do."""
    reason = error.diag.message_primary or str(error).strip().splitlines()[0]
    where = f"{what} (database {conn.info.dbname if not conn.closed else 'closed'})"
    if conn.broken:
        return DatabaseUnavailable(
            f"the connection was lost at {what}: {reason}", hint="Run bridge migrate again: it goes on from there"
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return MigrationError(
            f"cannot apply {where}: {reason}",
            hint=error.diag.message_hint
            or f"Grant {conn.info.user} CREATE on the database, or run as the owner of the schemas bridge and crm",
        )
    if isinstance(error, errors.LockNotAvailable):
        return MigrationError(
            f"cannot apply {where}: another transaction holds a lock that it needs",
            hint="Run bridge migrate again when long transactions have ended",
        )
    return MigrationError(
        f"cannot apply {where}: {reason}",
        hint=". ".join(filter(None, (error.diag.message_hint, "Nothing of this file was kept"))),
    )
