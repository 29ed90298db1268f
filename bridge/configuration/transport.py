"""Ways to Kafka and the registry that somebody in between could read or answer, each with the line that says so.

The way to Postgres is libpq's to know; `bridge.libpq` asks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.configuration.knobs import PROPERTIES
from bridge.configuration.mistake import Mistake, Origin
from bridge.kafka_transport import exposed_kafka, protocol_of, servers
from bridge.settings import Settings
from bridge.transport import Exposed, exposed_registry

SERVERS = "kafka.bootstrap_servers"


def transport_mistakes(settings: Settings, origins: Mapping[str, Origin]) -> Iterator[tuple[set[str], Mistake]]:
    """Those that no `allow_insecure` allows, each with the names of all settings that have a part in it.

    And a server whose protocol is another than all connections have: nobody would reach it.
    """
    kafka, registry = settings.kafka, settings.registry
    protocol = protocol_of(kafka.properties)
    for server in servers(kafka.bootstrap_servers):
        if server.protocol not in ("", protocol):
            message = f"{SERVERS} says {server.protocol}, and security.protocol is {protocol}: it is passed over"
            hint = "Leave it out there, and set security.protocol"
            yield {SERVERS}, Mistake(SERVERS, origins[SERVERS], message, hint)
    if not kafka.allow_insecure:
        for exposure in exposed_kafka(kafka.bootstrap_servers, kafka.properties):
            full = f"{PROPERTIES}.{exposure.name}"
            setting = full if full in origins else SERVERS
            yield {setting, SERVERS, "kafka.allow_insecure"}, _mistake(setting, exposure.for_operators, origins)
    if registry.url and not registry.allow_insecure and (trouble := exposed_registry(registry.url)) is not None:
        yield {"registry.url", "registry.allow_insecure"}, _mistake("registry.url", trouble, origins)


def _mistake(setting: str, trouble: Exposed, origins: Mapping[str, Origin]) -> Mistake:
    return Mistake(setting, origins[setting], trouble.message, trouble.hint)
