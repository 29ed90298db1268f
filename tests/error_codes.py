"""The index of error codes in docs/command-line.md, from the classes: `python tests/error_codes.py` writes it anew."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import bridge
from bridge.errors import BridgeError

DOCUMENT = Path(__file__).parents[1] / "docs" / "command-line.md"
HEADING = "## Error codes\n"
OTHERS = "bridge.consumer."  # what users of the library meet, and no command; nor are those of tests any


def kinds(kind: type[BridgeError] = BridgeError) -> Iterator[type[BridgeError]]:
    """All that there are, once all modules are imported."""
    if kind.__module__.startswith("bridge.") and not kind.__module__.startswith(OTHERS):
        yield kind
    for more in kind.__subclasses__():
        yield from kinds(more)


def index() -> str:
    """The section: a row a code."""
    for module in pkgutil.walk_packages(bridge.__path__, "bridge."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    lines = [
        "Each is the name of a class of errors. `bridge` handles some of them itself, and they end no command.",
        "",
    ]
    lines += ["| code | exit code | what |", "|---|---:|---|"]
    for kind in sorted(set(kinds()), key=lambda kind: kind.code()):
        what = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        lines.append(f"| `{kind.code()}` | {kind.exit_code} | {what} |")
    return "\n".join(["", *lines, ""])


def parts() -> tuple[str, str]:
    """The document up to the index, and the index."""
    before, heading, after = DOCUMENT.read_text().partition(HEADING)
    return before + heading, after


if __name__ == "__main__":
    DOCUMENT.write_text(parts()[0] + index())
