"""Where something is in a schema: `$`, `.field`, `[]` an array's items, `{}` a map's values, `<type>` a branch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.encoding.avro.nodes import Named, Node, Union

MAX_PATH: Final = 500  # characters


def below(path: str, step: str) -> str:
    """One step further; of a path that nobody would read to its end, the end."""
    longer = path + step
    return longer if len(longer) <= MAX_PATH else f"$...{longer[-MAX_PATH // 2 :]}"


def branches(path: str, union: Union) -> Iterator[tuple[Node, str]]:
    """The branches and their paths, which say which one it is unless there is but one beside null."""
    is_plain = sum(one.kind != "null" for one in union.branches) <= 1
    for one in union.branches:
        name = one.name if isinstance(one, Named) else one.kind
        yield one, path if is_plain and name != "null" else below(path, f"<{name}>")
