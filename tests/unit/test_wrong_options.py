"""Values of options that would do something else than was meant are refused before any server is visited."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from bridge.cli.main import cli


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["schema", "generate", "t", "--name", "a b"], "'a b' is no name in Avro"),
        (["schema", "generate", "t", "--name", "shop."], "'shop.' is no name in Avro"),
        (["schema", "generate", "t", "--out", "t.json"], "a schema's file is called <subject>.avsc"),
        (["snapshot", "t", "--where", " "], "is empty; leave it out for all rows"),
    ],
)
def test_it_is_a_wrong_command_line(command: list[str], reason: str) -> None:
    told = CliRunner().invoke(cli, command)
    assert (told.exit_code, reason in told.output) == (2, True)
