"""`bridge docs`: what is in each topic, made from routes and schemas. Reaches no server."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bridge.cli.options import config_option, plain_text
from bridge.cli.terminal import echo_document
from bridge.configuration.load import load_routed

_title = click.option("--title", callback=plain_text, default=None, help="Default: Events of <relay.name>.")


@click.group("docs")
def docs() -> None:
    """Describe all topics, their keys and schemas, from the configuration and the schema files. Reaches no server."""


@docs.command("asyncapi")
@config_option
@_title
@click.option("--version", default="1.0.0", show_default=True, callback=plain_text, help="Of the document.")
def asyncapi_command(config: Path | None, title: str | None, version: str) -> None:
    """An AsyncAPI 3.0 document, in JSON, on standard output.

    \b
    Example:
      bridge docs asyncapi --config bridge.toml > asyncapi.json
    """
    from bridge.admin.asyncapi import asyncapi
    from bridge.admin.topic_docs import topics_of

    settings = load_routed(config)
    title = title or f"Events of {settings.relay.name}"
    document = asyncapi(settings, topics_of(settings), title, version)
    echo_document(*json.dumps(document, indent=2).splitlines())


@docs.command("markdown")
@config_option
@_title
def markdown_command(config: Path | None, title: str | None) -> None:
    """A page for people, in Markdown, on standard output.

    \b
    Example:
      bridge docs markdown --config bridge.toml > topics.md
    """
    from bridge.admin.topic_docs import topics_of
    from bridge.admin.topics_page import topics_page

    settings = load_routed(config)
    echo_document(*topics_page(title or f"Events of {settings.relay.name}", topics_of(settings)).splitlines())
