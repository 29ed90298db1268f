"""A bound on calls that may never return."""

from __future__ import annotations

import threading
from collections.abc import Callable


def within(seconds: float, call: Callable[[], object]) -> None:
    """Run `call` in a thread of its own and wait for it. Raises what it raises, and TimeoutError after `seconds`.

    The thread is left alone then: whatever it works on must not be used any more.
    """
    raised: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, daemon=True).start()
    if not ended.wait(seconds):
        raise TimeoutError(f"no answer within {seconds:g} s")
    if raised:
        raise raised[0]
