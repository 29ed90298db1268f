"""Finds the files that ship with the package: `sql/`, `schemas/` and `config/`.

In a wheel they lie inside the package; in a checkout beside it.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


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
