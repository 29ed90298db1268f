"""A schema as the text of a file that people read and compare: a field a line, in the schema's own order."""

from __future__ import annotations

import json
from typing import Any


def schema_text(schema: Any) -> str:
    """The file's text, the same for the same schema."""
    return _text(schema, "") + "\n"


def _text(value: Any, indent: str) -> str:
    """Records are spread over lines, at whatever depth; all else stands in one."""
    deeper = indent + "  "
    if _is_record(value):
        lines = [f"{deeper}{json.dumps(key)}: {_attribute(key, part, deeper)}" for key, part in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_text(part, indent)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(part, indent) for part in value) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)  # escaped as JSON has it, not as a terminal's guard would


def _attribute(key: str, value: Any, indent: str) -> str:
    if key != "fields" or not value:
        return _text(value, indent)
    deeper = indent + "  "
    return "[\n" + ",\n".join(deeper + _text(field, deeper) for field in value) + f"\n{indent}]"


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "record"
