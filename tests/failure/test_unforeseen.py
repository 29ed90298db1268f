"""Bugs that nobody foresaw: planted into a relay's process from outside, because the product has none for tests.

A `sitecustomize` module on the relay's path replaces a function by one that raises ZeroDivisionError now and then.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from at_length import at_length
from fix_relay import Site, eventually
from reaction import (
    BOTH_DELIVERIES,
    SECONDS,
    assert_all_is_well,
    assert_calm,
    assert_decided,
    assert_flows,
    assert_says,
    assert_shown,
    end,
    left,
    publish_everywhere,
    status_of,
)

CANARY = "S3CR3T-in-a-payload"
PLANT = """
import functools, pathlib, threading

def wrap(owner, name, decide):
    whole = getattr(owner, name)
    @functools.wraps(whole)
    def planted(*arguments, **named):
        if decide(*arguments, **named):
            raise ZeroDivisionError({secret!r})
        return whole(*arguments, **named)
    setattr(owner, name, planted)

{body}
"""
# Whatever class of the encoder's module makes records.
IN_ENCODER = """
import bridge.encoding.encoder as module
for owner in [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]:
    if "record" in vars(owner):
        wrap(owner, "record", lambda self, event, *_: {condition})
"""
IN_READER = """
from bridge.postgres.reading import Reader
wrap(Reader, "read", lambda self, *_, **__: self._shard == 1 and pathlib.Path({switch!r}).exists())
"""
IN_PRODUCER = """
from bridge.kafka.producer import ShardProducer
wrap(ShardProducer, "publish", lambda self, *_, **__: self._shard == 1 and pathlib.Path({switch!r}).exists())
"""
# Outside any loop that could catch it: where the thread of a shard begins.
IN_THREAD = """
wrap(threading.Thread, "run", lambda self: self.name == "shard-1" and pathlib.Path({switch!r}).exists())
"""


def plant(site: Site, body: str) -> None:
    """For relays that start from now on."""
    site.plant(PLANT.format(secret=CANARY, body=body))


@BOTH_DELIVERIES
@pytest.mark.parametrize("count", [3, *at_length(1)])
def test_events_that_meet_a_bug(site: Site, count: int) -> None:
    """After three failures of their batch they are tried one by one, and parked as dead: where, but not what."""
    plant(site, IN_ENCODER.format(condition="event.key.startswith('bug')"))
    relay = site.start()
    assert_flows(site)
    with site.connect() as db:
        db.execute("begin")
        ids = [
            str(db.execute("select bridge.publish_event('thing.changed', %s, %s)", (key, '{"n": 1}')).fetchone()[0])
            for n in range(count)
            for key in (f"bug{n}", f"good{n}")
        ]
        db.execute("commit")
    assert_decided(site, ids, 2 * SECONDS)
    assert [status_of(site, id_) for id_ in ids] == ["DEAD", "PROCESSED"] * count
    assert_flows(site)
    listed = site.bridge("dead", "list").stdout
    assert listed.count("ZeroDivisionError") == count, listed
    reason = site.scalar("select min(reason) from bridge.parked where state = 'dead'")
    assert "bridge/" in reason  # the place
    assert CANARY not in reason
    assert CANARY not in listed
    assert_says(site, relay, "ERROR", "ZeroDivisionError")
    assert_calm(site, relay)
    assert end(site, relay) == 0
    audit = site.audit()
    assert audit.is_clean, audit


@BOTH_DELIVERIES
@pytest.mark.parametrize("body", [IN_READER, IN_PRODUCER, *at_length(IN_THREAD)], ids=["reader", "producer", "thread"])
def test_a_shard_that_meets_a_bug(site: Site, tmp_path: Path, body: str) -> None:
    """It waits with a growing pause, says why once, and is shown; the other shard flows; SIGTERM is answered."""
    switch = tmp_path / "switch"
    switch.touch()
    plant(site, body.format(switch=str(switch)))
    relay = site.start()
    ids = publish_everywhere(site)
    eventually(lambda: len(left(site, ids)) <= 1, SECONDS)
    (waiting,) = left(site, ids)
    assert waiting[2] == 1  # its shard
    assert_says(site, relay, "WARNING|ERROR", "shard 1", "ZeroDivisionError")
    assert_calm(site, relay)
    assert_shown(site, "ZeroDivisionError")
    more = publish_everywhere(site)
    eventually(lambda: len(left(site, more)) <= 1, SECONDS)
    switch.unlink()  # as if the cause had passed
    assert_decided(site, ids)
    assert_flows(site)
    site.bridge("dead", "retry", "--all", "--yes")  # an event that failed alone may have been given up meanwhile
    assert_all_is_well(site)
    assert end(site, relay) == 0
    assert CANARY not in site.log(relay)
    audit = site.audit()
    assert audit.is_clean, audit


def test_sigterm_while_a_shard_meets_a_bug(site: Site, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    switch.touch()
    plant(site, IN_READER.format(switch=str(switch)))
    relay = site.start()
    assert_says(site, relay, "WARNING|ERROR", "shard 1", "ZeroDivisionError")
    assert end(site, relay) in (0, 5)


def test_until_empty_ends_and_says_that_it_is_not(site: Site, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    switch.touch()
    plant(site, IN_READER.format(switch=str(switch)))
    publish_everywhere(site)
    relay = site.start("--until-empty")
    assert relay.wait(2 * SECONDS) not in (0, 1), site.log(relay)
    assert "ZeroDivisionError" in site.log(relay)
    assert site.pending() == 1


# The connection of the loop that shares the shards out, and no shard's own.
IN_RELAY = """
import psycopg
class Planted(psycopg.Connection):
    def execute(self, statement, *arguments, **named):
        if "bridge.relay" in str(statement) and pathlib.Path({switch!r}).exists():
            raise ZeroDivisionError({secret!r})
        return super().execute(statement, *arguments, **named)
psycopg.connect = Planted.connect
"""


def test_a_bug_in_the_loop_around_all_shards(site: Site, tmp_path: Path) -> None:
    """It goes on, and its shards do meanwhile: a lease is renewed all the same."""
    switch = tmp_path / "switch"
    plant(site, IN_RELAY.format(switch=str(switch), secret=CANARY))
    relay = site.start()
    assert_flows(site)
    switch.touch()
    assert_says(site, relay, "WARNING|ERROR", "ZeroDivisionError")
    assert_calm(site, relay)
    assert_flows(site)
    switch.unlink()
    assert_flows(site)
    eventually(lambda: "gets on again" in site.log(relay))  # its shards flowed all the while
    assert_all_is_well(site)
    assert end(site, relay) == 0
