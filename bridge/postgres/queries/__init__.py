"""The statements that this program sends, one a file; `sql/` has what the database keeps."""

from __future__ import annotations

from functools import cache
from typing import LiteralString

from bridge.resources import resource


@cache
def query(name: str) -> LiteralString:
    """The text of `<name>.sql` beside this module."""
    return resource("postgres", "queries", f"{name}.sql").read_text("utf-8")
