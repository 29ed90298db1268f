"""`bridge`, and `python -m bridge`: what a Ctrl-C meets while the command line is still being imported."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from bridge.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("bridge: interrupted", file=sys.stderr)  # noqa: T201 - what prints may not be there yet
        sys.exit(130)


if __name__ == "__main__":
    main()
