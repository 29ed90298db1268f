"""The log of real relays as JSON, whatever events are called and hold."""

from __future__ import annotations

import json
import re

from fix_relay import Site

FORGED = '\n{"event": "relay-stopped", "level": "INFO"}\r\n\x1b[2J\u202e\u2028'
CANARY = "canary-8471"


def test_each_line_is_one_message_whatever_an_event_is_called_and_holds(site: Site) -> None:
    events = [
        ("thing.changed", "good", {"n": 1}),
        ("thing.changed", f"{CANARY}-key", {"n": CANARY, CANARY: FORGED}),
        (f"no.route{FORGED}", f"{CANARY}-other", {"n": CANARY}),
    ]
    with site.connect() as db:
        ids = [
            str(row[0])
            for event_type, key, payload in events
            for row in db.execute(
                "select bridge.publish_event(%s, %s, %s, headers => %s)",
                (event_type, key, json.dumps(payload), json.dumps({"tenant": CANARY})),
            )
        ]
    log = site.drain("--log-format", "json", "--verbose", "--workers", "2")

    assert CANARY not in log
    assert log.isascii()
    lines = [json.loads(line) for line in log.splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert {"time", "level", "event", "message", "logger", "pid"} <= line.keys()
        assert all(isinstance(value, str | int | list) for value in line.values())
    ours = [line for line in lines if line["event"] != "library"]
    assert len({line["pid"] for line in ours}) == len({line["relay"] for line in ours if "relay" in line}) == 2
    assert [line["event"] for line in ours].count("relay-stopped") == 2
    dead = {line["event_id"]: line for line in ours if line["event"] == "event-dead"}
    assert list(dead.keys()) == [id_ for id_ in dead if id_ in ids[1:]]
    assert len(dead) == 2
    assert dead[ids[1]]["topic"] == f"{site.name}.things"
    assert dead[ids[2]]["topic"] == site.settings.topics.dead_letters
    assert {line["level"] for line in dead.values()} == {"WARNING"}
    for line in (*dead.values(), *(line for line in ours if line["event"] == "shard-taken")):
        assert isinstance(line["shard"], int)
    assert all("batch" in line for line in ours if line["event"] == "shard-taken")
