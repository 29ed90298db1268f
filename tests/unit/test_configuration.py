"""The configuration: three sources, and every mistake named with its place, its reason and never a secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import bridge
from bridge.configuration.environment import from_environment
from bridge.configuration.key_lines import key_lines, line_of
from bridge.configuration.load import Configuration, load, load_routed, read
from bridge.configuration.rules import RULES
from bridge.configuration.urls import database_trouble, registry_trouble
from bridge.errors import ConfigError
from bridge.settings import Compatibility, Delivery, Encoding, Route

ROUTE = "[[routes]]\nevent_type = '{}'\ntopic = '{}'\nsubject = '{}'\n"
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "bridge.toml"
        path.write_text(text)
        return path

    return write


def said(configuration: Configuration) -> list[str]:
    """The mistakes, with the file's name alone."""
    directory = f"{configuration.path.parent}/" if configuration.path else ""
    return [str(mistake).replace(directory, "") for mistake in configuration.mistakes]


def test_the_environment_overrides_the_file(write: Write) -> None:
    config = write('[relay]\nbatch_rows = 10\nname = "a"\n[topics]\ncreate_missing = false\n')
    environment = {
        "BRIDGE_RELAY_BATCH_ROWS": "20",
        "BRIDGE_TOPICS_CREATE_MISSING": "true",
        "BRIDGE_RELAY_DELIVERY": "at_least_once",
        "BRIDGE_REGISTRY_COMPATIBILITY": "FULL",
    }
    settings = load(config, environment)
    assert settings.relay.batch_rows == 20
    assert settings.relay.name == "a"
    assert settings.topics.create_missing is True
    assert settings.relay.batch_bytes == 8_388_608
    assert settings.relay.delivery is Delivery.AT_LEAST_ONCE
    assert settings.registry.compatibility is Compatibility.FULL


