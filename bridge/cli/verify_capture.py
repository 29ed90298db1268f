"""`bridge verify --capture`: whether what was recorded of tracked tables is what they hold."""

from __future__ import annotations

from collections.abc import Collection

from bridge.admin.verify_capture import KINDS, CaptureVerdict, TableVerdict, verify_capture
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.errors import DatabaseRefuses, VerificationFailed
from bridge.settings import Settings
from bridge.text import counted

REASONS = {
    "left": "whose events may have left with a partition of the history",
    "erased": "whose last event bridge erase has emptied",
    "older": "without events, perhaps from before tracking",
}
SHOWN = 200  # characters of a key in text; JSON has it whole


def verify_tables(settings: Settings, names: Collection[str], *, as_json: bool) -> None:
    """Compare and print. Raises VerificationFailed where anything differs, DatabaseRefuses where the only fault is that
    others keep a table, and as `verify_capture` does.
    """
    with progress_bar() as progress:
        verdict = verify_capture(settings, names, progress)
    if as_json:
        echo_json({"tables": verdict.tables, "passed": verdict.passed, "seconds": verdict.seconds})
    else:
        echo(*_described(verdict))
    failed = [table for table in verdict.tables if not table.passed]
    if failed:
        found = "; ".join(_summary(table) for table in failed)
        if all(table.is_busy for table in failed):
            hint = "Try again later; of a table of another owner, one verify --capture at a time"
            raise DatabaseRefuses(f"tracked tables were not compared: {found}", hint=hint)
        raise VerificationFailed(f"tracked tables differ from their events: {found}")


def _described(verdict: CaptureVerdict) -> list[str]:
    keys = sum(table.keys for table in verdict.tables)
    tables = counted(len(verdict.tables), "tracked table")
    lines = [f"{counted(keys, 'key')} of {tables} compared in {verdict.seconds:.1f} s"]
    for table in verdict.tables:
        lines.append(f"  {table.relation}: {_counts(table)}")
        for kind, examples in table.examples.items():
            more = ", ..." if getattr(table, kind) > len(examples) else ""
            lines.append(f"      {kind:<8} {', '.join(_cut(key) for key in examples)}{more}")
    return lines


def _counts(table: TableVerdict) -> str:
    if table.unreadable is not None:
        return f"not compared: {table.unreadable}"
    counts = ", ".join([counted(table.keys, "key"), *(f"{getattr(table, kind):,} {kind}" for kind in KINDS)])
    return "; ".join([counts, *(f"not judged: {count:,} {REASONS[why]}" for why, count in table.not_judged.items())])


def _summary(table: TableVerdict) -> str:
    found = [f"{getattr(table, kind):,} {kind}" for kind in KINDS if getattr(table, kind)]
    return f"{table.relation} {table.unreadable or ', '.join(found)}"


def _cut(key: str) -> str:
    return key if len(key) <= SHOWN else f"{key[:SHOWN]}..."
