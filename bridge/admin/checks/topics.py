"""The topics that a bridge publishes to: there, writable, and set so that nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.admin.checks.check import Check, note, ok, problem
from bridge.encoding.routing import all_topics
from bridge.kafka.inspection import Inspection, TopicState
from bridge.kafka.topics import COMPACTED
from bridge.settings import Settings
from bridge.text import counted

SMALL_BYTES = 262_144  # of a record: less, and events of usual sizes die
SHORT_MS = 60_000  # of message.timestamp.before.max.ms: what waited for longer would be refused


def check_topics(inspection: Inspection, settings: Settings, brokers: int) -> Iterator[Check]:
    """Each topic of ours. Raises KafkaException."""
    control = settings.topics.control
    for state in inspection.topics({*all_topics(settings), control}):
        found = [*troubles(state, settings, brokers)]
        yield from found
        if not found:
            copies = counted(state.replicas, "replica")
            yield ok(f"kafka topic {state.name}", f"{counted(state.partitions, 'partition')}, {copies}")
    name = settings.relay.name
    yield ok("kafka transactions", f"WRITE on the transactional ids {name}-* cannot be tried without fencing a relay")


def troubles(state: TopicState, settings: Settings, brokers: int) -> Iterator[Check]:
    """What is wrong with one topic, or to be known."""
    name = f"kafka topic {state.name}"
    if state.trouble is not None:
        factor = settings.topics.replication_factor
        if state.is_missing and settings.topics.create_missing and factor > brokers:
            why = f"topics.replication_factor is {factor}, and Kafka has {counted(brokers, 'broker')}"
            mend = f"Set topics.replication_factor to {brokers}, or add brokers"
            yield problem(name, f"{state.trouble}; no relay can make it: {why}", mend)
        elif state.is_missing and settings.topics.create_missing:
            mend = "A relay makes it when it starts (topics.create_missing): start one anew, or create it"
            yield note(name, state.trouble, mend)
        else:
            yield problem(name, state.trouble, "Create it, or grant DESCRIBE; relays go on by themselves")
        return
    is_control = state.name == settings.topics.control
    needed = {"WRITE", "DESCRIBE_CONFIGS"} | ({"READ"} if is_control else set())
    if state.allowed is not None and (missing := sorted(needed - state.allowed)):
        yield problem(
            name, f"we lack {', '.join(missing)} on it", f"kafka-acls.sh --add --topic {state.name} --operation ..."
        )
    if state.leaderless:
        yield problem(name, f"partition {state.leaderless[0]} has no leader", "Bring its brokers back")
    if state.config is None:
        return
    yield from _replication(name, state, brokers)
    policy = state.config.get("cleanup.policy", "")
    if is_control and policy != COMPACTED:
        mend = f"kafka-configs.sh --alter --topic {state.name} --add-config cleanup.policy={COMPACTED}"
        yield problem(name, f"cleanup.policy={policy}: Kafka would forget which batches were published", mend)
    yield from _records(name, state, settings, is_compacted=COMPACTED in policy and not is_control)


def _replication(name: str, state: TopicState, brokers: int) -> Iterator[Check]:
    least = int((state.config or {}).get("min.insync.replicas") or 1)
    if least > state.replicas:
        replicas = counted(state.replicas, "replica")
        text = f"min.insync.replicas is {least}, and it has {replicas}: nothing can be written"
        lower = f"kafka-configs.sh --alter --topic {state.name} --add-config min.insync.replicas={state.replicas}"
        yield problem(name, text, f"{lower}, or add replicas" if brokers >= least else lower)
    elif state.in_sync < least:
        yield problem(name, f"{state.in_sync} replicas are in sync, and it needs {least}", "Bring the brokers back")
    elif least == state.replicas > 1:
        yield note(name, f"min.insync.replicas is {least}, all its replicas: no broker may be away", "Lower it by one")
    elif brokers > 1 and (state.replicas == 1 or least == 1):
        replicas = counted(state.replicas, "replica")
        text = f"{replicas}, min.insync.replicas={least}: a broker that dies takes records with it"
        first = "" if brokers > 2 else "Add brokers until there are 3; then "
        yield note(name, text, f"{first}3 replicas and min.insync.replicas=2")


def _records(name: str, state: TopicState, settings: Settings, *, is_compacted: bool) -> Iterator[Check]:
    config = state.config or {}
    if int(config.get("max.message.bytes") or SMALL_BYTES) < SMALL_BYTES:
        text = f"max.message.bytes is {config['max.message.bytes']}: larger events become dead"
        yield note(name, text, "Raise it")
    if int(config.get("message.timestamp.before.max.ms") or SHORT_MS) < SHORT_MS:
        text = f"message.timestamp.before.max.ms is {config['message.timestamp.before.max.ms']}"
        mend = "Leave it out: a record has its event's time, and what ends a transaction has one, too"
        yield problem(name, f"{text}: what waited for longer is refused", mend)
    routes = [route for route in settings.routes if route.topic == state.name]
    if is_compacted and routes and not any(route.tombstone for route in routes):
        text = "compacted, and no route writes tombstones: what was deleted stays for ever"
        yield note(name, text, "tombstone = true in its route")
