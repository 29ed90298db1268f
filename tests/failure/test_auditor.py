"""The auditor finds every kind of defect; otherwise what it finds clean would mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import auditor
import pytest
from auditor import Audit, Found
from confluent_kafka import Producer
from fix_relay import Site


def put(site: Site, record: Found) -> None:
    producer = Producer({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    headers = {**record.headers}
    producer.produce(f"{site.name}.things", record.value, record.key, record.partition, headers=headers)
    assert producer.flush(30) == 0


def execute(site: Site, statement: str) -> None:
    with site.connect() as db:
        db.execute(statement)


def put_twice(site: Site, last: Found) -> None:
    put(site, last)


def pass_unpublished(site: Site, last: Found) -> None:
    site.publish(1)
    execute(site, "update bridge.shard set all_to = (select max(seq) from bridge.outbox)")


def forget_a_commit(site: Site, last: Found) -> None:
    site.written.add("00000000-0000-0000-0000-000000000000")


def put_late(site: Site, last: Found) -> None:
    site.publish(1, keys=1)
    (id_,) = site.written - {last.headers["ce_id"]}
    execute(site, f"update bridge.outbox set seq = -1 where id = '{id_}'")  # where all is read
    put(site, last._replace(headers={**last.headers, "ce_id": id_}))


def put_unwritten(site: Site, last: Found) -> None:
    put(site, last._replace(headers={**last.headers, "ce_id": "00000000-0000-0000-0000-000000000000"}))


def change_the_row(site: Site, last: Found) -> None:
    execute(site, "update bridge.outbox set payload = '{\"n\": 77}'")


def leave_a_transaction_open(site: Site, last: Found) -> None:
    producer = Producer(
        {"bootstrap.servers": site.settings.kafka.bootstrap_servers, "transactional.id": f"{site.name}-hanging"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{site.name}.things", last.value, last.key, last.partition)
    assert producer.flush(30) == 0


def change_the_ledger(site: Site, last: Found) -> None:
    execute(site, "update bridge.shard set batch_no = batch_no + 1 where batch_no > 0")


@pytest.mark.parametrize(
    ("defect", "kind"),
    [
        (put_twice, "duplicated"),
        (pass_unpublished, "lost"),
        (forget_a_commit, "lost"),
        (put_late, "reordered"),
        (put_unwritten, "phantom"),
        (change_the_row, "changed"),
        (leave_a_transaction_open, "hanging"),
        (change_the_ledger, "unsettled"),
    ],
)
def test_a_defect_is_found(
    site: Site, defect: Callable[[Site, Found], None], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish(1, keys=1)
    site.drain()
    assert site.audit().is_clean
    monkeypatch.setattr(auditor, "PATIENCE_SECONDS", 0)  # all that was under way has ended
    defect(site, site.records()[f"{site.name}.things"][0])
    audit = site.audit()
    assert {field.name for field in fields(Audit) if field.name != "published" and getattr(audit, field.name)} == {kind}
