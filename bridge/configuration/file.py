"""What the configuration file says: its settings by full name, its routes, and the line of everything."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.configuration.key_lines import key_lines, line_of
from bridge.configuration.knobs import PROPERTIES, SCHEMAS, Wrong, from_toml, kind_name, knobs
from bridge.configuration.mistake import Given, Mistake, Origin
from bridge.configuration.unknown import unknown
from bridge.settings import SECTIONS


class Unreadable(Exception):
    """There is nothing to be had from a file; the one mistake says why."""

    def __init__(self, path: Path, line: int | None, why: str) -> None:
        super().__init__(why)
        self.mistake = Mistake("", Origin(str(path), line), why)


class ConfigFile:
    """A file that is valid TOML, and where in it everything stands."""

    def __init__(self, path: Path) -> None:
        """Raises Unreadable; what is wrong in a file that can be read, the methods say."""
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
            self._document = tomllib.loads(text)
        except OSError as error:
            raise Unreadable(path, None, f"the configuration file cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise Unreadable(path, None, "the configuration file is not UTF-8") from error
        except ValueError as error:  # a number of thousands of digits is none of tomllib's own errors
            line = re.search(r"at line (\d+)", str(error))  # tomllib never repeats a value
            raise Unreadable(path, int(line[1]) if line else None, f"this is not valid TOML: {error}") from error
        self._path = path
        self._lines = key_lines(text)

    @property
    def routes(self) -> object:
        return self._document.get("routes", [])

    def at(self, *path: str | int) -> Origin:
        """Where something stands, or what it would be in."""
        return Origin(str(self._path), line_of(path, self._lines))

    def settings(self) -> tuple[dict[str, Given], list[Mistake]]:
        """The settings by full name, as their knobs' types, and what is wrong with the others."""
        given: dict[str, Given] = {}
        mistakes: list[Mistake] = []
        for section, value in self._document.items():
            if section == SCHEMAS:
                self._take(given, mistakes, (SCHEMAS,), value)
            elif section not in SECTIONS:
                if section != "routes":
                    mistakes.append(unknown(section, section, [*SECTIONS, "routes", SCHEMAS], self.at(section)))
            elif not isinstance(value, dict):
                mistakes.append(self._not_a_table(section, value))
            else:
                for name, of_name in value.items():
                    self._take(given, mistakes, (section, name), of_name)
        return given, mistakes

    def _take(self, given: dict[str, Given], mistakes: list[Mistake], path: tuple[str, ...], value: object) -> None:
        name, origin = ".".join(path), self.at(*path)
        knob = knobs().get(name)
        if name == PROPERTIES:
            self._take_properties(given, mistakes, path, value)
        elif knob is None:
            section = path[0]
            known = [full.rpartition(".")[2] for full in [*knobs(), PROPERTIES] if full.startswith(f"{section}.")]
            mistakes.append(unknown(name, path[-1], known, origin))
        else:
            try:
                given[name] = Given(from_toml(value, knob), origin)
            except Wrong as wrong:
                mistakes.append(Mistake(name, origin, f"{name} {wrong}"))

    def _take_properties(
        self, given: dict[str, Given], mistakes: list[Mistake], path: tuple[str, ...], value: object
    ) -> None:
        """Each property by itself. Without quotes, `sasl.mechanism = "PLAIN"` is a table in a table to TOML."""
        if not isinstance(value, dict):
            mistakes.append(self._not_a_table(PROPERTIES, value, *path))
            return
        for parts, text in _flat(value):
            name, origin = ".".join((PROPERTIES, *parts)), self.at(*path, *parts)
            if name in given:
                both = f"{name} is given by line {given[name].origin.line}, too"
                mistakes.append(Mistake(name, origin, both, "Leave one out"))
            elif isinstance(text, str):
                given[name] = Given(text, origin)
            else:
                mistakes.append(Mistake(name, origin, f"{name} must be text in quotes, not {kind_name(text)}"))

    def _not_a_table(self, name: str, value: object, *path: str) -> Mistake:
        hint = f"Write [{name}], and what belongs to it in the lines below"
        return Mistake(name, self.at(*(path or (name,))), f"{name} must be a table, not {kind_name(value)}", hint)


def _flat(table: Mapping[str, Any]) -> list[tuple[tuple[str, ...], object]]:
    found: list[tuple[tuple[str, ...], object]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            found += [((name, *path), of_path) for path, of_path in _flat(value)]
        else:
            found.append(((name,), value))
    return found
