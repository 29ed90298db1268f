"""`bridge`, and `python -m bridge`: how a process begins and ends, whatever its command does.

Also what a Ctrl-C meets while the command line is still being imported.
"""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and leave."""
    code: object = 130
    try:
        from bridge.cli.main import main as run

        run()
    except SystemExit as leaving:
        code = leaving.code
    except KeyboardInterrupt:
        print("bridge: interrupted", file=sys.stderr)  # noqa: T201 - what prints may not be there yet
    _leave(code if isinstance(code, int) else 1)


def _leave(code: int) -> NoReturn:
    """Without what C does at its end: OpenSSL would free what threads of a Kafka client, which may still log in
    somewhere, are using, and one end in fifteen is a crash then.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it is where the caller closed it
                stream.flush()
    except (OSError, ValueError):  # a full disk, a closed pipe; closed by the command itself
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
