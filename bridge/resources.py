"""Finds the files that ship with the package: `sql/`, `schemas/`, `config/`, and the statements beside its modules.

In a wheel they lie inside the package; in a checkout beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import LiteralString


def resource(*parts: str) -> Traversable:
    """The file or directory at `parts`, for example `resource("sql", "engine")`.

    Raises FileNotFoundError when the installation does not carry it.
    """
    shipped = files("bridge").joinpath(*parts)
    if shipped.is_dir() or shipped.is_file():
        return shipped
    checkout = Path(__file__).resolve().parent.parent.joinpath(*parts)
    if checkout.exists():
        return checkout
    raise FileNotFoundError(f"{'/'.join(parts)} is missing from this installation of bridge")


def statements(*folder: str) -> Callable[[str], LiteralString]:
    """What gives the text of `<name>.sql` in a folder of the package, read once."""

    @cache
    def query(name: str) -> LiteralString:
        return resource(*folder, f"{name}.sql").read_text("utf-8")

    return query
