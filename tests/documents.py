"""The documents of the project, and what they tell people to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(CHECKOUT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "sql/*.md")
    for path in CHECKOUT.glob(pattern)
    if path.name != "CHANGELOG.md"  # tells of what was
)
_FENCE = re.compile(r"^( *)```(\S*)(?: title=\"([^\"\n]+)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_PROGRAMS = "bridge|make|python|pip|psql|kafka-[a-z.-]+|docker|podman|helm|kubectl|systemctl|curl|openssl|git"
_COMMAND = re.compile(rf"(?:eval \"\$\()?(?:{_PROGRAMS}) .*")
_OPTIONAL = re.compile(r" \[[^\]]*\]")


class Block(NamedTuple):
    """A code block: the line where it begins, its language, the file that it is, and what is in it."""

    line: int
    language: str
    title: str
    text: str


def blocks(document: str) -> Iterator[Block]:
    text = (CHECKOUT / document).read_text("utf-8")
    for found in _FENCE.finditer(text):
        _, language, title, content = found.groups(default="")
        yield Block(text.count("\n", 0, found.start()) + 1, language, title, content)


def commands(document: str) -> Iterator[str]:
    """Lines of its blocks that are typed into a shell, without comments and what may be left out (`[--json]`)."""
    for block in blocks(document):
        if block.language in ("", "sh"):
            for line in map(str.strip, block.text.splitlines()):
                if _COMMAND.fullmatch(line):
                    yield _OPTIONAL.sub("", re.sub(r"\s+#.*", "", line))


def inline(document: str) -> Iterator[list[str]]:
    """The words behind `bridge` of commands within its sentences; those that are no shell's words are passed over."""
    text = _FENCE.sub("", (CHECKOUT / document).read_text("utf-8"))
    for found in re.findall(r"`bridge ([a-z][^`]*)`", text):
        try:
            yield shlex.split(found)
        except ValueError:
            continue
