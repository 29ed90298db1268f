"""The knobs by their full names, and a given value as the type of its knob."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, get_type_hints

from bridge.settings import SECTIONS, is_secret

PROPERTIES = "kafka.properties"  # the one knob that is a table: each of its entries is given by itself
SCHEMAS = "schemas"

KIND_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}


class Knob(NamedTuple):
    """`kind` is one of str, int, float, bool or a StrEnum."""

    kind: Any
    is_secret: bool


class Wrong(ValueError):
    """Why a value is not one of its knob; never shows the value of a secret."""


@cache
def knobs() -> Mapping[str, Knob]:
    """All knobs but `kafka.properties` by full name."""
    found = {SCHEMAS: Knob(str, is_secret=False)}
    for section, kind in SECTIONS.items():
        hints = get_type_hints(kind)
        found |= {_full(section, knob): Knob(hints[knob.name], is_secret(knob)) for knob in fields(kind)}
    del found[PROPERTIES]
    return MappingProxyType(found)


def _full(section: str, knob: Field[Any]) -> str:
    return f"{section}.{knob.name}"


def from_toml(value: object, knob: Knob) -> Any:
    """A value of a file. Raises Wrong."""
    kind = knob.kind
    if issubclass(kind, StrEnum):
        return _mode(value, kind)
    if kind is float and type(value) is int:
        value = _float(value)
    if type(value) is not kind:
        given = kind_name(value) if knob.is_secret else shown(value)
        raise Wrong(f"must be {KIND_NAMES[kind]}, not {given}")
    return value


def from_text(text: str, knob: Knob) -> Any:
    """A value of the environment. Raises Wrong."""
    kind = knob.kind
    if kind is str:
        return text
    if issubclass(kind, StrEnum):
        return _mode(text, kind)
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise Wrong(f"must be {KIND_NAMES[kind]}, not {shown(text)}") from error


def kind_name(value: object) -> str:
    """What a value of TOML is, without the value."""
    return KIND_NAMES.get(type(value), "an array" if isinstance(value, list) else "a date")


def shown(value: object) -> str:
    """A value that is no secret, for a message."""
    if isinstance(value, dict | list):
        return kind_name(value)
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _mode(value: Any, kind: type[StrEnum]) -> StrEnum:
    try:
        return kind(value)
    except ValueError as error:
        raise Wrong(f"must be one of {', '.join(kind)}, not {shown(value)}") from error


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
