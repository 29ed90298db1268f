"""What requirements/base.txt pins: each package, its version, and who asks for it, as pip-compile has noted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

BASE = Path(__file__).with_name("base.txt")
OURSELVES = "bridge-cdc (pyproject.toml)"
PIN = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+) \\$(?:\n    --hash=\S+(?: \\)?$)+\n    # via (?P<via>.+)$", re.M
)


class Pinned(NamedTuple):
    """`users` are the packages that ask for it; `bridge-cdc` for us, none where only the build does."""

    name: str
    version: str
    users: tuple[str, ...]


def pinned(file: Path = BASE) -> list[Pinned]:
    """All of them, in the order of their names. Raises ValueError where a line of the file is not understood."""
    text = file.read_text()
    found = [Pinned(pin["name"], pin["version"], _users(pin["via"])) for pin in PIN.finditer(text)]
    if len(found) != text.count("==") or not found:
        raise ValueError(f"{file} is not as pip-compile writes it")
    return found


def runtime(pins: list[Pinned]) -> list[Pinned]:
    """Those that an installed bridge has; the rest build it."""
    users = {pin.name: pin.users for pin in pins}
    wanted = {name for name in users if _leads_to_us(name, users, frozenset())}
    return [pin for pin in pins if pin.name in wanted]


def _leads_to_us(name: str, users: dict[str, tuple[str, ...]], seen: frozenset[str]) -> bool:
    above = [user for user in users[name] if user not in seen]
    return "bridge-cdc" in above or any(_leads_to_us(user, users, seen | {name}) for user in above)


def _users(via: str) -> tuple[str, ...]:
    parts = (part.strip() for part in via.split(","))
    return tuple("bridge-cdc" if part == OURSELVES else part for part in parts if not part.startswith("-"))
