"""Schemas of a registry, and bytes of a topic, that are meant to harm who reads them: shown as bytes, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from fix_registry import Hostile, answer

PARSED = {"__fastavro_parsed": True}  # fastavro believes whoever says so, and looks at nothing
READER = """
import resource, sys
from bridge.admin.tail import Decoder
from bridge.settings import RegistrySettings, Settings
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
for case in sys.stdin.read().splitlines():
    url, body = case.split()
    registry = RegistrySettings(url=url, timeout_seconds=20)
    decoder = Decoder(Settings(registry=registry))
    print(decoder.decode(b"\\0\\0\\0\\0\\7" + bytes.fromhex(body))[0], flush=True)
"""
NUMBER = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2**63 - 1


def nested(depth: int) -> Any:
    schema: Any = "null"
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def doubling(records: int) -> Any:
    """Each record holds the one before twice, so that the last has 2**records fields."""
    schema: Any = {"type": "record", "name": "r0", "fields": []}
    for n in range(1, records):
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": f"r{n - 1}"}]
        schema = {"type": "record", "name": f"r{n}", "fields": fields}
    return schema


def named(name: str, schema: Any) -> dict[str, Any]:
    return PARSED | {"__named_schemas": {name: schema}, "type": name}


RECURSIVE = {"type": "record", "name": "r", "fields": [{"name": "next", "type": ["null", "r"]}]}
ENDLESS = {"type": "record", "name": "r", "fields": [{"name": "next", "type": "r"}]}
FIXED = PARSED | {"__named_schemas": {}, "type": "fixed", "name": "f"}
DECIMAL = {"type": "bytes", "logicalType": "decimal"}
CASES: dict[str, tuple[Any, bytes]] = {
    "deep in a schema that is allowed": (nested(190), b"\x02" * 190),
    "deep in a schema": (nested(390), b"\x02" * 390),
    "deeper than any stack": ("[" * 300_000 + "]" * 300_000, b""),
    "deep by recursion": (RECURSIVE, b"\x02" * 100_000 + b"\0"),
    "without an end": (ENDLESS, b""),
    "without an end, believed": (PARSED | {"__named_schemas": {"r": ENDLESS}} | ENDLESS, b""),
    "many fields": (doubling(40), b""),
    "long of nothing": ({"type": "array", "items": "null"}, NUMBER),
    "a name of itself": (named("a", {"type": "a"}), b""),
    "names in a circle": (named("a", "a"), b""),
    "names that are none": (PARSED | {"__named_schemas": 7, "type": "a"}, b""),
    "a size below nothing": (FIXED | {"size": -7}, b"\0" * 7),
    "a size that is text": (FIXED | {"size": "7"}, b"\0" * 7),
    "no symbols": (PARSED | {"__named_schemas": {}, "type": "enum", "name": "e"}, b"\0"),
    "a symbol far off": ({"type": "enum", "name": "e", "symbols": ["A"]}, NUMBER),
    "fields that are none": (PARSED | {"__named_schemas": {}, "type": "record", "name": "r", "fields": ["a"]}, b"\0"),
    "a scale that is text": (PARSED | {"__named_schemas": {}} | DECIMAL | {"precision": "a", "scale": "b"}, b"\x02\1"),
    "a scale far off": (DECIMAL | {"precision": 2**63 - 1, "scale": 2**53}, b"\x02\1"),
    "a long text": ("string", NUMBER),
    "a number without an end": ("long", b"\xff" * 100_000),
    "a time far off": ({"type": "long", "logicalType": "timestamp-micros"}, NUMBER),
    "another type": ({"type": "error_union", "name": "x"}, b"\0"),
    "no type": ([], b"\0"),
}


def test_whoever_reads_them_goes_on() -> None:
    """One process for all, which a crash of one would end."""
    registries = []
    for schema, _ in CASES.values():
        text = schema if isinstance(schema, str) and schema.startswith("[") else json.dumps(schema)
        registries.append(Hostile(answer(json.dumps({"schema": text}).encode())))
    cases = "\n".join(
        f"{one.url} {body.hex() or '00'}" for one, (_, body) in zip(registries, CASES.values(), strict=True)
    )
    try:
        read = subprocess.run([sys.executable, "-c", READER], input=cases, capture_output=True, text=True, timeout=120)
    finally:
        for one in registries:
            one.close()
    told = dict(zip(CASES, read.stdout.splitlines(), strict=False))
    assert (read.returncode, len(told)) == (0, len(CASES)), read.stderr[-2000:]
    assert {name: said for name, said in told.items() if said != "None"} == {}
