"""How a command ends: its exit code, one line on standard error if it failed, and its document under `--json`."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import click

from bridge.cli.envelope import Output
from bridge.cli.log_format import tell_error
from bridge.cli.terminal import echo, echo_envelope
from bridge.errors import BridgeError
from bridge.text import place

COMPLETION = "_BRIDGE_COMPLETE"  # the variable by which the script of a shell asks


class UsageError(BridgeError):
    """The command line is wrong: a command, an option or a value that is not there, is missing or cannot be."""

    exit_code = 2


class Interrupted(BridgeError):
    """Ctrl-C, or a question was not answered with yes."""

    exit_code = 130


class OutputFailed(BridgeError):
    """What a command prints cannot be written: a full disk, a closed file."""


class Bug(BridgeError):
    """Nobody foresaw this: please report it. Its message says where it happened, and never what a user wrote."""


def run(cli: click.Group, arguments: Sequence[str]) -> int:
    """Run a command line to its end, whatever that is; returns the exit code."""
    output, failure, code = Output(), None, 0
    try:
        code = cli.main(arguments, complete_var=COMPLETION, standalone_mode=False, obj=output)
    except (Exception, KeyboardInterrupt) as error:
        failure = as_ours(error)
        code = failure.exit_code
        if isinstance(error, click.UsageError):
            error.show()
            if "--json" in arguments:  # which was not parsed
                output.ask(error.ctx or click.Context(cli))
        else:
            tell_error(failure)
    return _end(output, failure) or (code if isinstance(code, int) else 0)


def _end(output: Output, failure: BridgeError | None) -> int:
    """Print the document; returns 1 if that fails, as it does where nobody reads any more."""
    envelope = output.end(failure)
    if envelope is None:
        return 0
    try:
        echo_envelope(envelope)
    except OSError as error:
        if error.errno != errno.EPIPE:
            echo(f"bridge: {as_ours(error)}", err=True)
        return 1
    return 0


def as_ours(error: BaseException) -> BridgeError:
    """What ended a command, as one of our errors: also what none was prepared for, whose text may hold values."""
    if isinstance(error, BridgeError):
        return error
    if isinstance(error, click.UsageError):
        hint = f"See: {error.ctx.command_path} --help" if error.ctx else None
        return UsageError(error.format_message().rstrip("."), hint=hint)
    if isinstance(error, click.ClickException):
        return BridgeError(error.format_message())
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return Interrupted("interrupted")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EPIPE):
        return OutputFailed(f"the output cannot be written: {error.strerror}")
    import psycopg  # where something went wrong, there is time for it

    from bridge.postgres.explained import as_ours as as_refusal

    refused = as_refusal(error) if isinstance(error, psycopg.Error) else None
    return refused or Bug(f"unforeseen: {place(error)}", hint="This looks like a bug of bridge: please report it")
