"""Whatever a registry answers, a caller gets an error that it knows how to take, in text that can be shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lying_registry import LIES, LyingRegistry

from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import BridgeError, ConfigError, IncompatibleSchema, RegistryUnavailable, SchemaRefused
from bridge.registry.client import RegistryClient
from bridge.settings import RegistrySettings, Settings

SCHEMA = '{"type": "string"}'
NEVER_WHOLE = ("a byte now and then", "a header that never ends", "silence")
OTHERWISE = {  # nonsense may pass; a web page, or what refuses us, somebody has to look at
    "401": ConfigError,
    "404 in HTML": ConfigError,
    "409 with escapes": IncompatibleSchema,
    "422": SchemaRefused,
    "HTML": ConfigError,
}


@pytest.fixture
def lying() -> Iterator[LyingRegistry]:
    registry = LyingRegistry("http://127.0.0.1:1", about="")
    yield registry
    registry.close()


@pytest.fixture
def client(lying: LyingRegistry, request: pytest.FixtureRequest) -> RegistryClient:
    """It waits a second for what never comes, and for what does, as long as a busy machine needs."""
    seconds = 1.0 if request.node.callspec.params["lie"] in NEVER_WHOLE else 60.0
    return RegistryClient(Settings(registry=RegistrySettings(url=lying.url, timeout_seconds=seconds)))


def assert_can_be_shown(error: BridgeError) -> None:
    assert str(error).isprintable()
    assert len(str(error)) < 1000


@pytest.mark.parametrize("lie", LIES)
def test_an_id_that_is_asked_for(lying: LyingRegistry, client: RegistryClient, lie: str) -> None:
    lying.begin(lie)
    with pytest.raises(BridgeError) as refused:
        client.schema_id(AvroSchema("s", SCHEMA))
    assert type(refused.value) is OTHERWISE.get(lie, RegistryUnavailable), refused.value
    assert_can_be_shown(refused.value)
    assert ("within 1 s" in str(refused.value)) == (lie in NEVER_WHOLE)


@pytest.mark.parametrize("lie", LIES)
def test_a_schema_that_is_asked_for(lying: LyingRegistry, client: RegistryClient, lie: str) -> None:
    lying.begin(lie)
    try:
        assert client.schema_by_id(7) is None
    except (RegistryUnavailable, ConfigError, IncompatibleSchema, SchemaRefused) as error:
        assert_can_be_shown(error)


@pytest.mark.parametrize("lie", ["no id", "an id that is text", "null"])
def test_a_lie_is_not_remembered(lying: LyingRegistry, client: RegistryClient, lie: str) -> None:
    lying.begin(lie)
    with pytest.raises(RegistryUnavailable):
        client.schema_id(AvroSchema("s", SCHEMA))
    lying.begin("the truth")
    assert client.schema_id(AvroSchema("s", SCHEMA)) == 7


def test_a_redirect_gets_no_request_and_no_login(lying: LyingRegistry) -> None:
    lying.begin("a redirect to itself")
    settings = RegistrySettings(url=lying.url, username="us", password="canary")  # noqa: S106
    with pytest.raises(RegistryUnavailable, match="answers 302"):
        RegistryClient(Settings(registry=settings)).schema_id(AvroSchema("s", SCHEMA))
    assert lying.requests == 1


def test_a_proxy_of_the_environment_gets_no_request_and_no_login(
    lying: LyingRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = LyingRegistry("http://127.0.0.1:1", about="")
    try:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        proxy.begin("the truth")
        lying.begin("the truth")
        settings = RegistrySettings(url=lying.url, username="us", password="canary")  # noqa: S106
        assert RegistryClient(Settings(registry=settings)).schema_id(AvroSchema("s", SCHEMA)) == 7
        assert proxy.requests == 0
        assert lying.requests > 0
    finally:
        proxy.close()


def test_the_next_of_several_registries_is_asked(lying: LyingRegistry) -> None:
    broken = LyingRegistry("http://127.0.0.1:1", about="")
    try:
        broken.begin("503 in HTML")
        lying.begin("the truth")
        url = f"http://127.0.0.1:1, {broken.url},{lying.url}/"
        assert RegistryClient(Settings(registry=RegistrySettings(url=url))).schema_id(AvroSchema("s", SCHEMA)) == 7
    finally:
        broken.close()
