"""Records as Java's deserializers read them; `ReadRecords.java`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TypeAlias

from java import Java

from bridge.settings import Settings

PROGRAM = Path(__file__).with_name("ReadRecords.java")

Values: TypeAlias = dict[str, tuple[str, str]]  # by the path of each value in a record: its class, and its text


def read_by_java(java: Java, settings: Settings, topic: str) -> dict[tuple[str, int], Values]:
    """All records of a topic by who read them (avro, apicurio, apicurio-logical) and their number."""
    confluent = settings.registry.url
    apicurio = confluent.replace("/apis/ccompat/v7", "/apis/registry/v3")
    found: dict[tuple[str, int], Values] = defaultdict(dict)
    for line in java.run(PROGRAM, settings.kafka.bootstrap_servers, topic, confluent, apicurio).splitlines():
        by, number, path, kind, text = json.loads(line)
        found[by, number][path] = kind, text
    return found
