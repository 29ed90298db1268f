"""Who is shown something, and how many at once.

There is no login where only this machine can ask, and a browser on it can be led here by any page that it shows: by a
link, or by a name of that page's own which its DNS server suddenly says is 127.0.0.1. Such a name is none of ours.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bridge.errors import BridgeError
from bridge.telemetry.pages import Answer, Page, Request
from bridge.web.answers import trouble

API = "/api/"
HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::[0-9]*)?")
FOREIGN = ("cross-site", "same-site")  # what a browser says of a request that another page makes
AT_WORK = 2  # questions that ask servers at once: each has a connection, and reads of Kafka take a core
IN_LINE = 3  # that wait for their turn; both together are fewer than the server has room for
TURN_SECONDS = 5.0
RESTS = 3  # times as long as a turn took is rested, up to TURN_SECONDS: a relay in the same process is to go on


def guarded(pages: Mapping[str, Page], names: Sequence[str]) -> Mapping[str, Page]:
    """The same pages, for who names this server by an address, a name without a dot, its own, or one of `names`."""
    ours = frozenset(name.lower().rstrip(".") for name in (*names, socket.gethostname()))
    return {path: _guarded(path, page, ours) for path, page in pages.items()}


def _guarded(path: str, page: Page, ours: frozenset[str]) -> Page:
    def answer(request: Request) -> Answer:
        if not _is_ours(request.headers.get("host", ""), ours):
            return trouble(421, "the host name is none of this server's: --host-name NAME makes it one")
        if path.startswith(API) and request.headers.get("sec-fetch-site") in FOREIGN:
            return trouble(403, "another site's page asks")
        return page(request)

    return answer


def _is_ours(host: str, ours: frozenset[str]) -> bool:
    """Whether no stranger can have made this name: those with a dot are to be had in the public DNS."""
    match = HOST.fullmatch(host.lower())
    if match is None:
        return False
    if match["v6"] is not None:
        return _is_address(match["v6"])
    name = match["name"].rstrip(".")
    return "." not in name or name in ours or name.endswith(".localhost") or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Turns:
    """Few at once, few that wait for it, and a rest in between; safe to share between threads.

    Who asks again and again where an event is would else have Kafka read all the time, with the relay's own lock.
    """

    def __init__(self) -> None:
        self._line = threading.Semaphore(AT_WORK + IN_LINE)
        self._work = threading.Semaphore(AT_WORK)
        self._rests_until = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        """A turn. Raises BridgeError where there is none."""
        busy = BridgeError("too many are asking already")
        if not self._line.acquire(blocking=False):
            raise busy
        try:
            if not self._work.acquire(timeout=TURN_SECONDS):
                raise busy
            try:
                time.sleep(max(self._rests_until - time.monotonic(), 0.0))
                began = time.monotonic()
                try:
                    yield
                finally:
                    now = time.monotonic()
                    self._rests_until = now + min(RESTS * (now - began), TURN_SECONDS)
            finally:
                self._work.release()
        finally:
            self._line.release()
