"""The writers' own account: per key a consumer must find 1, 2, 3, ... up to what the counters' table says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from auditor import Schemas
from chaos.writers import Writer
from fix_relay import Site


def count_gaps(site: Site, writers: Sequence[Writer]) -> list[str]:
    """What is wrong with the numbers, by topic and key; nothing when all is well."""
    with site.connect() as db:
        final = dict(db.execute("select key, n from public.counter").fetchall())
    wrong = [
        f"{key}: {writer.name} was told of {n}, the table ends at {final[key]}"
        for writer in writers
        for key, n in writer.told.items()
        if n > final[key]
    ]
    records = site.records()
    schemas = Schemas(site.settings.registry.url)
    events = ((record.key.decode(), schemas.decode(record.value)["n"]) for record in records[f"{site.name}.things"])
    changes = (
        (state["key"], state["n"])
        for record in records[f"{site.name}.entity_events"]
        if (state := json.loads(schemas.decode(record.value)["new_state"]))
    )
    return wrong + _gaps("events", events, final) + _gaps("changes", changes, final)


def _gaps(what: str, numbers: Iterable[tuple[str, int]], final: dict[str, int]) -> list[str]:
    wrong = []
    last: Counter[str] = Counter()
    for key, n in numbers:
        if n != last[key] + 1:
            wrong.append(f"{what} of {key}: {n} after {last[key]}")
        last[key] = n
    return wrong + [f"{what} of {key} end at {last[key]}, not {n}" for key, n in final.items() if last[key] != n]
