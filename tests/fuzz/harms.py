"""What is done to a bridge that is given hostile rows: each is a context manager that heals on leaving."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import NamedTuple

from confluent_kafka.admin import ConfigResource
from fix_acl import TOPIC, TRANSACTIONS, Right
from fuzz.stage import Stage, disturbing
from kafka_settings import configure
from lying_registry import LIES
from psycopg import sql

SETTINGS = {
    "default_transaction_isolation": "serializable", "default_transaction_read_only": "on", "statement_timeout": "2ms",
    "lock_timeout": "1ms", "idle_session_timeout": "1ms", "idle_in_transaction_session_timeout": "1ms",
    "DateStyle": "German", "IntervalStyle": "sql_standard", "TimeZone": "Asia/Kathmandu", "bytea_output": "escape",
    "extra_float_digits": "-15", "standard_conforming_strings": "off", "search_path": "nowhere", "jit_above_cost": "0",
    "client_encoding": "LATIN1", "row_security": "off", "enable_indexscan": "off", "enable_indexonlyscan": "off",
    "plan_cache_mode": "force_custom_plan", "array_nulls": "off", "quote_all_identifiers": "on", "work_mem": "64kB",
    "transform_null_equals": "on", "synchronous_commit": "off", "client_min_messages": "debug1",
}  # fmt: skip
PRIVILEGES = [
    ("update", "shard"), ("select", "outbox"), ("select", "history"), ("select", "event_seq"), ("select", "parked"),
    ("insert", "parked"), ("update", "parked"), ("delete", "parked"), ("insert", "tick"),
]  # fmt: skip

HELD = {
    "others": ("other.changed", '{"n": 1}'),
    "odd": ("odd.truth", '{"truth": true}'),
    "dead_letters": ("unknown.type", "{}"),
}
PUBLISH_ANEW = "select bridge.publish_event(%s, 'held ' || gen_random_uuid(), %s)::text"
NO_REGISTRY = "HTML"  # this lie says that something else is at the registry's address


class Harm(NamedTuple):
    """`is_local`: all events flow that it does not touch, from beginning to end."""

    name: str
    do: Callable[[Stage], AbstractContextManager[None]]
    is_local: bool


@contextmanager
def topic_is_forbidden(stage: Stage, topic: str) -> Iterator[None]:
    right = (TOPIC, f"{stage.site.name}.{topic}", "WRITE")
    stage.user.revoke(right)
    event_type, payload = HELD[topic]  # one at least is for it: all others may wait behind dead ones of their keys
    stage.site.written.add(stage.site.scalar(PUBLISH_ANEW, event_type, payload))
    stage.held = right[1]
    yield
    stage.held = None
    stage.user.grant(right)


@contextmanager
def topic_is_configured(stage: Stage, topic: str, name: str, value: str) -> Iterator[None]:
    where = stage.broker.admin, ConfigResource.Type.TOPIC, f"{stage.site.name}.{topic}", name
    configure(*where, value)
    yield
    configure(*where, None)


@contextmanager
def registry_lies(stage: Stage, lie: str) -> Iterator[None]:
    """To a relay that starts now; what it says about other subjects is true."""
    stage.registry.begin(lie)
    with ExitStack() as disturbed:
        disturbed.enter_context(disturbing(stage))
        stage.replace_relays(signal.SIGTERM)
        if lie != NO_REGISTRY:  # by that relays end at their start, and say so
            disturbed.close()
        yield
        stage.registry.end()


@contextmanager
def right_is_missing(stage: Stage, right: Callable[[str], Right]) -> Iterator[None]:
    stage.user.revoke(right(stage.site.name))
    yield
    stage.user.grant(right(stage.site.name))


@contextmanager
def privilege_is_missing(stage: Stage, privilege: str, table: str) -> Iterator[None]:
    names = {
        "privilege": sql.SQL(privilege),
        "table": sql.Identifier("bridge", table),
        "role": sql.Identifier(stage.role),
    }
    stage.administer(sql.SQL("revoke {privilege} on {table} from {role}").format(**names))
    yield
    stage.administer(sql.SQL("grant {privilege} on {table} to {role}").format(**names))


@contextmanager
def setting_is_odd(stage: Stage, name: str) -> Iterator[None]:
    role, setting = sql.Identifier(stage.role), sql.Identifier(name)
    stage.administer(sql.SQL("alter role {} set {} = {}").format(role, setting, sql.Literal(SETTINGS[name])))
    stage.begin_sessions_anew()
    yield
    stage.administer(sql.SQL("alter role {} reset {}").format(role, setting))
    stage.begin_sessions_anew()


@contextmanager
def relays_get(stage: Stage, number: signal.Signals) -> Iterator[None]:
    stage.replace_relays(number)
    yield


@contextmanager
def relays_are_stopped(stage: Stage) -> Iterator[None]:
    stage.tell_relays(signal.SIGSTOP)
    yield
    stage.tell_relays(signal.SIGCONT)


@contextmanager
def connections_are_reset(stage: Stage) -> Iterator[None]:
    for proxy in (stage.postgres, *(broker.proxy for broker in stage.broker.brokers)):
        proxy.reset()
    yield


def harms(chance: random.Random) -> list[Harm]:
    """One of each kind, in any order."""
    local: list[Callable[[Stage], AbstractContextManager[None]]] = [
        partial(topic_is_forbidden, topic="others"),
        partial(topic_is_forbidden, topic="odd"),
        partial(topic_is_forbidden, topic="dead_letters"),
        partial(topic_is_configured, topic="others", name="max.message.bytes", value="3000"),
        partial(topic_is_configured, topic="odd", name="message.timestamp.before.max.ms", value="2000"),
        partial(topic_is_configured, topic="dead_letters", name="max.message.bytes", value="2000"),
        *(partial(registry_lies, lie=lie) for lie in chance.sample([*LIES], 4)),
    ]
    everywhere: list[Callable[[Stage], AbstractContextManager[None]]] = [
        partial(right_is_missing, right=chance.choice(RIGHTS)),
        partial(privilege_is_missing, **dict(zip(("privilege", "table"), chance.choice(PRIVILEGES), strict=True))),
        *(partial(setting_is_odd, name=name) for name in chance.sample([*SETTINGS], 4)),
        *(partial(relays_get, number=number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)),
        relays_are_stopped,
        connections_are_reset,
    ]
    deck = [Harm(_name(do), do, True) for do in local] + [Harm(_name(do), do, False) for do in everywhere]
    return chance.sample(deck, len(deck))


RIGHTS: list[Callable[[str], Right]] = [
    lambda name: (TOPIC, f"{name}.shards", "READ"),
    lambda name: (TOPIC, f"{name}.shards", "WRITE"),
    lambda name: (TRANSACTIONS, f"{name}-*", "WRITE"),
]


def _name(do: Callable[..., object]) -> str:
    if not isinstance(do, partial):
        return do.__name__.replace("_", " ")
    told = [value.name if isinstance(value, signal.Signals) else str(value) for value in do.keywords.values()]
    if do.func is right_is_missing:
        told = [str(do.keywords["right"]("")[0]).rpartition(".")[2]]
    return f"{do.func.__name__.replace('_', ' ')}: {' '.join(told)}"
