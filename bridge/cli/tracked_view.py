"""What a person is told of tracked tables."""

from __future__ import annotations

from bridge.admin.tracking import USUAL_ROWS, Tracked
from bridge.postgres.tracking import Finding
from bridge.text import counted


def describe(table: Tracked, findings: list[Finding]) -> list[str]:
    """What is recorded of a table, in lines, and what is wrong with it."""
    parts = {
        "key": table.key,
        "keyed by": [table.event_key] if table.event_key else [],
        "masked": table.masked,
        "excluded": table.excluded,
        "left out": [f"{name} (generated, not stored)" for name in table.left_out],
        "also": _more(table),
        "triggers": table.triggers,
    }
    return [
        f"{table.relation} is tracked as {table.name} ({table.event_type})",
        *(f"    {what:<8}  {', '.join(names)}" for what, names in parts.items() if names),
        *(f"    {'problem' if f.is_problem else 'note':<8}  {f.finding}. {f.advice}" for f in findings),
    ]


def differences(former: Tracked, now: Tracked) -> list[str]:
    """What was otherwise before, in lines."""
    pairs = {
        "called": (former.name, now.name),
        "type": (former.event_type, now.event_type),
        "key": (", ".join(former.key), ", ".join(now.key)),
        "event key": (former.event_key, now.event_key),
        "masked": (", ".join(former.masked), ", ".join(now.masked)),
        "excluded": (", ".join(former.excluded), ", ".join(now.excluded)),
        "also": (", ".join(_more(former)), ", ".join(_more(now))),
    }
    return [
        f"    before    {what}: {before or 'nothing'}" for what, (before, after) in pairs.items() if before != after
    ]


def in_a_line(table: Tracked, problems: int) -> str:
    """One of a list, with the number of its problems."""
    event_key = [table.event_key] if table.event_key else []
    columns = {"key": table.key, "event key": event_key, "masked": table.masked, "excluded": table.excluded}
    parts = [f"{what} {', '.join(names)}" for what, names in columns.items() if names]
    parts += _more(table)
    parts.append(f"since {table.since.isoformat(sep=' ', timespec='seconds')}")
    if problems:
        parts.append(f"{problems} problem{'s' if problems > 1 else ''}")
    return f"{table.relation} as {table.name}: {'; '.join(parts)}"


def _more(table: Tracked) -> list[str]:
    parts = [what for what in ("activity", "replicated") if getattr(table, what)]
    if table.truncate_rows == USUAL_ROWS:
        return parts
    return [*parts, f"TRUNCATE tells of {counted(table.truncate_rows, 'row')}"]
