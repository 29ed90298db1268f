"""Usual changes of a table written in one straight piece of code, made for their fields as dataclasses make theirs.

Half of what a record of a dozen fields costs are the calls of a function for each (tests/bench/test_typed.py). What is
not usual raises something, and is written again field by field by another function, which decides whether it fits; so
nothing here has to be complete, only right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from textwrap import indent
from typing import Any, Final

from bridge.encoding.change_fields import Alike, Field, State
from bridge.encoding.templates import ANY, MOST_PARTS, NAMES, PRESENT, Template, branch
from bridge.event import STATES

FRAME: Final = """
def write(payload):
    try:
        change = read(payload)
        before, after = change.previous_state, change.new_state
        if before is None:
            if after is None:
{neither}
{with_after}
        if after is None:
{with_before}
{with_both}
    except UNUSUAL:
        pass
    return otherwise(payload)
"""
CASES: Final = {"neither": (), "with_before": STATES[:1], "with_after": STATES[1:], "with_both": STATES}
ROWS: Final = dict(zip(STATES, ("before", "after"), strict=True))  # what they are called there
READ: Final = "{row} = read_row({row})"
# msgspec rounds a time that is more precise than a microsecond, and somebody may have written history by hand.
READ_EXACT: Final = "if is_too_precise({row}):\n    raise Unusual\n" + READ


def writer(
    fields: Sequence[Field | State | Alike], row: Sequence[Field], calls: Mapping[str, Any]
) -> Callable[[str], bytes]:
    """Writes payloads, JSON text, as `fields`, and the states among these as `row`.

    `calls`: what reads a payload (`read`) and a state (`read_row`); what these and the lines made here raise where
    something is not usual (`UNUSUAL`); and what writes the payload then (`otherwise`).
    """
    names: dict[str, Any] = {**NAMES, **calls}
    for number, field in enumerate([*row, *fields]):
        match field:
            case Alike(_, known):
                names[f"known{number}"] = known
            case Field(_, _, write):
                names[f"write{number}"] = write
    states = [field.name for field in fields if isinstance(field, State)]
    cases = {
        name: _case(fields, row, [state for state in present if state in states]) for name, present in CASES.items()
    }
    depths = {"neither": 16, "with_before": 12, "with_after": 12, "with_both": 8}
    source = FRAME.format(**{name: indent("\n".join(case), " " * depths[name]) for name, case in cases.items()})
    exec(source, names)  # noqa: S102  # of templates, numbers, and names that were made here
    made: Callable[[str], bytes] = names["write"]
    return made


def _case(fields: Sequence[Field | State | Alike], row: Sequence[Field], present: Sequence[str]) -> list[str]:
    """The lines for a change that has these states."""
    lines, rows = _rows(row, present)
    joined: list[str] = []
    for number, field in enumerate(fields, len(row)):
        match field:
            case State(name, absent, begins):
                joined += [repr(begins), *rows[name]] if name in present else [repr(absent)]
            case Alike(alike, _):
                joined.append(f"known{number}[{', '.join(f'change.{name}' for name in alike)},]")
            case Field(name):
                text = _lines(field, f"p{number}", number)
                lines.append(f"v = change.{name}\n{text}")
                joined += _parts(text, f"p{number}")
    return [*lines, f'return b"".join(({"".join(f"{part}, " for part in joined)}))']


def _rows(row: Sequence[Field], present: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The lines that write the rows of these states, of which most is the same; and the parts that each row is of."""
    found = [branch(field.schema)[0] for field in row]
    read = READ_EXACT if any(template is not None and template.held is datetime for template in found) else READ
    lines = [read.format(row=ROWS[state]) for state in present]
    parts: dict[str, list[str]] = {state: [] for state in present}
    for number, field in enumerate(row if present else ()):
        text = _lines(field, f"p{number}", number)
        own = _parts(text, f"p{number}")
        lines.append(f"v = {ROWS[present[0]]}.{field.name}\n{text}")
        parts[present[0]] += own
        for state in present[1:]:
            again, same = _lines(field, f"q{number}", number), [f"q{part[1:]} = {part}" for part in own]
            if found[number] is not None:  # else equal values may be of different types
                again = f"if u == v:\n{_inner(same)}\nelse:\n    v = u\n{_inner([again])}"
            else:
                again = f"v = u\n{again}"
            lines.append(f"u = {ROWS[state]}.{field.name}\n{again}")
            parts[state] += [f"q{part[1:]}" for part in own]
    return lines, parts


def _lines(field: Field, part: str, number: int) -> str:
    """What makes a field's bytes of `v`: of one part, or of several that follow one another."""
    found, is_nullable = branch(field.schema)
    if found is None:
        found, is_nullable = Template(Any, ANY, {}), False
    begins = PRESENT if is_nullable else b""
    text = found.lines.strip("\n").format(
        part=part,
        head="PRESENT + " if is_nullable else "",
        lengths="PRESENT_LENGTHS" if is_nullable else "LENGTHS",
        lows="PRESENT_LOWS" if is_nullable else "LOWS",
        yes=begins + b"\x01",
        no=begins + b"\x00",
        uuid=begins + b"\x48",
        null="NULL" if is_nullable else "unusual()",
        write=f"write{number}",
        **found.values,
    )
    if not is_nullable:
        return text
    more = [f"{name} = b''" for name in _parts(text, part)[1:]]
    return f"if v is None:\n{_inner([f'{part} = NULL', *more])}\nelse:\n{_inner([text])}"


def _parts(text: str, part: str) -> list[str]:
    """What a field's lines make, in order."""
    return [name for name in (part, *(f"{part}_{number}" for number in range(1, MOST_PARTS))) if f"{name} = " in text]


def _inner(lines: Sequence[str]) -> str:
    return indent("\n".join(lines), "    ")
