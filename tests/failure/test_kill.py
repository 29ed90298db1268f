"""kill -9 at any moment, again and again, while writers write."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from fix_relay import Site, eventually

WRITERS = 4


class Writer(threading.Thread):
    """Writes up to `allowed` events, until told to end: several a transaction, some long, some rolled back."""

    def __init__(self, site: Site, seed: int) -> None:
        super().__init__()
        self.committed = self.allowed = 0
        self.ending = threading.Event()
        self._site, self._random = site, random.Random(seed)

    def run(self) -> None:
        with psycopg.connect(self._site.settings.database.url) as db:
            while not self.ending.is_set() or self.committed < self.allowed:
                if self.committed >= self.allowed:
                    self.ending.wait(0.01)
                    continue
                size = self._random.choice((1, 1, 1, 2, 5, 20))
                # Keys in order, or two writers could wait for each other's.
                for key in sorted(self._random.randrange(50) for _ in range(size)):
                    db.execute("select bridge.publish_event('thing.changed', %s, '{\"n\": 1}')", (f"k{key}",))
                if self._random.random() < 0.1:
                    db.rollback()
                    continue
                if self._random.random() < 0.05:
                    db.execute("select pg_sleep(0.2)")
                db.commit()
                self.committed += size


@contextmanager
def writing(site: Site, seed: int) -> Iterator[list[Writer]]:
    writers = [Writer(site, seed + number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.ending.set()
        for writer in writers:
            writer.join()


def kill_again_and_again(site: Site, *, kills: int, events: int) -> None:
    seed = int(os.environ.get("BRIDGE_TEST_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}")  # shown when the test fails; BRIDGE_TEST_SEED repeats it
    moments = random.Random(seed)
    with writing(site, seed) as writers:
        for number in range(1, kills + 1):
            for writer in writers:  # so that there is something to write until the last kill
                writer.allowed = events * number // kills // WRITERS
            relay = site.start()
            done = threading.Event()
            done.wait(moments.uniform(1.0, 5.0))  # the moment of the kill, not synchronisation
            assert relay.poll() is None, site.log(relay)
            relay.kill()
            relay.wait()
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == sum(writer.committed for writer in writers)
    eventually(lambda: site.pending() == 0)


@pytest.mark.relay("batch_rows = 200")
def test_a_few_kills(site: Site) -> None:
    kill_again_and_again(site, kills=6, events=8_000)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.relay("batch_rows = 500")
def test_a_hundred_kills_during_a_hundred_thousand_events(site: Site) -> None:
    kill_again_and_again(site, kills=100, events=100_000)
