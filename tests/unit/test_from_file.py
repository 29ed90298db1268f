"""Secrets in files: read again for each connection, however the file was replaced."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from bridge.admin.read_only import with_read_only_sessions
from bridge.configuration.load import load, read
from bridge.errors import ConfigError, DatabaseUnavailable
from bridge.from_file import FileUnreadable, FromFile, derived, latest
from bridge.postgres.connection import connect
from bridge.settings import DatabaseSettings

NOWHERE = "postgresql://us:{}@127.0.0.1:1/db"


def mounted(directory: Path, **files: str) -> None:
    """As Kubernetes mounts a secret, and replaces it: `..data` is a link to a directory, and is swapped at once."""
    number = len(list(directory.glob("..v*")))
    version = directory / f"..v{number}"
    version.mkdir(parents=True)
    for name, content in files.items():
        (version / name).write_text(content)
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    (directory / "..new").symlink_to(version.name)
    (directory / "..new").rename(directory / "..data")


def test_what_a_file_holds_now_is_read_at_each_connection(tmp_path: Path) -> None:
    mounted(tmp_path, url="postgresql://us:one@127.0.0.1:1/db\n", pw="first\r\n", registry="http://a:b@127.0.0.1:1")
    environment = {
        "BRIDGE_DATABASE_URL_FILE": str(tmp_path / "url"),
        "BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD_FILE": str(tmp_path / "pw"),
        "BRIDGE_REGISTRY_URL_FILE": str(tmp_path / "registry"),
    }
    settings = load(None, environment)
    password, registry = settings.kafka.properties["sasl.password"], settings.registry
    assert (settings.database.url, password) == ("postgresql://us:one@127.0.0.1:1/db", "first")
    assert (registry.url, registry.username, registry.password) == ("http://127.0.0.1:1", "a", "b")
    mounted(tmp_path, url="postgresql://us:two@127.0.0.1:1/db", pw=" second\n\n", registry="http://a:c%40@127.0.0.1:2")
    assert latest(settings.database.url) == "postgresql://us:two@127.0.0.1:1/db"
    assert latest(password) == " second\n"
    assert [latest(text) for text in (registry.url, registry.username, registry.password)] == [
        *("http://127.0.0.1:2", "a", "c@"),
    ]
    assert settings.database.url == "postgresql://us:one@127.0.0.1:1/db"
    only_reads = with_read_only_sessions(read(None, environment)).settings.database.url
    mounted(tmp_path, url="postgresql://us:three@127.0.0.1:1/db", pw="", registry="http://127.0.0.1:1")
    assert "password=three" in latest(only_reads)
    assert "default_transaction_read_only=on" in latest(only_reads)
    assert [latest(text) for text in (password, registry.username, registry.password)] == ["", "", ""]
    assert "three" not in repr(settings)


def test_other_texts_are_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the file")
    assert latest("text") == derived("text", str) == "text"
    text = FromFile(str(tmp_path / "file"))
    for copied in (copy.copy(text), copy.deepcopy(text), pickle.loads(pickle.dumps(text))):  # noqa: S301 - our own
        assert type(copied) is str
        assert copied == "in the file"
    (tmp_path / "file").unlink()
    assert derived(text, str.upper) == "IN THE FILE"


def test_a_file_that_is_gone_is_waited_for_and_named(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(NOWHERE.format("canary"))
    database = DatabaseSettings(FromFile(str(file)))
    with pytest.raises(DatabaseUnavailable, match="cannot connect to Postgres at 127"):
        connect(database)
    file.unlink()
    with pytest.raises(DatabaseUnavailable, match=f"database.url cannot be read from '{file}': No such file") as gone:
        connect(database)
    assert "canary" not in str(gone.value)
    with pytest.raises(FileUnreadable):
        FromFile(str(file))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("", "no database is given"),
        ("postgresql://us:canary@db.example/db", "might not be encrypted"),
        ("postgresql://us:canary/x@127.0.0.1/db", "not percent-encoded"),
        ("host=127.0.0.1 canary", "malformed"),
        ("canary\xff", "malformed"),
        ("x" * 1_000_001, "larger than"),
    ],
)
def test_what_is_wrong_in_a_changed_file_is_waited_for_and_refused_at_the_start(
    tmp_path: Path, changed: str, words: str
) -> None:
    """A relay that runs must not end because somebody writes a file and has not finished."""
    file = tmp_path / "url"
    file.write_text(NOWHERE.format("x"))
    database = DatabaseSettings(FromFile(str(file)))
    file.write_text(changed)
    with pytest.raises(DatabaseUnavailable, match=words) as refused:
        connect(database)
    assert "canary" not in str(refused.value)
    if os.path.getsize(file) < 1_000_000:
        with pytest.raises(ConfigError, match=words):
            connect(DatabaseSettings(FromFile(str(file))))
