"""docs/llms.txt leads agents to what is there."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.cli.main import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "llms.txt").read_text("utf-8")


def anchors(path: Path) -> set[str]:
    """Those that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", TEXT)
    assert len(links) > 10
    for path, anchor in links:
        assert (DOCS / path).is_file(), path
        assert not anchor or anchor in anchors(DOCS / path), f"{path}#{anchor}"


def test_every_document_and_every_command_is_named() -> None:
    named = {path for path, _ in re.findall(r"\]\(([^)#]+)(#[^)]+)?\)", TEXT)}
    made = {"capture-matrix.md"}  # by a test, of what it has done
    assert {path.name for path in DOCS.glob("*.md")} - named == made
    listed = set(re.findall(r"`bridge ([a-z]+)`", TEXT.partition("## Commands")[2].partition("## ")[0]))
    assert listed == set(COMMANDS)
