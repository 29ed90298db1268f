"""Settings: defaults written once and shown in bridge.toml; nothing that may be secret in their repr."""

from __future__ import annotations

import tomllib
from dataclasses import FrozenInstanceError, fields

import pytest

from bridge.configuration.limits import LIMITS
from bridge.resources import resource
from bridge.settings import SECTIONS, DatabaseSettings, KafkaSettings, RegistrySettings, Settings


def shipped() -> dict[str, dict[str, object]]:
    return tomllib.loads(resource("config", "bridge.toml").read_text("utf-8"))


@pytest.mark.parametrize("section", SECTIONS)
def test_bridge_toml_shows_every_knob_with_its_default(section: str) -> None:
    defaults = SECTIONS[section]()
    shown = shipped()[section]
    assert shown == {knob.name: getattr(defaults, knob.name) for knob in fields(defaults)}


def test_bridge_toml_brings_no_routes() -> None:
    assert shipped().keys() == SECTIONS.keys()


def test_every_number_has_limits_and_its_default_lies_within() -> None:
    numbers = {
        f"{section}.{knob.name}": getattr(kind(), knob.name)
        for section, kind in SECTIONS.items()
        for knob in fields(kind)
        if type(getattr(kind(), knob.name)) in (int, float)
    }
    assert numbers.keys() == LIMITS.keys()
    assert all(LIMITS[name].trouble(value) is None for name, value in numbers.items())


def test_repr_shows_no_secret() -> None:
    settings = Settings(
        database=DatabaseSettings("postgresql://us:canary@host/db"),
        kafka=KafkaSettings("host:1", {"sasl.password": "canary"}),
        registry=RegistrySettings("http://us:canary@host", "us", "canary"),
    )
    assert "host:1" in repr(settings)
    assert "canary" not in repr(settings)
    with pytest.raises(FrozenInstanceError):
        settings.relay.batch_rows = 1  # type: ignore[misc]
