"""Prints the pages of metrics every few seconds, so that whoever asks waits for nothing.

While a backlog drains at full speed, each step of an answer waits milliseconds until Python lets it go on, and among
eight busy workers tens of them. What was printed is only handed out; workers print into files, which their idle parent
reads.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from bridge.harmless import Harmless
from bridge.repeating import Repeating
from bridge.telemetry.exposition import FORMATS, format_of, merge
from bridge.telemetry.pages import Answer, Request, plain

logger = logging.getLogger(__name__)

PRINT_SECONDS = 5.0
STALE_SECONDS = 60.0  # what is older is not told any more


class Press(Repeating):
    """The pages of one process, by format."""

    def __init__(self, render: Callable[[str], tuple[bytes, str]], prefix: str = "") -> None:
        """`render` makes the page for a value of Accept. `prefix`: of the files to write, none where it is empty."""
        harmless = Harmless(logger, "metrics")
        super().__init__("metrics", PRINT_SECONDS, lambda: harmless(self._print))
        self._render = render
        self._prefix = prefix
        self._pages: Mapping[str, bytes] = {}
        self._printed_at = 0.0

    def page(self, request: Request) -> Answer:
        """What was printed last."""
        kind = format_of(request.headers.get("accept", ""))
        if kind not in self._pages or time.monotonic() - self._printed_at > STALE_SECONDS:
            return _nothing()
        return Answer(HTTPStatus.OK, FORMATS[kind], self._pages[kind])

    def _print(self) -> None:
        self._pages = {kind: self._render(content_type)[0] for kind, content_type in FORMATS.items()}
        self._printed_at = time.monotonic()
        for kind, page in self._pages.items() if self._prefix else ():
            unfinished = Path(f"{self._prefix}.{kind}.new")
            unfinished.write_bytes(page)
            os.replace(unfinished, f"{self._prefix}.{kind}")


def joined_page(prefixes: Sequence[str], request: Request) -> Answer:
    """What several workers have printed, one of each prefix, as one page."""
    kind = format_of(request.headers.get("accept", ""))
    pages: dict[str, bytes] = {}
    for number, prefix in enumerate(prefixes):
        file = Path(f"{prefix}.{kind}")
        with suppress(FileNotFoundError):  # it has only just started
            if time.time() - file.stat().st_mtime <= STALE_SECONDS:
                pages[str(number)] = file.read_bytes()
    return Answer(HTTPStatus.OK, FORMATS[kind], merge(pages)) if pages else _nothing()


def _nothing() -> Answer:
    return plain(HTTPStatus.SERVICE_UNAVAILABLE, "no metrics yet")
