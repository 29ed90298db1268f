"""Names in Avro for names of Postgres: letters of ASCII, digits and underscores, no digit first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
FOREIGN = re.compile(r"[^A-Za-z0-9_]")


def is_name(text: str) -> bool:
    """Whether Avro takes it as it is."""
    return NAME(text) is not None


def adjusted(text: str) -> str:
    """Something like it that Avro takes: accents go, what is left that is foreign becomes an underscore."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    name = FOREIGN.sub("_", plain)
    return name if is_name(name) else f"_{name}"


def avro_names(texts: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """A name for each text, no two alike: a known one stays, what is a name keeps it, and the others are adjusted.

    `known` may hold more than `texts`; those names stay taken.
    """
    names = dict(known)
    wanted = [text for text in texts if text not in names]
    taken = set(names.values())
    for text in sorted(wanted, key=lambda text: not is_name(text)):  # stable
        name, number = adjusted(text), 1
        base = name
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        names[text] = name
    return names