def test_schemas_are_relative_to_the_file(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("avro", "elsewhere"):
        (tmp_path / name).mkdir()
    config = write('schemas = "avro"\n')
    monkeypatch.chdir(tmp_path)
    assert load(config, {}).schemas == tmp_path / "avro"
    assert load(config, {"BRIDGE_SCHEMAS": "elsewhere"}).schemas == Path("elsewhere")
    assert load(None, {"BRIDGE_SCHEMAS": "elsewhere"}).schemas == Path("elsewhere")
    assert load(None, {}).schemas is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[relay]\nlease_second = 3", "bridge.toml:2: unknown setting 'lease_second'. Did you mean 'lease_seconds'?"),
        ("[relays]\nname = 'a'", "bridge.toml:1: unknown setting 'relays'. Did you mean 'relay'?"),
        ("[relay]\nlease_seconds = true", "bridge.toml:2: relay.lease_seconds must be a number, not true"),
        ("[relay]\nbatch_rows = 5.0", "bridge.toml:2: relay.batch_rows must be a whole number, not 5.0"),
        ("[topics]\ncreate_missing = 1", "bridge.toml:2: topics.create_missing must be true or false, not 1"),
        (
            "[relay]\ndelivery = 'twice'",
            "bridge.toml:2: relay.delivery must be one of exactly_once, at_least_once",
        ),
        ("[relay]\nname = 'a b'", "bridge.toml:2: relay.name must be 1 to 64 letters"),
        ("[relay]\npoll_min_seconds = 2.0", "bridge.toml:2: relay.poll_min_seconds must be at most relay.poll_max_sec"),
        ("[relay]\npoll_max_seconds = 0.001", "bridge.toml:2: relay.poll_min_seconds must be at most relay.poll_max_s"),
        ("[registry]\ncompatibility = 'SOME'", "bridge.toml:2: registry.compatibility must be one of BACKWARD, "),
        ("[registry]\npassword = 'x'", "bridge.toml:2: registry.password has no effect without registry.username"),
        ("[registry]\nusername = 'a:b'", "bridge.toml:2: registry.username must not contain ':'"),
        (
            "[kafka.properties]\nretries = 3",
            "bridge.toml:2: kafka.properties.retries must be text in quotes",
        ),
        ("[kafka]\nproperties = 3", "bridge.toml:2: kafka.properties must be a table, not a whole number"),
        ("[kafka]\nbootstrap_servers = 'a b'", "bridge.toml:2: kafka.bootstrap_servers must be host:port,host:port"),
        ("[kafka]\nbootstrap_servers = 'http://a:9092'", "bridge.toml:2: kafka.bootstrap_servers must be host:port"),
        ("[kafka]\nbootstrap_servers = 'a:9092,b:9092x'", "bridge.toml:2: kafka.bootstrap_servers must be host:port"),
        ("[kafka]\nbootstrap_servers = 'a:9092,b:65536'", "bridge.toml:2: kafka.bootstrap_servers must be host:port"),
        ("relay = 3", "bridge.toml:1: relay must be a table, not a whole number"),
        ("schemas = 3", "bridge.toml:1: schemas must be text, not 3"),
        ("schemas = ''", "bridge.toml:1: schemas must be a directory"),
        ("schemas = 'gone'", "bridge.toml:1: there is no directory"),
        ("[topics]\ncontrol = 'a b'", "bridge.toml:2: topics.control must be 1 to 249 letters"),
        ("[topics]\ncontrol = '..'", "bridge.toml:2: topics.control must be 1 to 249 letters"),
        ("[topics]\ncontrol = ''", "bridge.toml:2: topics.control must be 1 to 249 letters"),
        (f"[topics]\ndead_letters = '{'x' * 250}'", "bridge.toml:2: topics.dead_letters must be 1 to 249 letters"),
        ("[topics]\ncontrol = '__consumer_offsets'", "bridge.toml:2: topics.control must not begin with __"),
        (
            "[topics]\ncontrol = 'a'\ndead_letters = 'a'",
            "bridge.toml:3: topics.dead_letters must be another topic",
        ),
        ("[topics]\ncontrol = 'a.b'\ndead_letters = 'a_b'", "bridge.toml:3: topics.dead_letters must be another topic"),
        ("[relay\n", "bridge.toml:1: this is not valid TOML"),
    ],
)
def test_mistakes_are_named(write: Write, text: str, words: str) -> None:
    (mistake,) = said(read(write(text), {}))
    assert mistake.startswith(words)


def test_a_number_of_thousands_of_digits_is_no_toml(write: Write) -> None:
    (mistake,) = said(read(write(f"[relay]\nbatch_rows = {'1' * 5000}\n"), {}))
    assert mistake.startswith("bridge.toml: this is not valid TOML: ")


@pytest.mark.parametrize(
    ("knob", "values"),
    [
        ("relay.batch_rows", ("0", "-1", "100001", "1" + "0" * 400)),
        ("relay.batch_bytes", ("65535", "1000000000")),
        ("relay.poll_min_seconds", ("0", "-1", "nan", "inf")),
        ("relay.poll_max_seconds", ("0", "61", "nan", "inf")),
        ("relay.lease_seconds", ("0", "0.9", "1e9", "nan", "inf")),
        ("relay.transaction_timeout_seconds", ("0.9", "301", "nan", "inf")),
        ("registry.timeout_seconds", ("0", "nan", "inf", "1e300")),
        ("topics.partitions", ("0", "-1", "1000000")),
        ("topics.replication_factor", ("0", "-1", "32768")),
    ],
)
def test_numbers_have_limits_in_file_and_environment_and_say_why(
    write: Write, knob: str, values: tuple[str, ...]
) -> None:
    section, name = knob.split(".")
    for value in values:
        of_file = said(read(write(f"[{section}]\n{name} = {value}\n"), {}))
        of_environment = said(read(None, {f"BRIDGE_{section}_{name}".upper(): value}))
        for (mistake,) in (of_file, of_environment):
            assert re.search(rf"{knob} must be from \S+ to \S+, because .*, not ", mistake), mistake


