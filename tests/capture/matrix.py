"""What the random scenes have done to which kind of table: docs/capture-matrix.md, from the files of `make capture`."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

BUILD = Path("build/capture")
DOCUMENT = Path("docs/capture-matrix.md")
OPERATIONS = {  # the first that fits
    "TRUNCATE": r"truncate",
    "MERGE": r"merge",
    "several changes in one WITH": r"with",
    "a function inside writes to the table": r".*(meddle|sweep)\(",
    "INSERT ... ON CONFLICT": r"insert .*on conflict",
    "INSERT": r"insert",
    "UPDATE of the key": r'update .* set ("?id"?|"part"|"region") =',
    "UPDATE": r"update",
    "DELETE": r"delete",
    "ALTER TABLE": r"alter",
    "ROLLBACK TO": r"rollback to",
}
HEAD = """# What the differential test has done

Made by `make capture`; not written by hand. Each cell is how often a statement of that kind succeeded on a table of
that kind, tracked and untracked alike, after which history was replayed and compared with the table (`tests/capture`).
Tables have random columns, names, keys, masks, triggers that write to the table itself, generated columns and foreign
keys; sessions have random settings, transactions random isolation levels, and another session alters the table
meanwhile, now and then so that it is rewritten.
"""


def named(text: str) -> str | None:
    """The kind of statement; None for what changes nothing."""
    return next((name for name, pattern in OPERATIONS.items() if re.match(pattern, text, re.DOTALL)), None)


def keep(version: str, part: str, scenes: int, done: Counter[tuple[str, str]]) -> None:
    """Write down what one part has done."""
    BUILD.mkdir(parents=True, exist_ok=True)
    rows = [[*place, count] for place, count in sorted(done.items())]
    (BUILD / f"{version}-{part}.json").write_text(json.dumps({"version": version, "scenes": scenes, "rows": rows}))


def write() -> None:
    """The document, of all parts that were kept."""
    parts = [json.loads(path.read_text()) for path in sorted(BUILD.glob("*.json"))]
    counts: Counter[tuple[str, str]] = Counter()
    for part in parts:
        counts.update({(kind, operation): count for kind, operation, count in part["rows"]})
    kinds = sorted({kind for kind, _ in counts})
    scenes = Counter({part["version"]: 0 for part in parts})
    for part in parts:
        scenes[part["version"]] += part["scenes"]
    said = ", ".join(f"{count:,} on Postgres {version}" for version, count in sorted(scenes.items()))
    lines = [HEAD, f"Scenes: {said}, of ten transactions each; nothing was found to be wrong.", ""]
    lines += [f"| | {' | '.join(kinds)} |", f"|---|{'---:|' * len(kinds)}"]
    lines += [f"| {name} | {' | '.join(f'{counts[kind, name]:,}' for kind in kinds)} |" for name in OPERATIONS]
    DOCUMENT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write()
