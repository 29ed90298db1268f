"""`bridge health`: what a relay that serves it says of its health, for a container's HEALTHCHECK."""

from __future__ import annotations

from typing import Any

import click

from bridge.cli.options import json_option
from bridge.cli.terminal import echo, echo_json
from bridge.errors import BridgeError
from bridge.telemetry.address import Address, parse_address
from bridge.telemetry.pages import HEALTH, LIVE, READY

SECONDS = 5.0
PORT = 9108


@click.command()
@click.argument("address", envvar="BRIDGE_HTTP", default=f"127.0.0.1:{PORT}")
@click.option("--live", "page", flag_value=LIVE, help="Whether its threads turn.")
@click.option("--ready", "page", flag_value=READY, help="Whether it could carry events.")
@json_option
def health_command(address: str, page: str | None, as_json: bool) -> int:
    """Ask a relay on this machine how it is; it was started with --http ADDRESS.

    Without ADDRESS: BRIDGE_HTTP, or else 127.0.0.1:9108.

    Exit code 0: ok, or it waits for what is known. 1: something is not published that should be, only a person can
    help, or nobody answers. With --live or --ready: whether it is that.

    \b
    Examples:
      bridge health 127.0.0.1:9108
      bridge health --live
    """
    where = asked_at(address)
    if as_json and page is not None:
        raise click.UsageError("--json is the document of health, which --live and --ready are not about")
    from http import HTTPStatus

    from bridge.telemetry.asking import ask

    try:
        answer = ask(where, page or HEALTH, SECONDS)
    except OSError as error:
        hint = "It listens where bridge run --http says"
        raise BridgeError(f"no relay answers at {where}: {error.strerror or error}", hint=hint) from None
    text = answer.body.decode("utf-8", "replace")
    if as_json:
        echo_json(_document(text))
    else:
        echo(*(_lines(text) if page is None else text.splitlines()))
    return 0 if answer.status == HTTPStatus.OK else 1


def asked_at(address: str) -> Address:
    """Where a relay of this machine is asked that was started with --http ADDRESS. Raises ConfigError."""
    where = parse_address(address)
    return Address("", where.port) if where.host in ("0.0.0.0", "::") else where  # noqa: S104 - where it listens


def _lines(text: str) -> list[str]:
    """The verdict and what is not as it should be, a line each."""
    document = _document(text)
    return [document["verdict"], *(finding["text"] for finding in document["findings"])]


def _document(text: str) -> dict[str, Any]:
    import json

    try:
        document = json.loads(text)
        if {"verdict", "findings"} <= document.keys():
            return dict(document)
    except (ValueError, AttributeError):  # another program's answer
        pass
    raise BridgeError("what answers there is not the health of bridge")
