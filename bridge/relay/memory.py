"""How a relay's process manages memory: batches are many small objects, and now and then a few very large ones."""

from __future__ import annotations

import ctypes
import gc

M_MMAP_THRESHOLD = -3  # https://man7.org/linux/man-pages/man3/mallopt.3.html
LARGE_BYTES = 1_000_000


def tune() -> None:
    """For the rest of the process, once all that stays is imported."""
    gc.freeze()  # a batch makes tens of thousands of objects, none of them garbage; looking for it took a fifth of all
    gc.set_threshold(100_000, 50, 100)
    # A large block goes back to the system when freed. By itself, glibc keeps blocks up to the size of the largest one
    # that was freed before, in each thread's own heap: tens of megabytes, where payloads have some.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
