"""A record that Kafka refuses while much is replayed: neither it nor the replay keeps new events waiting."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from model.database import Database
from model.topics import DEAD, ROUTES, TOPIC, Encoder, Kafka, Published

from bridge.encoding.routing import all_topics
from bridge.errors import RecordRefused
from bridge.event import Record
from bridge.settings import RelaySettings, Settings, TopicSettings
from bridge.shard.holds import TopicHolds
from bridge.shard.ledger import ControlRecord
from bridge.shard.shard import Shard
from bridge.shard.suspicion import Suspicion

MOST, REPLAYED, NEW = 16, 200, 8
STEPS = 40  # a bisection, and what is left of the batch


class RefusingKafka(Kafka):
    """It takes no batch with one record."""

    refused = 0

    def publish(self, control: ControlRecord, records: Iterable[Record]) -> None:
        records = list(records)
        if any(record.topic != DEAD and record.value == str(self.refused).encode() for record in records):
            raise RecordRefused("no")
        super().publish(control, records)


@pytest.mark.parametrize("refused", [3, REPLAYED + 5], ids=["replayed", "new"])
def test_new_events_do_not_wait_for_a_replay_while_a_record_is_looked_for(refused: int) -> None:
    settings = Settings(relay=RelaySettings(batch_rows=MOST), topics=TopicSettings(dead_letters=DEAD), routes=ROUTES)
    db, encoder = Database(most=MOST, topics=all_topics(settings)), Encoder()
    log: list[Published] = []
    kafka = RefusingKafka(MOST, lambda _: None, lambda: 0.0, log, is_exact=True)
    holds, suspicion = TopicHolds(settings, lambda: db.now, encoder.unwritable), Suspicion()

    def take() -> Shard:
        return Shard.take_over(settings, db.stores[0], kafka, encoder, holds, suspicion, lambda: db.now)

    def write(count: int) -> None:
        xid = db.begin()
        for number in range(count):
            db.insert(xid, chr(ord("a") + number % 26))
        db.end(xid, commits=True)

    def published() -> set[int]:
        return {int(record.value or 0) for record, *_ in log}

    write(REPLAYED)
    shard = take()
    for _ in range(2):
        while not shard.step().is_idle:
            pass
        db.now += 10.0  # what is in flight is settled
    assert len(db.replay({row.seq for row in db.rows}, TOPIC)) == REPLAYED
    write(NEW)
    kafka.refused = refused
    for _ in range(STEPS):
        try:
            shard.step()
        except RecordRefused as error:
            assert shard.in_hand is not None
            suspicion.failed(shard.in_hand.seqs, str(error), is_chance=False)
            shard = take()
        db.now += 0.2  # what is in flight is settled by the next step
    assert published() >= set(range(REPLAYED + 1, REPLAYED + NEW + 1))
    assert not suspicion.is_narrowing
    assert [record.value for record, *_ in log if record.topic == DEAD] == [str(refused).encode()]
