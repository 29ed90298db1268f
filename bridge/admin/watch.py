"""Looks at a bridge again and again, over a connection that is opened anew whenever the last one was lost."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import psycopg

from bridge.admin.overview import Overview, read_overview
from bridge.admin.pace import Pace
from bridge.errors import DatabaseUnavailable
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.settings import Settings


class Watch:
    """Used by one thread. `pace` has what the looks so far have shown, `seen` the last one."""

    def __init__(self, settings: Settings, looks: int) -> None:
        """`looks`: how many are kept."""
        self.pace = Pace(looks)
        self.seen: Overview | None = None
        self._settings = settings
        self._conn: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def look(self) -> Overview | DatabaseUnavailable:
        """What there is now, or why Postgres does not tell it. Raises ConfigError, for a missing migration, too."""
        try:
            with explained():
                if self._conn is None:
                    self._conn = connect(self._settings.database, application_name="bridge watch")
                    require_current(self._conn)
                self.seen = read_overview(self._conn)
        except DatabaseUnavailable as error:
            self._close()
            return error
        except BaseException:
            self._close()
            raise
        self.pace.add(self.seen)
        return self.seen

    def _close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
