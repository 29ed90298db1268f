"""How far something is that takes long: what is being done, how much of it, and of how much (None: not known)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]


def silent(what: str, done: int, total: int | None) -> None:
    """Progress that nobody sees."""
