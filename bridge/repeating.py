"""What one thing is done with again and again, in a thread of its own, beside the carrying of events."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeating:
    """From `start()` to `end()`, the first time at once."""

    def __init__(self, name: str, seconds: float, do: Callable[[], None], end_seconds: float = 1.0) -> None:
        """`name` is the thread's; `seconds` to rest between; `do` raises nothing, for it has to say itself what is
        wrong; `end_seconds`: how long to wait at the end for what is under way.
        """
        self._seconds = seconds
        self._do = do
        self._end_seconds = end_seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing any more; what takes long is left to end with the process."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(self._end_seconds)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._do()
            self._ending.wait(self._seconds)