def test_all_mistakes_are_found_at_once(write: Write) -> None:
    text = "schemas = 5\n[relay]\nbatch_rows = 0\nlease_second = 1\n[topics]\npartitions = 'x'\n"
    config = write(text + ROUTE.format("a", "__x", "s") + "[[routes]]\nevent_type = 'b'\ntopics = 'b'\n")
    found = said(read(config, {"BRIDGE_RELAY_NAME": "", "BRIDGE_TYPO": "1"}))
    assert [mistake.split(": ")[0] for mistake in found] == [
        *(f"bridge.toml:{line}" for line in (1, 3, 4, 6, 9, 13)),
        "BRIDGE_TYPO",
        "BRIDGE_RELAY_NAME",
    ]
    with pytest.raises(ConfigError, match=r"bridge.toml:1: .*\. And 7 more: `bridge config check` lists them$"):
        load(config, {"BRIDGE_RELAY_NAME": "", "BRIDGE_TYPO": "1"})


def test_one_mistake_brings_no_others_with_it(write: Write) -> None:
    assert len(said(read(write("[relay]\npoll_min_seconds = 5\npoll_max_seconds = 'x'"), {}))) == 1
    assert len(said(read(write("[registry]\npassword = 'x'\nusername = 5"), {}))) == 1


# Routes


def test_a_byte_order_mark_is_no_part_of_it(write: Write) -> None:
    assert load(write('\ufeff[relay]\nname = "a"\n'), {}).relay.name == "a"


