"""A signal ends `bridge run` in good order from its first moments on: process 1 of a container hears no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
schemas = "schemas"
[database]
url = "postgresql://127.0.0.1:1/none"
[kafka]
bootstrap_servers = "127.0.0.1:1"
[registry]
url = "http://127.0.0.1:1"
[[routes]]
event_type = "thing.made"
topic = "things"
subject = "things-Thing"
"""
SCHEMA = '{"type": "record", "name": "Thing", "fields": []}'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_while_the_configuration_is_read(number: signal.Signals, tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    os.mkfifo(config)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "things-Thing.avsc").write_text(SCHEMA)
    command = [sys.executable, "-m", "bridge", "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as relay:
        with config.open("w") as file:  # waits until it is opened for reading
            relay.send_signal(number)
            assert number.name in relay.stderr.readline()
            file.write(CONFIG)
        assert relay.wait(60) == 0, relay.stderr.read()
