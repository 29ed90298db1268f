"""Which files of `sql/` a database lacks, by what was applied there; a newer program may have migrated it further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.errors import MigrationError
from bridge.postgres.script import Script

Applied = Mapping[tuple[str, str], str]  # layer and file: checksum


def pending(shipped: Sequence[Script], done: Applied) -> list[Script]:
    """Those of `shipped` that are to be applied: none in a layer that a newer program has migrated.

    Raises MigrationError where a numbered file has changed since, or is not in the line of versions that `done` is of.
    """
    further = newer(shipped, done)
    missing = [s for s in shipped if (s.layer, s.file) not in done]
    changed = [s for s in shipped if done.get((s.layer, s.file), s.checksum) != s.checksum]
    for script in changed:
        if script.is_numbered:
            raise MigrationError(
                f"{script.name} was changed after it had been applied",
                hint="Restore the file, and put the change into a new one with the next number",
            )
    for script in missing:
        if script.is_numbered and script.layer in further:
            raise _of_another_line(script.name)
    return [s for s in shipped if s.layer not in further and (s in changed or s in missing)]


def newer(shipped: Sequence[Script], done: Applied) -> set[str]:
    """The layers with migrations that come after all that are shipped."""
    known = {(s.layer, s.file) for s in shipped}
    newest = {layer: max(s.number for s in shipped if s.layer == layer) for layer in {s.layer for s in shipped}}
    further = set()
    for layer, file in sorted(done):
        unknown = Script(layer, file, "")
        if layer in newest and unknown.is_numbered and (layer, file) not in known:
            if unknown.number <= newest[layer]:
                raise _of_another_line(unknown.name)
            further.add(layer)
    return further


def _of_another_line(name: str) -> MigrationError:
    return MigrationError(
        f"database and program have different migrations of the same number: {name} is in one of them alone",
        hint="Use the version of bridge that migrated this database, or a later one",
    )