def test_nothing_is_built_in() -> None:
    assert load(None, {}).routes == ()
    with pytest.raises(ConfigError, match=r"no routes.*config/bridge\.toml.*--config or BRIDGE_CONFIG"):
        load_routed(None, {})


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ("routes = 3", "bridge.toml:1: routes must be an array of tables"),
        ("[[routes]]\nevent_type = 'a'", "bridge.toml:1: the route needs topic"),
        (
            "[[routes]]\nevent_type = 'a'\ntopic = 'a'\nsubjet = 'a'\nsubject = 'a'",
            "bridge.toml:4: unknown setting",
        ),
        (
            "[[routes]]\nevent_type = 5\ntopic = 'a'\nsubject = 'a'",
            "bridge.toml:2: the route's event_type must be",
        ),
        (ROUTE.format("", "a", "a"), "bridge.toml:2: the route's event_type must be printable text"),
        (ROUTE.format("x" * 129, "a", "a"), "bridge.toml:2: the route's event_type must have 128 characters at most"),
        (ROUTE.format("a", "a", ""), "bridge.toml:4: the route's subject must be printable text"),
        (ROUTE.format("a", "a b", "a"), "bridge.toml:3: the route's topic must be 1 to 249 letters"),
        (ROUTE.format("a", "", "a"), "bridge.toml:3: the route's topic must be 1 to 249 letters"),
        (ROUTE.format("a", "__consumer_offsets", "a"), "bridge.toml:3: the route's topic must not begin with __"),
        (
            ROUTE.format("a", "bridge.shards", "a"),
            "bridge.toml:3: the topic 'bridge.shards' is bridge's own",
        ),
        (
            ROUTE.format("a", "bridge.dead_letters", "a"),
            "bridge.toml:3: the topic 'bridge.dead_letters' is",
        ),
        (
            ROUTE.format("a", "bridge_shards", "a"),
            "bridge.toml:3: Kafka takes no topic 'bridge_shards' beside",
        ),
        (
            ROUTE.format("a", "t", "s") + "\n" + ROUTE.format("b", "t", "s") + "# more\n" + ROUTE.format("a", "u", "s"),
            "bridge.toml:12: the event type 'a' has a route already, at bridge.toml:2.",
        ),
        (
            ROUTE.format("a", "t.x", "s") + ROUTE.format("b", "t_x", "s"),
            "bridge.toml:7: Kafka takes no topic 't_x' beside 't.x' (bridge.toml:3)",
        ),
        ("[[routes]]\ntopic = 'a'\nsubject = 'a'", "bridge.toml:1: the route needs event_type (or table)"),
        (
            ROUTE.format("a", "a", "a") + "table = 'a'",
            "bridge.toml:5: the route's table stands beside an event_type: a route is for the one or the other",
        ),
        (ROUTE.format("a*b", "a", "a"), "bridge.toml:2: the route's event_type may have a * at its end only"),
        (ROUTE.format("a*", "a", "a") * 2, "bridge.toml:6: the event type 'a*' has a route already"),
        (
            "[[routes]]\ntable = 'a'\ntopic = 'a'\nsubject = 'a'\n" * 2,
            "bridge.toml:6: the table 'a' has a route already, at bridge.toml:2.",
        ),
        (
            ROUTE.format("a", "a", "a") + "encoding = 'json'",
            "bridge.toml:4: the route's subject has no meaning beside encoding = 'json', which needs no schema",
        ),
        (ROUTE.format("a", "a", "a") + "encoding = 'xml'", "bridge.toml:5: the route's encoding must be one of avro,"),
        (
            "[[routes]]\nevent_type = 'a'\ntopic = 'a'\nencoding = 'raw'\nmask = ['b']",
            "bridge.toml:5: the route's mask has no meaning beside encoding = 'raw'",
        ),
        (
            ROUTE.format("a", "a", "a") + "drop = ['b', 'c']\nmask = ['c']",
            "bridge.toml:6: the route's mask names 'c', which drop takes out",
        ),
        (ROUTE.format("a", "a", "a") + "drop = 'b'", "bridge.toml:5: the route's drop must be an array of names"),
        (ROUTE.format("a", "a", "a") + "drop = ['b', 'b']", "bridge.toml:5: the route's drop names something twice"),
        (ROUTE.format("a", "a", "a") + "tombstone = 1", "bridge.toml:5: the route's tombstone must be true or false"),
        (
            ROUTE.format("a", "a", "a") + "headers = {CE_id = 'b'}",
            "bridge.toml:5: the route's headers must not set 'CE_id': names that begin with ce_, bridge_, content-type",
        ),
        (
            ROUTE.format("a", "a", "a") + "headers = {x = 5}",
            "bridge.toml:5: the route's headers must be text, not a whole number",
        ),
    ],
)
def test_routes_are_checked_whole(write: Write, routes: str, words: str) -> None:
    (mistake,) = said(read(write(routes), {}))
    assert mistake.startswith(words)


def test_a_route_has_what_its_keys_say(write: Write) -> None:
    text = """
[[routes]]
event_type = "order.*"
topic = "orders"
encoding = "json"
headers = { team = "billing", area = "eu" }
drop = ["secret"]
mask = ["card", "iban"]
tombstone = true
[[routes]]
table = "shop.orders"
topic = "rows"
subject = "rows-value"
"""
    assert load(write(text), {}).routes == (
        Route(
            "order.*",
            "orders",
            encoding=Encoding.JSON,
            headers=(("area", "eu"), ("team", "billing")),
            drop=("secret",),
            mask=("card", "iban"),
            tombstone=True,
        ),
        Route(table="shop.orders", topic="rows", subject="rows-value"),
    )


def test_reserved_topics_are_those_that_are_configured(write: Write) -> None:
    text = "[topics]\ncontrol = 'ours'\n" + ROUTE.format("a", "ours", "s")
    (mistake,) = said(read(write(text), {}))
    assert "is bridge's own, topics.control (bridge.toml:2)" in mistake
    (mistake,) = said(read(write(text), {"BRIDGE_TOPICS_CONTROL": "theirs", "BRIDGE_TOPICS_DEAD_LETTERS": "ours"}))
    assert "is bridge's own, topics.dead_letters (BRIDGE_TOPICS_DEAD_LETTERS)" in mistake


