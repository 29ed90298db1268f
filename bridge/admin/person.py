"""Who gives a command, as far as the machine tells: kept with what is decided, beside the database's role."""

from __future__ import annotations

import getpass
import socket


def who(why: str | None) -> dict[str, str | None]:
    """For the statements that keep it: the reason that was given, the user and the machine."""
    return {"why": why, "os_user": _os_user(), "host": socket.gethostname()}


def _os_user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return None
