"""What requirements/image.txt pins: each package, its version, and who asks for it, as pip-compile has noted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

IMAGE = Path(__file__).with_name("image.txt")
PROJECT = IMAGE.parents[1] / "pyproject.toml"
OURSELVES = "bridge-cdc (pyproject.toml)"
PIN = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?: ; .+)? \\$(?:\n    --hash=\S+(?: \\)?$)+\n    # via (?P<via>.+)$",
    re.M,
)


class Pinned(NamedTuple):
    """`users` are the packages that ask for it; `bridge-cdc` for us, none where only the build does."""

    name: str
    version: str
    users: tuple[str, ...]


def project() -> dict[str, Any]:
    """What pyproject.toml says of bridge as a package."""
    with PROJECT.open("rb") as file:
        return dict(tomllib.load(file)["project"])


def pinned(file: Path = IMAGE) -> list[Pinned]:
    """All of them, in the order of their names. Raises ValueError where a line of the file is not understood."""
    text = file.read_text()
    found = [Pinned(pin["name"], pin["version"], _users(pin["via"])) for pin in PIN.finditer(text)]
    if len(found) != text.count("==") or not found:
        raise ValueError(f"{file} is not as pip-compile writes it")
    return found


def runtime(pins: list[Pinned]) -> list[Pinned]:
    """Those that bridge has in the image, with its extras there; the rest build it."""
    users = {pin.name: pin.users for pin in pins}
    wanted = {name for name in users if _leads_to_us(name, users, frozenset())}
    return [pin for pin in pins if pin.name in wanted]


def required(pins: list[Pinned]) -> set[str]:
    """The names of those that bridge has without extras."""
    asked = {Requirement(text).name for text in project()["dependencies"]}
    # pip-compile notes for an extra's packages, too, that we ask for them.
    others = [pin._replace(users=tuple(user for user in pin.users if user != "bridge-cdc")) for pin in pins]
    unasked = [pin if pin.name in asked else other for pin, other in zip(pins, others, strict=True)]
    return {pin.name for pin in runtime(unasked)}


def _leads_to_us(name: str, users: dict[str, tuple[str, ...]], seen: frozenset[str]) -> bool:
    above = [user for user in users[name] if user not in seen]
    return "bridge-cdc" in above or any(_leads_to_us(user, users, seen | {name}) for user in above)


def _users(via: str) -> tuple[str, ...]:
    parts = (part.strip() for part in via.split(","))
    return tuple("bridge-cdc" if part == OURSELVES else part for part in parts if not part.startswith("-"))