def test_what_is_not_utf8_is_refused() -> None:
    for variable in ("BRIDGE_DATABASE_URL", "BRIDGE_REGISTRY_USERNAME", "BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD"):
        (mistake,) = said(read(None, {variable: "canary\udcff"}))
        assert mistake.startswith(f"{variable}: ")
        assert "canary" not in mistake


# Lines


TRICKY = '''# [relay]
title = """
[relay]
name = 1
"""
relay = { name = "a", batch_rows = 1 }
topics.control = 'x'
list = [
  1, # ]
  2,
]

[kafka.properties] # here
"sasl.mechanism" = "PLAIN"
ssl.ca.location = "x"

[[routes]]
topic = "a"
[[ routes ]]
topic = "b"
  [routes.more]
  x = 1
'''


def test_lines_are_found_in_any_notation() -> None:
    lines = key_lines(TRICKY)
    expected = {
        ("title",): 2,
        ("relay", "batch_rows"): 6,
        ("topics", "control"): 7,
        ("list",): 8,
        ("kafka", "properties"): 13,
        ("kafka", "properties", "sasl.mechanism"): 14,
        ("kafka", "properties", "ssl", "ca", "location"): 15,
        ("routes", 0, "topic"): 18,
        ("routes", 1): 19,
        ("routes", 1, "topic"): 20,
        ("routes", 1, "more", "x"): 22,
    }
    assert {path: lines[path] for path in expected} == expected
    assert line_of(("routes", 1, "gone"), lines) == 19
    assert line_of(("gone",), lines) is None


# The environment


def test_kafka_properties_come_from_the_environment_too(write: Write) -> None:
    config = write("[kafka.properties]\nsecurity.protocol = 'SASL_SSL'\n'sasl.mechanism' = 'PLAIN'\n")
    environment = {
        "BRIDGE_KAFKA_PROPERTIES_SASL_MECHANISM": "SCRAM-SHA-512",
        "BRIDGE_KAFKA_PROPERTIES_SASL__PASSWORD": "x",  # two underscores are one dot, too
        "BRIDGE_KAFKA_PROPERTIES_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE": "/key.pem",  # a property's own name
    }
    assert load(config, environment).kafka.properties == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.password": "x",
        "sasl.oauthbearer.assertion.private.key.file": "/key.pem",
    }


SECRETS = {
    "BRIDGE_DATABASE_URL": lambda settings: settings.database.url,
    "BRIDGE_REGISTRY_URL": lambda settings: settings.registry.url,
    "BRIDGE_REGISTRY_PASSWORD": lambda settings: settings.registry.password,
    "BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD": lambda settings: settings.kafka.properties["sasl.password"],
    "BRIDGE_KAFKA_PROPERTIES_SASL_USERNAME": lambda settings: settings.kafka.properties["sasl.username"],
    "BRIDGE_KAFKA_PROPERTIES_SSL_KEY_PEM": lambda settings: settings.kafka.properties["ssl.key.pem"],
}


@pytest.mark.parametrize("variable", SECRETS)
def test_every_secret_may_come_from_a_file(tmp_path: Path, variable: str) -> None:
    content = "https://host" if variable.endswith("REGISTRY_URL") else "two\nwords " if "PEM" in variable else " x "
    content = "postgresql://us:x@host/db" if variable.startswith("BRIDGE_DATABASE") else content
    more = {"BRIDGE_REGISTRY_USERNAME": "us"} if variable == "BRIDGE_REGISTRY_PASSWORD" else {}
    file = tmp_path / "secret"
    for end in ("", "\n", "\r\n"):
        file.write_bytes(f"{content}{end}".encode())
        assert SECRETS[variable](load(None, {f"{variable}_FILE": str(file)} | more)) == content
    file.write_text(f"{content}\n\n")
    given, _ = from_environment({f"{variable}_FILE": str(file)})
    assert [value for value, _ in given.values()] == [f"{content}\n"], "one newline is not the secret's, two are"
    found = said(read(None, {f"{variable}_FILE": str(file), variable: "canary"} | more))
    assert any(f"is given by {variable}, too" in mistake for mistake in found)
    assert "canary" not in str(found)


