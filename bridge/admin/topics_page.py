"""All topics as a page for people, in Markdown: what is in each, under which key, with which fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bridge.admin.topic_docs import Message, Topic


def topics_page(title: str, topics: Sequence[Topic]) -> str:
    """The page."""
    lines = [f"# {_text(title)}", "", "| Topic | What |", "|---|---|"]
    for topic in topics:
        what = "; ".join(_text(message.title) for message in topic.messages)
        lines.append(f"| [{_text(topic.name)}](#{_anchor(topic.name)}) | {what} |")
    for topic in topics:
        lines += ["", f"## {_text(topic.name)}"]
        for message in topic.messages:
            lines += ["", *_message(message)]
    return "\n".join(lines) + "\n"


def _message(message: Message) -> Iterator[str]:
    route = message.route
    yield f"### {_text(message.title)}"
    yield ""
    if message.doc:
        yield from (_text(message.doc), "")
    yield f"- Key: {_text(message.key)}"
    yield f"- Value: {route.encoding}" + (f", subject {_text(route.subject)}" if route.subject else "")
    for what, names in (("Left out", route.drop), ("Masked", route.mask)):
        if names:
            yield f"- {what}: {', '.join(map(_text, names))}"
    if route.headers:
        yield "- Headers: " + ", ".join(f"{_text(name)}: {_text(value)}" for name, value in route.headers)
    if route.tombstone:
        yield "- A tombstone follows " + ("a DELETE" if route.table else "each event")
    if isinstance(message.schema, dict) and message.schema.get("type") == "record":
        yield from ("", "| Field | Type | What |", "|---|---|---|")
        yield from _fields(message.schema, "")


def _fields(record: dict[str, Any], prefix: str) -> Iterator[str]:
    for field in record["fields"]:
        name = f"{prefix}{field['name']}"  # of letters, digits and _ alone: Avro takes no others
        yield f"| `{name}` | {_text(type_text(field['type']))} | {_text(field.get('doc', ''))} |"
        for inner in _records(field["type"]):
            yield from _fields(inner, f"{name}.")


def _records(schema: Any) -> Iterator[dict[str, Any]]:
    """The records that are defined in a field's type, through unions and arrays."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _records(branch)
    elif isinstance(schema, dict):
        if schema.get("type") == "record":
            yield schema
        for inner in ("items", "values"):
            if inner in schema:
                yield from _records(schema[inner])


def type_text(schema: Any) -> str:
    """A schema as a person would say it: `decimal(12, 2) or null`, `array of string`."""
    if isinstance(schema, list):
        names = [type_text(branch) for branch in schema if branch != "null"]
        return " or ".join([*names, "null"] if "null" in schema else names)
    if not isinstance(schema, dict):
        return str(schema)
    match schema:
        case {"logicalType": "decimal", "precision": precision}:
            return f"decimal({precision}, {schema.get('scale', 0)})"
        case {"logicalType": logical}:
            return str(logical)
        case {"type": "array", "items": items}:
            return f"array of {type_text(items)}"
        case {"type": "map", "values": values}:
            return f"map of {type_text(values)}"
        case {"type": "enum", "symbols": symbols}:
            return f"one of {', '.join(symbols)}"
        case {"name": name}:
            return str(name)
        case {"type": inner}:
            return type_text(inner)
    return str(schema)


def _text(text: str) -> str:
    """Safe in a line and a table of Markdown, and in the HTML that becomes of it."""
    plain = " ".join(str(text).split())
    for char in "\\`*_[]|":
        plain = plain.replace(char, f"\\{char}")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return "".join(char for char in heading.lower() if char.isalnum() or char in "-_")
