"""The documents as a site: no link leads nowhere, and no page asks another host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from documents import CHECKOUT

# what a browser fetches by itself
FETCHED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]* (?:src|href)=\"?https?:[^>]+")
FETCHED_BY_STYLE = re.compile(r"(?:url\(|@import )[\"']?https?:")


def test_it_builds_strictly_and_needs_nobody(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    assert [found for page in pages for found in FETCHED.findall(page.read_text())] == []
    styles = [path for pattern in ("*.css", "*.svg") for path in tmp_path.rglob(pattern)]
    assert [path for path in styles if FETCHED_BY_STYLE.search(path.read_text())] == []
