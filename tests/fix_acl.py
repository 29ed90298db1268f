"""A broker with a login and ACLs: what a user was not granted is refused, and rights change while a relay runs."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramMechanism,
)
from fix_kafka import Cluster, set_password
from fix_relay import Site, open_site
from kafka_settings import create
from roles import Roles

from bridge.local.stack import Endpoints, Stack

# Whoever comes by the inner listener needs no login, and may do everything: the broker itself, and the tests.
_SECURED = """
listener.security.protocol.map=INTERNAL:PLAINTEXT,CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.client.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
TOPIC, TRANSACTIONS = ResourceType.TOPIC, ResourceType.TRANSACTIONAL_ID
_KINDS = {"--topic": TOPIC, "--transactional-id": TRANSACTIONS, "--group": ResourceType.GROUP}  # kafka-acls' options
Right = tuple[ResourceType, str, str]  # on what, its name (`x*`: all that begin with x), the operation's name


@dataclass(frozen=True)
class User:
    """One login of the secured broker, with the rights that it was granted and no others."""

    name: str
    password: str
    admin: AdminClient

    def apply(self, command: str) -> None:
        """What this `kafka-acls.sh --add` of `bridge grants` says."""
        words = argparse.ArgumentParser()
        words.add_argument("program", choices=["kafka-acls.sh"])
        words.add_argument("--add", action="store_true", required=True)
        words.add_argument("--cluster", action="store_true")
        words.add_argument("--resource-pattern-type", choices=["literal", "prefixed"], default="literal")
        for name in ("--bootstrap-server", "--allow-principal"):
            words.add_argument(name, required=True)
        for name in ("--operation", *_KINDS):
            words.add_argument(name, action="append", default=[])
        said = words.parse_args(shlex.split(command))
        assert said.allow_principal == f"User:{self.name}"
        end = "*" if said.resource_pattern_type == "prefixed" else ""
        resources = [
            (kind, name + end)
            for option, kind in _KINDS.items()
            for name in getattr(said, option.strip("-").replace("-", "_"))
        ] + [(ResourceType.BROKER, "kafka-cluster")] * said.cluster
        operations = [re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in said.operation]
        self.grant(*((kind, name, operation) for kind, name in resources for operation in operations))

    def grant(self, *rights: Right) -> None:
        for future in self.admin.create_acls([self._binding(right) for right in rights]).values():
            future.result(30)

    def revoke(self, *rights: Right) -> None:
        for future in self.admin.delete_acls([self._filter(right) for right in rights]).values():
            assert future.result(30), "there was no such right"

    @property
    def properties(self) -> dict[str, str]:
        """What a client logs in with."""
        login = {"sasl.username": self.name, "sasl.password": self.password}
        return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256", **login}

    def _binding(self, right: Right) -> AclBinding:
        kind, name, operation = right
        pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
        who, host, allow = f"User:{self.name}", "*", AclPermissionType.ALLOW
        return AclBinding(kind, name.removesuffix("*"), pattern, who, host, AclOperation[operation], allow)

    def _filter(self, right: Right) -> AclBindingFilter:
        acl = self._binding(right)
        kind, pattern = acl.restype, acl.resource_pattern_type
        return AclBindingFilter(kind, acl.name, pattern, acl.principal, "*", acl.operation, acl.permission_type)


class SecuredBroker(Cluster):
    """One broker; `bootstrap_servers` asks for a login, `inside` does not."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, brokers=1, more=_SECURED)
        self.admin = AdminClient({"bootstrap.servers": self.inside})

    def user(self, name: str, password: str) -> User:
        """A new user without any right."""
        set_password(self.admin, name, password, ScramMechanism.SCRAM_SHA_256)
        return User(name, password, self.admin)


@pytest.fixture(scope="module")
def secured_broker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """A module's broker with ACLs; each test has a user of its own. `stack` has downloaded Kafka."""
    with closing(SecuredBroker(tmp_path_factory.mktemp("secured"))) as broker:
        yield broker


@pytest.fixture
def user(secured_broker: SecuredBroker, unique: str) -> User:
    """Whom the relays of `secured_site` log in as: `grant` it what it may do."""
    return secured_broker.user(unique, "S3CR3T-of-the-broker")


@pytest.fixture
def secured_site(
    secured_broker: SecuredBroker,
    user: User,
    database: str,
    servers: Endpoints,
    roles: Roles,
    unique: str,
    tmp_path: Path,
    relay_lines: str,
) -> Iterator[Site]:
    """A bridge that logs in to Kafka as `user`; the test itself, and its auditor, come by the door without a lock."""
    endpoints = replace(servers, database_url=database, kafka_bootstrap_servers=secured_broker.inside)
    with open_site(endpoints, unique, tmp_path, roles=roles, relay=relay_lines) as site:
        login(site, secured_broker.bootstrap_servers, user)
        yield site


@pytest.fixture
def strict_site(secured_site: Site, secured_broker: SecuredBroker) -> Site:
    """Its topics are there, and its relays may not create any."""
    control = NewTopic(secured_site.settings.topics.control, 2, 1, config={"cleanup.policy": "compact"})
    topics = [control, *(NewTopic(name, 2, 1) for name in secured_site.topics)]
    create(secured_broker.admin, *topics)
    text = secured_site.config.read_text()
    secured_site.config.write_text(text.replace("create_missing = true", "create_missing = false"))
    return secured_site


def login(site: Site, bootstrap_servers: str, user: User) -> None:
    """Let the relays of `site` reach Kafka there, as `user`."""
    properties = "\n".join(f'"{name}" = "{value}"' for name, value in user.properties.items())
    open_door = f'bootstrap_servers = "{site.settings.kafka.bootstrap_servers}"'
    locked = f'bootstrap_servers = "{bootstrap_servers}"\n[kafka.properties]\n{properties}'
    site.config.write_text(site.config.read_text().replace(open_door, locked))


def all_rights(name: str) -> list[Right]:
    """All that a relay called `name` may be given, for tests that take some of it away."""
    operations = ("READ", "WRITE", "CREATE", "DESCRIBE_CONFIGS", "ALTER")
    topics: list[Right] = [(TOPIC, f"{name}.*", operation) for operation in operations]
    return [*topics, (TRANSACTIONS, f"{name}-*", "WRITE")]
