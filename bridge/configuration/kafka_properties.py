"""Which of librdkafka's properties belong to the operator, and which to the protocol.

All are handed on as they are given. Those that bridge sets itself because its promises rest on them are refused, with
the reason, unless they say the same; what bridge only tunes (`TUNING` in bridge/kafka/properties.py) gives way.
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.foreign_code import RUN_CODE, runs_code


class Reserved(NamedTuple):
    """A property that is not the operator's: why, and what it may say because it is so anyway."""

    why: str
    same: tuple[str, ...] = ()


CODE = Reserved("it makes librdkafka run code that somebody brings")
_PROGRAMS = Reserved("it is for programs, not for configurations")
_ACKS = Reserved("exactly once needs every in-sync replica's answer", ("all", "-1"))
_SERVERS = Reserved("the servers are named by kafka.bootstrap_servers")
_TIMEOUT = Reserved("it follows from relay.transaction_timeout_seconds")
_SIZE = Reserved("it follows from the max.message.bytes of the topics")
_LOG = Reserved("from its log bridge learns that a request may have been sent twice")
_GROUP = Reserved("bridge joins no group")
_OFFSETS = Reserved("bridge commits no offsets")
_READER = Reserved("where bridge reads a topic, it chooses the place itself")
_REPORTS = Reserved("bridge counts on hearing of each record that failed, and of no other")

RESERVED = {
    **dict.fromkeys(RUN_CODE, CODE),
    "bootstrap.servers": _SERVERS,
    "metadata.broker.list": _SERVERS,
    "acks": _ACKS,
    "request.required.acks": _ACKS,
    "enable.idempotence": Reserved("exactly once, and order, rest on it", ("true",)),
    "partitioner": Reserved("another would move keys to other partitions, and break their order", ("murmur2_random",)),
    "isolation.level": Reserved("bridge must not see what was not committed", ("read_committed",)),
    "transactional.id": Reserved("each shard has its own, made of relay.name: it fences a former owner"),
    "transaction.timeout.ms": _TIMEOUT,
    "message.timeout.ms": _TIMEOUT,
    "delivery.timeout.ms": _TIMEOUT,
    "socket.timeout.ms": _TIMEOUT,
    "message.max.bytes": _SIZE,
    "batch.size": _SIZE,
    "api.version.request": Reserved("transactions need to know what the broker can do", ("true",)),
    "delivery.report.only.error": _REPORTS,
    "enabled_events": _REPORTS,
    "log_level": _LOG,
    "log.connection.close": _LOG,
    "log.queue": _LOG,
    "allow.auto.create.topics": Reserved("a topic that was deleted would come back with other partitions"),
    "enable.sparse.connections": Reserved("a takeover would wait for its second connection"),
    "group.id": _GROUP,
    "group.instance.id": _GROUP,
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "offset.store.method": _OFFSETS,
    "auto.offset.reset": _READER,
    "enable.partition.eof": _READER,
    "sasl.oauthbearer.metadata.authentication.type": Reserved(
        "bridge has nothing that signs for AWS", ("none", "azure_imds")
    ),
    "logger": _PROGRAMS,
    "default.topic.config": _PROGRAMS,
}
PREFIXES = {
    "test.": Reserved("librdkafka would talk to a broker of its own in memory"),
    "ut_": _PROGRAMS,
}
SUFFIXES = {"_cb": _PROGRAMS}

# librdkafka has two names for some, and takes the one that comes last.
ALIASES = {
    "compression.codec": "compression.type",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "message.send.max.retries": "retries",
    "queue.buffering.max.ms": "linger.ms",
    "sasl.mechanisms": "sasl.mechanism",
    "sasl.oauthbearer.client.credentials.client.id": "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.credentials.client.secret": "sasl.oauthbearer.client.secret",
}

CREDENTIALS = ("password", "secret", "passphrase", "pem", "username")  # how their names end


def refused(name: str, value: str) -> Reserved | None:
    """Why this property must not have this value; None if it may."""
    why = reserved(name)
    if why is None:
        return CODE if runs_code(name, value) else None
    return None if value in why.same else why


def reserved(name: str) -> Reserved | None:
    """Why the operator must not set this property; None if he may."""
    name = canonical(name)
    found = RESERVED.get(name)
    found = found or next((why for prefix, why in PREFIXES.items() if name.startswith(prefix)), None)
    return found or next((why for suffix, why in SUFFIXES.items() if name.endswith(suffix)), None)


def canonical(name: str) -> str:
    """The one name of a property that librdkafka knows by two, or with `topic.` before it."""
    plain = name.removeprefix("topic.")
    return ALIASES.get(plain, plain if plain in RESERVED or plain in ALIASES.values() else name)


def is_credential(name: str) -> bool:
    """Whether a property is part of a login, so that a file may hold it."""
    return name.rpartition(".")[2] in CREDENTIALS


def is_secret(name: str) -> bool:
    """Whether a property's value must not be shown: when in doubt, it must not."""
    is_free = name == "sasl.oauthbearer.config"  # whatever a provider wants to have there
    return (is_credential(name) and not name.endswith("username")) or "token" in name.split(".") or is_free
