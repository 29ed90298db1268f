"""What of a schema decides how bytes are read."""

from __future__ import annotations

from typing import Any

# https://avro.apache.org/docs/1.11.1/specification/#parsing-canonical-form-for-schemas, and the logical types
DECISIVE = ("type", "name", "fields", "symbols", "items", "values", "size", "logicalType", "precision", "scale")


def meaning(parsed: Any) -> Any:
    """A schema that fastavro has parsed, without documentation, defaults and aliases: two that are equal read alike."""
    if isinstance(parsed, list):
        return [meaning(branch) for branch in parsed]
    if not isinstance(parsed, dict):
        return parsed
    kept = {name: meaning(parsed[name]) for name in DECISIVE if name in parsed}
    return kept["type"] if len(kept) == 1 and isinstance(kept.get("type"), str) else kept  # {"type": "int"} is "int"
