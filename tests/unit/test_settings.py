"""Settings: defaults written once and shown in bridge.toml, three sources, mistakes named."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.resources import resource
from bridge.settings import SECTIONS, load


def shipped() -> dict[str, dict[str, object]]:
    return tomllib.loads(resource("config", "bridge.toml").read_text("utf-8"))


@pytest.mark.parametrize("section", SECTIONS)
def test_bridge_toml_shows_every_knob_with_its_default(section: str) -> None:
    defaults = SECTIONS[section]()
    shown = shipped()[section]
    assert shown == {knob.name: getattr(defaults, knob.name) for knob in fields(defaults)}


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text('[relay]\nbatch_rows = 10\nname = "a"\n[topics]\ncreate_missing = false\n')
    environment = {"BRIDGE_RELAY_BATCH_ROWS": "20", "BRIDGE_TOPICS_CREATE_MISSING": "true"}
    settings = load(config, environment)
    assert settings.relay.batch_rows == 20
    assert settings.relay.name == "a"
    assert settings.topics.create_missing is True
    assert settings.relay.batch_bytes == 8_388_608


def test_schemas_are_relative_to_the_file(tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text('schemas = "avro"\n')
    assert load(config, {}).schemas == tmp_path / "avro"
    assert load(config, {"BRIDGE_SCHEMAS": "elsewhere"}).schemas == Path("elsewhere")
    assert load(None, {}).schemas is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[relay]\nlease_second = 3", "Did you mean 'lease_seconds'?"),
        ("[relay]\nlease_seconds = true", "must be of type float"),
        ("[relay]\nlease_seconds = 0.5", "lease_seconds must be at least 1"),
        ("[relay]\nname = 'a b'", "relay.name must be"),
        ("[relay]\npoll_min_seconds = 2.0", "poll_min_seconds"),
        ("[registry]\ncompatibility = 'SOME'", "BACKWARD"),
        ("[kafka.properties]\nretries = 3", "table of strings"),
        ("relay = 3", "must be a table"),
        ("routes = 3", "array of tables"),
        ("[[routes]]\nevent_type = 'a'", "needs topic, subject"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(text)
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")) as caught:
        load(config, {})
    assert str(config) in str(caught.value)
