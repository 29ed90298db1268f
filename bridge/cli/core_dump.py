"""No core dump of a process that knows passwords: it would be a copy of its memory, kept by somebody else."""

from __future__ import annotations

import resource

# Linux writes no file that small, and at 1, unlike at 0, it starts no handler either that takes dumps through a pipe
# (core(5) says that limits do not hold for these).
LEAST_BYTES = 1


def prevent() -> None:
    """For the rest of this process and for all that it starts; not to be undone by them.

    Its memory can still be read by whoever may trace it, and that is who may read its environment and its secrets'
    files, too. PR_SET_DUMPABLE would keep out the same user alone, and py-spy and gdb with him.

    Where whoever started it allows no byte at all (`ulimit -Hc 0`), it stays so, for a limit cannot be raised: then a
    handler behind a pipe would still get a dump.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    least = LEAST_BYTES if most == resource.RLIM_INFINITY else min(LEAST_BYTES, most)
    resource.setrlimit(resource.RLIMIT_CORE, (least, least))
