"""A bridge with everything about it that can be harmed, and passwords that must not be seen."""

from __future__ import annotations

import random
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import psycopg
from fix_acl import TOPIC, SecuredBroker, User, all_rights, login
from fix_relay import Site, open_site
from forked import Process
from fuzz import writers
from fuzz.report import Report
from fuzz.values import CANARY, FIELDS, odd_schema
from lying_registry import LyingRegistry
from proxy import Proxy
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bridge.local.stack import Endpoints

STOP_SECONDS = 30.0


@dataclass
class Stage:
    """Everything that can be harmed. `site` reaches the servers directly; its relays by proxies, logged in."""

    site: Site
    broker: SecuredBroker
    user: User
    role: str
    postgres: Proxy
    registry: LyingRegistry
    random: random.Random
    relays: list[Process] = field(default_factory=list)
    disturbed: int = 0  # harms that may stop everything
    well_since: float = 0.0  # time.monotonic() when the last of them was healed
    held: str | None = None  # a topic that status must name

    def revive(self) -> list[str]:
        """What an orchestrator does: start again what has ended. Returns the ends that nothing explains."""
        ended = [relay for relay in self.relays if relay.poll() is not None]
        odd = [
            f"a relay ended with {relay.returncode}: {self.site.log(relay)[-800:]}"
            for relay in ended
            if not self._may_not_begin(relay)
        ]
        unexplained = [] if self.disturbed else odd
        self.relays = [relay for relay in self.relays if relay.poll() is None] or [self.site.start()]
        return unexplained

    @property
    def waits_for_registry(self) -> bool:
        """Whether no relay has begun, and the registry lies: at its start a relay wants every schema's id."""
        return self.registry.lie is not None and not any(" is ours " in self.site.log(relay) for relay in self.relays)

    def _may_not_begin(self, relay: Process) -> bool:
        """A registry that refuses the login, or is none, ends a relay that is only starting: a wrong configuration."""
        log = self.site.log(relay)
        return relay.returncode == 4 and "registry" in log and " is ours " not in log

    def replace_relays(self, number: signal.Signals) -> None:
        """Each ends by a signal, and another begins."""
        for relay in self.relays:
            relay.send_signal(number)
        for relay in self.relays:
            relay.wait(STOP_SECONDS)
        self.relays = [self.site.start(*self.random.choice([[], ["--workers", "2"]]))]

    def tell_relays(self, number: signal.Signals) -> None:
        for relay in self.relays:
            relay.send_signal(number)

    def begin_sessions_anew(self) -> None:
        self.site.scalar("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = %s", self.role)

    def administer(self, statement: sql.Composed) -> None:
        with self.site.connect() as db:
            db.execute(statement)


@contextmanager
def disturbing(stage: Stage) -> Iterator[None]:
    stage.disturbed += 1
    try:
        yield
    finally:
        stage.disturbed -= 1
        stage.well_since = time.monotonic()


@contextmanager
def staged(
    broker: SecuredBroker, servers: Endpoints, database: str, name: str, report: Report, chance: random.Random
) -> Iterator[Stage]:
    """A bridge whose relays log in everywhere with passwords that must not be seen."""
    endpoints = replace(servers, database_url=database, kafka_bootstrap_servers=broker.inside)
    registry = LyingRegistry(servers.registry_url, about=".odd-")
    server = conninfo_to_dict(database)
    postgres = Proxy(lambda: int(server["port"]), speaks_kafka=False)
    lines = f'delivery = "{report.delivery}"\nbatch_rows = 500'
    role, password = f"{name}_role", f"{CANARY}/of:the@database {secrets.token_hex(4)}"
    login_ = f"{role}:{quote(password, safe='')}"
    try:
        with open_site(endpoints, name, report.directory, relay=lines) as site:
            for field in FIELDS:
                site.route(f"odd.{field}", "odd", odd_schema(field))
            user = broker.user(name, f"{CANARY}-of-the-broker")
            topics = [*site.topics, site.settings.topics.control]
            user.grant(
                *(right for right in all_rights(name) if right[0] is not TOPIC or right[2] not in ("READ", "WRITE"))
            )
            user.grant(*((TOPIC, topic, right) for topic in topics for right in ("READ", "WRITE")))
            login(site, broker.bootstrap_servers, user)
            with site.connect() as db:
                writers.set_up(db)
                names = sql.Identifier(role), sql.Literal(password)
                db.execute(sql.SQL("create role {} login password {}").format(*names))
                db.execute("select bridge.grant_relay(%s::text::regrole)", (names[0].as_string(db),))
            site.environment |= {
                "BRIDGE_DATABASE_URL": f"postgresql://{login_}@127.0.0.1:{postgres.port}/{server['dbname']}",
                "BRIDGE_REGISTRY_URL": registry.url,
                "BRIDGE_REGISTRY_USERNAME": "bridge",
                "BRIDGE_REGISTRY_PASSWORD": f"{CANARY}-of-the-registry",
                "BRIDGE_REGISTRY_TIMEOUT_SECONDS": "2",
            }
            yield Stage(site, broker, user, role, postgres, registry, chance)
    finally:
        registry.close()
        postgres.close()
        with psycopg.connect(database, autocommit=True) as db:
            db.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
            db.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
