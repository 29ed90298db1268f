"""What an operator sees when events are late, for docs/operations.md: with names that do not change, and compared.

BRIDGE_TEST_WRITE_TRANSCRIPT=1 writes it there instead.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from fix_relay import Site

DOCUMENT = Path(__file__).parents[1] / "docs" / "operations.md"
NAMES = (
    (r"batch \d+ of shard \d+ has it, claimed .*? already; ", ""),  # it may be in one's hands at that moment
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "01a2...9779"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "03:07:12"),
    (r"[\w.-]+:\d+:[0-9a-f]{6}", "relay-1:4242:c0ffee"),
    (r"process \d+", "process 1234"),
    (r"pg_terminate_backend\(\d+\)", "pg_terminate_backend(1234)"),
    (r"https?://[\w.:/-]+", "http://registry"),
    (r"pg_tblspc/\S+?\"", 'pg_tblspc/16999/..."'),
    (r"(role|shard) \w+", r"\1 x"),
    (r"-?\d+(\.\d+)? s (ahead|behind)", r"3600.0 s \2"),
    (r"\d+ hours more", "0 hours more"),
)


def steady(site: Site, text: str) -> str:
    """The text with one name for each thing."""
    text = text.replace(site.name, "shop")
    for pattern, name in NAMES:
        text = re.sub(pattern, name, text)
    return text.rstrip()


def documented(site: Site, cause: str, *shown: tuple[str, str]) -> None:
    """The document has these commands and what they say under the cause's name, or has it now."""
    lines = [line for command, said in shown for line in (f"$ {command}", *steady(site, said).splitlines())]
    block = f"*{cause}*\n\n```\n" + "\n".join(lines) + "\n```\n"
    page = DOCUMENT.read_text("utf-8")
    if os.environ.get("BRIDGE_TEST_WRITE_TRANSCRIPT"):
        former = re.compile(rf"\*{re.escape(cause)}\*\n\n```\n.*?```\n", re.DOTALL)
        assert former.search(page), f"there is no place for {cause!r}"
        DOCUMENT.write_text(former.sub(lambda _: block, page, count=1), "utf-8")
    else:
        assert block in page, f"{DOCUMENT.name} has another transcript of {cause!r} than:\n{block}"
