"""The statements about the inbox, one a file; `inbox.sql` beside this package makes its tables."""

from __future__ import annotations

from functools import cache
from typing import LiteralString

from bridge.resources import resource


@cache
def query(name: str) -> LiteralString:
    """The text of `<name>.sql` beside this module."""
    return resource("consumer", "queries", f"{name}.sql").read_text("utf-8")
