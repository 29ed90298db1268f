"""The registry over https: each login for all that asks it, each wrong form, files that change, and redirects."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import trustme
from fix_command import Run
from fix_consumer import read_all
from fix_relay import Site
from fix_tls import write_certificate
from tls_front import TlsFront

from bridge.configuration.load import load
from bridge.errors import ConfigError, RegistryUnavailable
from bridge.registry.api import RegistryApi

PASSWORD = "S3CR3T-of-the-registry"  # noqa: S105
TOKEN = "S3CR3T.token-of~the+registry/="  # noqa: S105
BASIC = f"Basic {base64.b64encode(f'us:{PASSWORD}'.encode()).decode()}"
Front = Callable[..., TlsFront]


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    write_certificate(made, tmp_path / "client")
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def front(registry: str, authority: trustme.CA) -> Iterator[Front]:
    """Starts servers with TLS in front of the real registry."""
    started: list[TlsFront] = []

    def start(name: str = "127.0.0.1", of: trustme.CA | None = None) -> TlsFront:
        started.append(TlsFront(registry, of or authority, name))
        return started[-1]

    yield start
    for one in started:
        one.close()


def environment(front: TlsFront, directory: Path, **more: str) -> dict[str, str]:
    given = {"url": front.url, "ca_file": str(directory / "ca.pem"), **more}
    return {f"BRIDGE_REGISTRY_{name.upper()}": value for name, value in given.items()}


def api(environ: Mapping[str, str]) -> RegistryApi:
    return RegistryApi(load(None, environ).registry)


def secret(directory: Path, content: str) -> str:
    """A file of this content, put in place as Kubernetes does."""
    (directory / "new").write_text(f"{content}\n")
    os.replace(directory / "new", directory / "secret")
    return str(directory / "secret")


def test_each_login_is_enough_for_all_that_asks_the_registry(
    site: Site, front: Front, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    basic, bearer, mutual = front(), front(), front()
    basic.authorization, bearer.authorization = BASIC, f"Bearer {TOKEN}"
    mutual.want_certificate()
    certificate = {"certificate_file": str(tmp_path / "client.pem"), "key_file": str(tmp_path / "client.key")}
    ways = (
        environment(basic, tmp_path, username="us", password=PASSWORD),
        environment(bearer, tmp_path, token_file=secret(tmp_path, TOKEN)),
        environment(mutual, tmp_path, **certificate),
    )
    for number, way in enumerate(ways, 1):
        site.environment = way
        site.publish(10)
        log = site.drain("--wait-seconds", "0", "--verbose")
        assert "/apis/ccompat" in log or "/subjects/" in log
        assert not any(told in log for told in (PASSWORD, TOKEN, BASIC))
        with monkeypatch.context() as patch:
            for name, value in way.items():
                patch.setenv(name, value)
            for command in (("apply",), ("pull",), ("check",)):
                done = run("schema", *command, "--config", str(site.config))
                assert done.code == 0, (command, done)
            topic = f"{site.name}.things"
            shown = run("tail", topic, "--from-beginning", "--exit-on-end", "--config", str(site.config))
            assert shown.out.count('{"n":') == number * 10, shown
            settings = load(site.config)
        assert set(read_all(settings, topic, f"{site.name}-{number}", number * 10)) == site.written
    assert basic.heard
    assert bearer.heard
    assert mutual.heard
    audit = site.audit()
    assert audit.is_clean, audit


def test_each_wrong_form_is_told_for_what_it_is(front: Front, tmp_path: Path) -> None:
    locked, mutual, misnamed, unknown = front(), front(), front("registry.example.org"), front(of=trustme.CA())
    locked.authorization = BASIC
    mutual.want_certificate()
    write_certificate(trustme.CA(), tmp_path / "other")
    other = {"certificate_file": str(tmp_path / "other.pem"), "key_file": str(tmp_path / "other.key")}
    crossed = other | {"certificate_file": str(tmp_path / "client.pem")}
    wrong = [
        (locked, {}, ConfigError, r"refuses the login \(401\).*registry\.token"),
        (locked, {"token": "canary"}, ConfigError, r"refuses the login \(401\)"),
        (mutual, {}, RegistryUnavailable, "does not believe us: .*certificate required.*registry.certificate_file"),
        (mutual, other, RegistryUnavailable, "does not believe us: .*registry.certificate_file"),
        (mutual, crossed, ConfigError, "registry.certificate_file .* cannot be used: .*MISMATCH"),
        (misnamed, {}, RegistryUnavailable, "not believed: .*not valid for '127.0.0.1'.*registry.ca_file"),
        (unknown, {}, RegistryUnavailable, "not believed: .*issuer certificate.*registry.ca_file"),
        (locked, {"ca_file": ""}, RegistryUnavailable, "not believed: .*issuer certificate"),
        (locked, {"ca_file": str(tmp_path / "client.key")}, ConfigError, "registry.ca_file .* cannot be used"),
    ]
    for asked, more, kind, words in wrong:
        with pytest.raises(kind, match=f"(?s){words}") as told:
            api(environment(asked, tmp_path, **more)).subjects()
        assert type(told.value) is kind
        assert "canary" not in str(told.value)


def test_replaced_files_count_from_the_next_question(front: Front, tmp_path: Path) -> None:
    locked = front()
    locked.authorization = f"Bearer {TOKEN}"
    bearer = api(environment(locked, tmp_path, token_file=secret(tmp_path, TOKEN)))
    bearer.subjects()
    locked.authorization = "Bearer another"
    with pytest.raises(ConfigError, match="refuses the login"):
        bearer.subjects()
    secret(tmp_path, "another")
    bearer.subjects()
    secret(tmp_path, "canary\nX-Header: smuggled")
    with pytest.raises(RegistryUnavailable, match="holds no token") as told:
        bearer.subjects()
    assert "canary" not in str(told.value)
    (tmp_path / "secret").unlink()
    with pytest.raises(RegistryUnavailable, match=r"cannot be read from .*secret"):
        bearer.subjects()

    second = trustme.CA()  # the registry's certificates are replaced, and then ours
    moved = front(of=second)
    moved.want_certificate()
    certificate = {"certificate_file": str(tmp_path / "client.pem"), "key_file": str(tmp_path / "client.key")}
    mutual = api(environment(moved, tmp_path, **certificate))
    with pytest.raises(RegistryUnavailable, match="not believed"):
        mutual.subjects()
    second.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with pytest.raises(RegistryUnavailable, match="does not believe us"):
        mutual.subjects()
    write_certificate(second, tmp_path / "client")
    mutual.subjects()
    (tmp_path / "client.key").write_text("half of a key")
    mutual.subjects()  # what cannot be used yet does not count


@pytest.mark.parametrize("login", [{"username": "us", "password": PASSWORD}, {"token": TOKEN}])
def test_nothing_goes_where_a_redirect_points(front: Front, tmp_path: Path, login: dict[str, str]) -> None:
    asked, elsewhere = front(), front()
    asked.redirect = elsewhere.url
    with pytest.raises(RegistryUnavailable, match="answers 307"):
        api(environment(asked, tmp_path, **login)).subjects()
    assert len(asked.heard) == 1
    assert elsewhere.heard == []
