"""Where a value was given, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bridge.errors import ConfigError
from bridge.text import printable


class Origin(NamedTuple):
    """A line of a file, an environment variable, or "default"."""

    where: str
    line: int | None = None

    def __str__(self) -> str:
        return self.where if self.line is None else f"{self.where}:{self.line}"


DEFAULT = Origin("default")


class Given(NamedTuple):
    """A value as it was written, and where."""

    value: Any
    origin: Origin


@dataclass(frozen=True)
class Mistake:
    """One thing that the operator must change; `setting` is its full name, for example `relay.batch_rows`."""

    setting: str
    origin: Origin
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.origin}: {self.message}"
        return printable(f"{text}. {self.hint}" if self.hint else text)


def in_order(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """From the file's first line to its last, then the environment."""
    return tuple(sorted(mistakes, key=lambda mistake: (mistake.origin.line is None, mistake.origin.line or 0)))


def as_error(mistakes: Sequence[Mistake]) -> ConfigError:
    """The first mistake as an error of one line that says how many there are."""
    first, more = str(mistakes[0]), len(mistakes) - 1
    if not more:
        return ConfigError(first)
    return ConfigError(first, hint=f"And {more} more: `bridge config check` lists them")