def test_a_file_that_cannot_be_read_is_named_and_its_content_is_not(tmp_path: Path) -> None:
    not_text, large = tmp_path / "not_text", tmp_path / "large"
    not_text.write_bytes(b"canary\xff")
    large.write_text("canary" * 1_000_000)
    for file in (tmp_path / "gone", tmp_path, not_text, large):
        (mistake,) = said(read(None, {"BRIDGE_DATABASE_URL_FILE": str(file)}))
        assert mistake.startswith(f"BRIDGE_DATABASE_URL_FILE: database.url cannot be read from '{file}': ")
        assert "canary" not in mistake


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("BRIDGE_DATBASE_URL", "Did you mean BRIDGE_DATABASE_URL?"),
        ("BRIDGE_DATABASE_URLFILE", "Did you mean BRIDGE_DATABASE_URL_FILE?"),
        ("BRIDGE_DATABASE_PORT", "Did you mean BRIDGE_DATABASE_URL?"),
        ("BRIDGE_RELAY_NAME_FILE", "Did you mean BRIDGE_RELAY_NAME?"),
        ("BRIDGE_CONFIGURATION", "Did you mean BRIDGE_CONFIG?"),
        ("BRIDGE_", "bridge config show"),
    ],
)
def test_unknown_variables_are_refused(variable: str, words: str) -> None:
    (mistake,) = said(read(None, {variable: "canary"}))
    assert mistake.startswith(f"{variable}: there is no such setting")
    assert words in mistake
    assert "canary" not in mistake


LINKS = {  # what Kubernetes puts into pods for services called bridge, bridge-registry and bridge-kafka-bootstrap
    "BRIDGE_SERVICE_HOST": "10.0.0.1",
    "BRIDGE_SERVICE_PORT": "8080",
    "BRIDGE_SERVICE_PORT_HTTP_METRICS": "8080",
    "BRIDGE_PORT": "tcp://10.0.0.1:8080",
    "BRIDGE_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "BRIDGE_PORT_8080_TCP_PROTO": "tcp",
    "BRIDGE_PORT_8080_TCP_PORT": "8080",
    "BRIDGE_PORT_8080_TCP_ADDR": "10.0.0.1",
    "BRIDGE_REGISTRY_SERVICE_HOST": "10.0.0.1",
    "BRIDGE_REGISTRY_PORT": "tcp://10.0.0.1:8080",
    "BRIDGE_REGISTRY_PORT_8081_TCP_ADDR": "10.0.0.1",
    "BRIDGE_KAFKA_BOOTSTRAP_SERVICE_PORT_TCP_CLIENTS": "9092",
}


def test_service_links_of_kubernetes_and_our_own_variables_break_nothing() -> None:
    own = {"BRIDGE_CONFIG": "x", "BRIDGE_PARENT_PID": "1", "BRIDGE_FAILPOINT": "x", "BRIDGE_TEST_SEED": "1"}
    assert load(None, LINKS | own | {"PATH": "/bin", "bridge_typo": "1"}) == load(None, {})


def test_each_variable_that_the_package_names_is_known() -> None:
    named = set()
    for path in Path(bridge.__file__).parent.rglob("*.py"):
        named |= set(re.findall(r"\bBRIDGE_[A-Z_]*[A-Z]\b", path.read_text("utf-8")))
    examples = {"BRIDGE_SERVICE_HOST", "BRIDGE_PORT"}
    unknown = [name for name in named - examples if "no such setting" in str(said(read(None, {name: "1"})))]
    assert not unknown


# Secrets


