"""`bridge doctor`, as far as it only judges: what is a problem, what is to be noted, and how each is mended."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.admin.checks.check import Check, Level
from bridge.admin.checks.kafka import limits, release
from bridge.admin.checks.keeper import findings
from bridge.admin.checks.postgres import clock, encoding
from bridge.admin.checks.postgres_tls import Tls, allowed, tls
from bridge.admin.checks.secrets import check_secrets
from bridge.admin.checks.sessions import Holder, horizon, long_transaction
from bridge.admin.checks.topics import troubles
from bridge.admin.event_gone import OpenTransaction
from bridge.admin.keeping import Keeping, PartitionStatus
from bridge.configuration.load import read
from bridge.kafka.api_versions import FEATURE, release_of, supported
from bridge.kafka.inspection import Brokers, TopicState
from bridge.settings import Route, Settings

NOW = datetime.now(UTC)
SETTINGS = replace(Settings(), routes=(Route("order.*", "orders"),))
WELL = TopicState(
    "orders", 3, 3, 3, (), frozenset({"WRITE", "DESCRIBE_CONFIGS", "READ"}),
    {"min.insync.replicas": "2", "cleanup.policy": "delete", "max.message.bytes": "1048588"},
)  # fmt: skip


def test_files_of_ours_that_others_may_read(tmp_path: Path) -> None:
    config, password, key = tmp_path / "bridge.toml", tmp_path / "password", tmp_path / "key.pem"
    config.write_text(f"[kafka.properties]\n'ssl.key.location' = '{key}'\n[registry]\nusername = 'us'\n")
    for file in (password, key):
        file.write_text("S3CR3T")
        file.chmod(0o644)
    environ = {"BRIDGE_REGISTRY_PASSWORD_FILE": str(password)}
    found = list(check_secrets(read(config, environ), environ))
    assert [check.mend for check in found] == [f"chmod 600 {key}", f"chmod 600 {password}"]
    assert {check.level for check in found} == {Level.NOTE}
    config.write_text("[database]\nurl = 'postgresql://us:S3CR3T@db/x'\n")
    config.chmod(0o640)
    assert [check.mend for check in check_secrets(read(config, {}), {})] == [f"chmod 600 {config}"]
    config.chmod(0o600)
    assert list(check_secrets(read(config, {}), {})) == []
    config.chmod(0o644)
    if os.geteuid() == 0:  # as a secret that Kubernetes has mounted for somebody who is not root
        os.chown(config, 65532, 65532)
        assert list(check_secrets(read(config, {}), {})) == []


def test_a_check_is_a_line() -> None:
    assert str(Check("kafka x", Level.PROBLEM, "it is so", "Do this")) == "problem  kafka x: it is so. Do this"
    assert str(Check("kafka x", Level.OK, "it is so")) == "ok       kafka x: it is so"


@pytest.mark.parametrize(
    ("ahead", "unsure", "level"),
    [
        (0.2, 0.001, Level.OK),
        (-3.0, 0.001, Level.NOTE),
        (7200.0, 0.001, Level.PROBLEM),
        (-7200.0, 0.001, Level.PROBLEM),
        (3.0, 2.0, Level.OK),  # a slow answer proves nothing
    ],
)
def test_clocks(ahead: float, unsure: float, level: Level) -> None:
    found = clock(ahead, unsure)
    assert found.level is level
    assert level is Level.OK or ("ahead of" in found.text) == (ahead > 0)


@pytest.mark.parametrize(
    ("host", "sslmode", "is_encrypted", "level"),
    [
        ("/var/run/postgresql", "prefer", False, Level.OK),
        ("127.0.0.1", "disable", False, Level.OK),
        ("db.example", "prefer", False, Level.NOTE),
        ("db.example", "prefer", True, Level.NOTE),
        ("db.example", "verify-full", True, Level.OK),
        ("localhost.example", "disable", False, Level.NOTE),
    ],
)
def test_tls_that_is_in_effect(host: str, sslmode: str, is_encrypted: bool, level: Level) -> None:
    found = Tls(is_encrypted, "TLSv1.3", "TLS_AES_256_GCM_SHA384", None)
    assert tls({"host": host, "sslmode": sslmode}, found).level is level


def test_what_is_allowed_and_not_needed_hides_mistakes() -> None:
    needless = allowed({"host": "db.example", "sslmode": "verify-full"})
    needed = allowed({"host": "db.example", "sslmode": "require"})
    assert "nothing needs it" in needless.text
    assert "whoever answers would be believed" in needed.text
    assert {needless.level, needed.level} == {Level.NOTE}


def test_encodings() -> None:
    assert [next(encoding(name)).level for name in ("UTF8", "LATIN1", "SQL_ASCII")] == [
        Level.OK,
        Level.NOTE,
        Level.PROBLEM,
    ]


@pytest.mark.parametrize(
    ("kind", "seconds", "transactions", "level"),
    [
        ("session", 10.0, 5, Level.OK),
        ("session", 400.0, 5, Level.NOTE),
        ("session", 4000.0, 5, Level.PROBLEM),
        ("prepared transaction", 4000.0, 5, Level.PROBLEM),
        ("replication slot", None, 5, Level.OK),
        ("replication slot", None, 50_000_000, Level.NOTE),
        ("standby", None, 50_000_000, Level.NOTE),
    ],
)
def test_who_holds_the_horizon(kind: str, seconds: float | None, transactions: int, level: Level) -> None:
    since = None if seconds is None else NOW - timedelta(seconds=seconds)
    found = horizon(Holder(kind, 17, "name", "us", transactions, since, seconds))
    assert found.level is level
    assert kind in found.text
    assert level is Level.OK or found.mend


def test_long_transactions_are_named_with_what_ends_them() -> None:
    session = long_transaction(OpenTransaction(17, "app", "us", "idle in transaction", NOW, 4000.0, None))
    assert session.level is Level.PROBLEM
    assert "pg_terminate_backend(17)" in str(session.mend)
    prepared = long_transaction(OpenTransaction(None, None, "us", "prepared", NOW, 400.0, "gid"))
    assert prepared.level is Level.NOTE
    assert "rollback prepared" in str(prepared.mend)


@pytest.mark.parametrize(
    ("releases", "level"),
    [
        ({1: "4.2"}, Level.OK),
        ({1: "3.9", 2: "4.2"}, Level.OK),
        ({1: "4.2", 2: "4.3"}, Level.PROBLEM),
        ({1: "4.4"}, Level.PROBLEM),
        ({1: "4.5"}, Level.NOTE),
        ({1: None}, Level.NOTE),
    ],
)
def test_releases_of_kafka(releases: dict[int, str | None], level: Level) -> None:
    assert release(releases).level is level


def test_levels_of_features_tell_the_release() -> None:
    assert [release_of(level) for level in (0, 7, 25, 29, 30, 33, 99)] == [
        *(None, "3.3", "4.0", "4.2", "4.3", "4.4", "4.5")
    ]


def answer(feature: bytes, level: int) -> bytes:
    """As a broker gives it, with one API, and another tag before the features."""
    apis = b"\x02" + struct.pack(">hhh", 18, 0, 4) + b"\x00"
    name = bytes([len(feature) + 1]) + feature
    features = b"\x02" + name + struct.pack(">hh", 1, level) + b"\x00"
    tags = b"\x02" + b"\x01\x08" + bytes(8) + b"\x00" + bytes([len(features)]) + features
    return struct.pack(">ih", 1, 0) + apis + struct.pack(">i", 0) + tags


def test_an_answer_is_read_and_nonsense_is_refused() -> None:
    whole = answer(FEATURE.encode(), 29)
    assert supported(whole, FEATURE) == 29
    assert supported(answer(b"kraft.version", 1), FEATURE) is None
    assert supported(struct.pack(">ih", 1, 35), FEATURE) is None
    for end in range(len(whole)):
        with pytest.raises(ValueError, match="no answer"):
            supported(whole[:end], FEATURE)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"transaction.max.timeout.ms": "9000"}, ["no transaction begins"]),
        ({"transaction.max.timeout.ms": "900000", "auto.create.topics.enable": "true"}, ["ours", "mistypes"]),
        (None, ["may not be asked"]),
    ],
)
def test_settings_of_the_brokers(config: dict[str, str] | None, words: list[str]) -> None:
    found = list(limits(Brokers("id", {}, config, "authorization failed"), SETTINGS))
    assert len(found) == len(words)
    assert all(word in check.text for check, word in zip(found, words, strict=True))


def with_config(**config: str) -> TopicState:
    assert WELL.config is not None
    return replace(WELL, config={**WELL.config, **{name.replace("_", "."): value for name, value in config.items()}})


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        (TopicState("orders", trouble="Unknown topic"), Level.PROBLEM, "Unknown topic"),
        (replace(WELL, allowed=frozenset({"DESCRIBE"})), Level.PROBLEM, "we lack DESCRIBE_CONFIGS, WRITE"),
        (replace(WELL, leaderless=(2,)), Level.PROBLEM, "partition 2 has no leader"),
        (replace(WELL, in_sync=1), Level.PROBLEM, "1 replicas are in sync"),
        (with_config(min_insync_replicas="4"), Level.PROBLEM, "nothing can be written"),
        (with_config(min_insync_replicas="3"), Level.NOTE, "no broker may be away"),
        (with_config(min_insync_replicas="1"), Level.NOTE, "takes records with it"),
        (with_config(max_message_bytes="1000"), Level.NOTE, "larger events become dead"),
        (with_config(cleanup_policy="compact"), Level.NOTE, "no route writes tombstones"),
        (with_config(message_timestamp_before_max_ms="5"), Level.PROBLEM, "is refused"),
        (replace(with_config(), name="bridge.shards"), Level.PROBLEM, "would forget"),
    ],
)
def test_topics(state: TopicState, level: Level, words: str) -> None:
    (found,) = troubles(state, SETTINGS, brokers=3)
    assert found.level is level
    assert words in found.text


def test_a_topic_that_a_relay_will_make_is_no_problem() -> None:
    makes = replace(SETTINGS, topics=replace(SETTINGS.topics, create_missing=True))
    missing = TopicState("orders", trouble="Unknown topic", is_missing=True)
    assert [found.level for found in troubles(missing, makes, brokers=3)] == [Level.NOTE]
    assert [found.level for found in troubles(missing, SETTINGS, brokers=3)] == [Level.PROBLEM]
    hidden = TopicState("orders", trouble="Topic authorization failed")
    assert [found.level for found in troubles(hidden, makes, brokers=3)] == [Level.PROBLEM]


@pytest.mark.parametrize(("brokers", "level"), [(1, Level.PROBLEM), (2, Level.PROBLEM), (3, Level.NOTE)])
def test_a_topic_that_no_relay_can_make(brokers: int, level: Level) -> None:
    makes = replace(SETTINGS, topics=replace(SETTINGS.topics, create_missing=True, replication_factor=3))
    missing = TopicState("orders", trouble="Unknown topic", is_missing=True)
    (found,) = troubles(missing, makes, brokers=brokers)
    assert found.level is level
    if level is Level.PROBLEM:
        there = f"Kafka has {brokers} broker{'s' if brokers > 1 else ''}"
        assert found.text == f"Unknown topic; no relay can make it: topics.replication_factor is 3, and {there}"
        assert found.mend == f"Set topics.replication_factor to {brokers}, or add brokers"


def test_advice_is_for_the_brokers_that_there_are() -> None:
    single = replace(with_config(min_insync_replicas="2"), replicas=1, in_sync=1)
    (found,) = troubles(single, SETTINGS, brokers=1)
    assert found.mend == "kafka-configs.sh --alter --topic orders --add-config min.insync.replicas=1"
    assert not list(troubles(replace(with_config(min_insync_replicas="1"), replicas=1, in_sync=1), SETTINGS, brokers=1))
    (found,) = troubles(replace(with_config(min_insync_replicas="1"), replicas=2, in_sync=2), SETTINGS, brokers=2)
    assert found.mend == "Add brokers until there are 3; then 3 replicas and min.insync.replicas=2"
    (found,) = troubles(with_config(min_insync_replicas="1"), SETTINGS, brokers=3)
    assert found.mend == "3 replicas and min.insync.replicas=2"


def test_a_topic_that_is_well_is_not_talked_about() -> None:
    assert not list(troubles(WELL, SETTINGS, brokers=3))
    compacted = replace(SETTINGS, routes=(Route("order.*", "orders", tombstone=True),))
    assert not list(troubles(with_config(cleanup_policy="compact"), compacted, brokers=3))
    assert not list(troubles(replace(WELL, allowed=None, config=None), SETTINGS, brokers=3))


def test_partitions_that_run_out_are_a_problem() -> None:
    short = Keeping(partitions=(PartitionStatus("bridge.outbox", "day", 3, NOW, 3600.0, 7, 0),))
    runway, strays = findings(short)
    assert runway.level is Level.PROBLEM
    assert "no partition runway" in runway.text
    assert strays.level is Level.NOTE
    (hidden,) = findings(Keeping(trouble="permission denied"))
    assert hidden.level is Level.NOTE
