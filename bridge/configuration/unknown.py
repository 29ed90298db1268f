"""A name that nobody knows, and the nearest that somebody does."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from bridge.configuration.mistake import Mistake, Origin


def unknown(setting: str, name: str, known: Iterable[str], origin: Origin) -> Mistake:
    """`name` is not one of `known`."""
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(known)}"
    return Mistake(setting, origin, f"unknown setting {name!r}", hint)