@pytest.mark.parametrize(
    "text",
    [
        "[database]\nurl = 'postgresql://us:canary/x@host/db'",
        "[database]\nurl = 'postgresql://us:x/canary@host/db'",
        "[database]\nurl = 'postgresql://us:can@canary@host/db'",
        "[database]\nurl = 'postgresql://us:canary'",
        "[database]\nurl = 'postgresql://us:canary?x@host/db'",
        '[database]\nurl = "postgresql://us:canary@host/db\\n"',
        "[database]\nurl = ['canary']",
        "[database]\nurl = { password = 'canary' }",
        "database = 'canary'",
        "[registry]\nurl = 'http://us:canary/x@host'",
        "[registry]\nurl = 'http://us:can@canary@host'",
        "[registry]\nurl = 'http://us:canary'",
        "[registry]\nurl = 'us:canary@host'",
        "[registry]\nurl = 'http://us:canary@host'\nusername = 'x'",
        "[registry]\nurl = 'http://u%3As:canary@host'",
        "[registry]\npasword = 'canary'",
        "[registry]\npassword = 'canary'",
        "[registry]\npassword = ['canary']",
        "[registry]\npassword = canary",
        "[registry]\npassword = 'canary\n",
        "[registry]\nusername = 'us'\npassword = \"canary\\u0000\"",
        "[kafka]\nbootstrap_servers = 'us:canary@host'",
        "[kafka]\nproperties = 'canary'",
        "[kafka]\nproperty = 'canary'",
        "[kafka.properties]\n'sasl.password' = ['canary']",
        "[kafka.properties]\n'sasl.mechanisms' = 'canary'\nsasl.mechanism = 'canary'",
        "[kafka.properties]\n'bootstrap.servers' = 'canary'",
        "[kafka.properties]\n'sasl.oauthbearer.token.endpoint.url' = 'http://us:canary@host'",
    ],
)
def test_a_secret_is_never_part_of_what_is_said(write: Write, text: str) -> None:
    found = said(read(write(text), {}))
    assert found
    assert "canary" not in str(found)


def test_a_number_in_the_place_of_a_password_is_not_said(write: Write) -> None:
    (mistake,) = said(read(write("[registry]\npassword = 535535"), {}))
    assert mistake == "bridge.toml:2: registry.password must be text, not a whole number"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://us@host/db",
        "postgresql://us:pw@host:5432/db?sslmode=require",
        "postgres://us:p%40%2F@[::1]:5432,other/db",
        "postgresql:///db?host=/var/run&user=x",
        "postgresql://us@host",
        "host=h password=p@ss/word",
        "",
    ],
)
def test_database_urls_that_are_right(url: str) -> None:
    assert database_trouble(url) is None


@pytest.mark.parametrize("url", ["http://host", "https://us:p%40@host:8081/apis/ccompat/v7", "http://a:1,http://b:1"])
def test_registry_urls_that_are_right(url: str) -> None:
    assert registry_trouble(url) is None


@pytest.mark.parametrize(
    "url",
    [
        *("host:8081", "ftp://host", "http://", "http://host:x", "http://host/?a=b", "http://h\n"),
        *("https://u:p@one,https://u:q@two", "https://u:p@one,https://two", "https://one, https://u:p@two"),
    ],
)
def test_registry_urls_that_are_not(url: str) -> None:
    assert registry_trouble(url) is not None


def test_a_login_in_the_registrys_url_becomes_user_and_password() -> None:
    registry = load(None, {"BRIDGE_REGISTRY_URL": "https://u%40s:p%2Fw@host:8081/x,https://u%40s:p%2Fw@other"}).registry
    assert (registry.url, registry.username, registry.password) == ("https://host:8081/x,https://other", "u@s", "p/w")


@pytest.mark.parametrize(
    "servers", ["a", "a:9092", "a.b-c_d:1, 127.0.0.1:65535", "[::1]:9092", "sasl_ssl://a:9093,SSL://b"]
)
def test_servers_as_librdkafka_takes_them(servers: str) -> None:
    assert RULES["kafka.bootstrap_servers"](servers) is None
