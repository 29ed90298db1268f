"""What a person must act on shows everywhere that a person looks: status, health, metrics, an alert.

The table in docs/operations.md, "Where it shows", is what this test has seen; BRIDGE_TEST_WRITE_TRANSCRIPT=1 writes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from alert_rules import fires, metric_of
from confluent_kafka.admin import AdminClient, NewTopic
from fix_command import Done, Run
from fix_relay import THING, Site, eventually
from kafka_settings import create
from reaction import publish

from bridge.telemetry.address import parse_address
from bridge.telemetry.asking import ask

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
HEADING = "| what is wrong | `bridge status` | `/healthz` | metric | alert |\n|---|---|---|---|---|\n"
SECONDS = 60.0
# The database is looked at every second instead of every 15, and pages are printed at once; and there is a bug.
PLANTED = """
import pathlib
from bridge.postgres.reading import Reader
from bridge.relay import capture
from bridge.telemetry import press, survey

capture.LOOK_SECONDS = survey.LOOK_SECONDS = 1.0
survey.HOUSE_LOOKS, press.PRINT_SECONDS = 1, 0.5
read = Reader.read

def planted(reader, *arguments):
    if pathlib.Path({switch!r}).exists():
        raise ZeroDivisionError
    return read(reader, *arguments)

Reader.read = planted
"""


class Fault(NamedTuple):
    """One, and where it must show: words of `bridge status` and of a finding of health, and the alert that fires."""

    what: str
    status: str
    health: str
    alert: str
    seed: Callable[[Site], contextlib.AbstractContextManager[None]]


@contextmanager
def a_topic_is_gone(site: Site) -> Iterator[None]:
    topic = f"{site.name}.others"
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    admin.delete_topics([topic])[topic].result(30)
    publish(site, ("other.changed", "o", '{"n": 1}'))
    yield
    eventually(lambda: admin.create_topics([NewTopic(topic, 3, 1)])[topic].exception(30) is None)


@contextmanager
def a_schema_is_held(site: Site) -> Iterator[None]:
    publish(site, ("new.type", "s", '{"n": 1}'))
    yield
    applied = site.bridge("schema", "apply")
    assert applied.returncode == 0, applied.stderr


@contextmanager
def an_event_is_dead(site: Site) -> Iterator[None]:
    publish(site, ("thing.changed", "d", '{"n": "x"}'), ("thing.changed", "d", '{"n": 1}'))
    yield
    assert site.bridge("dead", "skip", "--all", "--reason", "test").returncode == 0


@contextmanager
def postgres_refuses(site: Site) -> Iterator[None]:
    """What a relay notes of a batch; where it could write nothing at all, status would say that its lease ran out."""
    with site.connect() as db:
        db.execute("create function refuse() returns trigger language plpgsql as "
                   "$$ begin raise exception 'there is no room'; end $$")  # fmt: skip
        db.execute("create trigger refuse before insert on bridge.tick for each row execute function refuse()")
        site.publish(1)
        yield
        db.execute("drop trigger refuse on bridge.tick")


@contextmanager
def a_trigger_is_disabled(site: Site) -> Iterator[None]:
    with site.connect() as db:
        db.execute("create table item (id int primary key)")
        db.execute("select bridge.enable_tracking('item')")
        db.execute("alter table item disable trigger user")
        yield
        db.execute("alter table item enable trigger user")


@contextmanager
def a_job_fails(site: Site) -> Iterator[None]:
    failed = "update bridge.policy set outcome = 'error', failures = 3, detail = 'no rights', started_at = now() "
    site.scalar(failed + "where job = 'archive' returning true")
    yield
    site.scalar("update bridge.policy set outcome = 'ok', failures = 0 where job = 'archive' returning true")


@contextmanager
def partitions_end(site: Site) -> Iterator[None]:
    with site.connect() as db:
        ahead = db.execute(
            "select inhrelid::regclass::text, pg_get_expr(c.relpartbound, c.oid) from pg_inherits i"
            " join pg_class c on c.oid = i.inhrelid where inhparent = 'bridge.outbox'::regclass"
            " and c.relname not like '%default' and pg_relation_size(inhrelid) = 0"
        ).fetchall()
        for leaf, _ in ahead:
            db.execute(f"alter table bridge.outbox detach partition {leaf}")
        yield
        for leaf, bound in ahead:
            db.execute(f"alter table bridge.outbox attach partition {leaf} {bound}")


@contextmanager
def an_event_is_left_behind(site: Site) -> Iterator[None]:
    """Parked behind nothing, in a shard that has no reason to look; what a bug did once."""
    site.scalar(
        "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks)"
        " select seq, 'event_queue', id, created_at, shard, %s, 0, 'waiting', true from bridge.event_queue"
        " where event_type = 'thing.changed' and status = 'PROCESSED' limit 1 returning true",
        site.topics[0],
    )
    yield
    site.scalar("update bridge.shard set decisions = decisions + 1 returning true")


@contextmanager
def a_bug(site: Site) -> Iterator[None]:
    switch = site.config.parent / "switch"
    switch.touch()
    site.publish(10)
    yield
    switch.unlink()


@contextmanager
def a_sequence_is_set_back(site: Site) -> Iterator[None]:
    site.scalar("select setval('bridge.event_seq', 1)")
    site.publish(5)
    yield


FAULTS = (
    Fault("a topic that was deleted", "holds topic", "Kafka takes no records", "BridgeTopicHeld", a_topic_is_gone),
    Fault("a schema that may not be registered", "registry.register is false", "registry.register is false",
          "BridgeTopicHeld", a_schema_is_held),
    Fault("a dead event that others wait behind", "dead event holds back", "dead event holds back",
          "BridgeDeadEventsBlock", an_event_is_dead),
    Fault("Postgres refuses (a right, a trigger)", "A server refuses what a relay asks", "an exception was raised",
          "BridgeServerRefuses", postgres_refuses),
    Fault("the tracking of a table is broken", "tracking: ", "of tracked tables", "BridgeTrackingProblem",
          a_trigger_is_disabled),
    Fault("a job of the keeper fails", "keeper: archive: error", "keeper's job archive: it failed 3 times",
          "BridgeKeeperFails", a_job_fails),
    Fault("table partitions come to an end", "has partitions for", "has partitions for", "BridgeRunwayShort",
          partitions_end),
    Fault("events that wait though nothing is in their way", "nothing that is known holds it up",
          "nothing was published for", "BridgeStandsStill", an_event_is_left_behind),
    Fault("what nobody foresaw", "meets what nobody foresaw", "ZeroDivisionError", "BridgeUnforeseen", a_bug),
    Fault("a shard that is stopped", "is stopped: the sequence", "is stopped: the sequence", "BridgeShardStopped",
          a_sequence_is_set_back),
)  # fmt: skip


def test_what_a_person_must_act_on_shows_everywhere(site: Site, run: Run) -> None:
    site.publish(1)
    site.publish(1, event_type="other.changed")
    site.drain()  # makes the topics
    text = site.config.read_text().replace("create_missing = true", "create_missing = false")
    site.config.write_text(text.replace("[registry]\n", "[registry]\nregister = false\n"))
    site.configure("\n")
    site.route("new.type", "new", THING)
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    create(admin, NewTopic(f"{site.name}.new", 3, 1))
    site.plant(PLANTED.format(switch=str(site.config.parent / "switch")))
    relay = site.start("--http", "127.0.0.1:0")
    found = eventually(lambda: re.search("served at http://(.*)/healthz", site.log(relay)))
    address = parse_address(found[1])

    def page(path: str) -> str:
        return ask(address, path, 10).body.decode()

    def findings() -> list[str]:
        return [one["text"] for one in json.loads(page("/healthz"))["findings"]]

    def says(words: str) -> Done | None:
        """What `bridge status` said, if it has these words."""
        told = run("status", "--config", str(site.config))
        return told if words in told.out else None

    eventually(lambda: ask(address, "/readyz", 10).status == 200)
    rows = []
    for fault in FAULTS:
        eventually(lambda: run("status", "--config", str(site.config)).code == 0, SECONDS)
        eventually(lambda: not fires(fault.alert, page("/metrics")), SECONDS)  # noqa: B023
        with fault.seed(site):
            eventually(lambda: any(fault.health in text for text in findings()), SECONDS)  # noqa: B023
            told = eventually(lambda: says(fault.status), SECONDS)  # noqa: B023
            eventually(lambda: fires(fault.alert, page("/metrics")), SECONDS)  # noqa: B023
            rows.append(
                f"| {fault.what} | exit code {told.code}: *{fault.status.strip()}* | *{fault.health}* |"
                f" `{metric_of(fault.alert)}` | [{fault.alert}](#{fault.alert.lower()}) |"
            )
    site.end(relay, code=5)
    table = HEADING + "\n".join(rows) + "\n"
    document = DOCUMENT.read_text("utf-8")
    former = document[document.index(HEADING) :].partition("\n\n")[0] + "\n"
    if os.environ.get("BRIDGE_TEST_WRITE_TRANSCRIPT"):
        DOCUMENT.write_text(document.replace(former, table), "utf-8")
    else:
        assert table == former


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.alert)
def test_each_alert_stands_in_the_runbook(fault: Fault) -> None:
    assert f"### {fault.alert}\n" in DOCUMENT.read_text("utf-8")


def test_nobody_is_at_work(site: Site, run: Run) -> None:
    """It needs a person once something has waited for a minute: a relay that is replaced is back before."""
    site.publish(1)
    site.drain()
    assert run("status", "--config", str(site.config)).code == 0
    site.publish(1)
    told = run("status", "--config", str(site.config))
    assert (told.code, "No relay is at work" in told.out) == (0, True)
    with site.connect() as db:
        db.execute("update bridge.outbox set created_at = created_at - interval '61 seconds'")
    assert run("status", "--config", str(site.config)).code == 5


def test_a_relay_without_a_shard_is_at_work(site: Site, run: Run) -> None:
    """All are stopped: a person is to decide, and to start another relay would be of no use."""
    relay = site.start()
    eventually(lambda: site.scalar("select count(owner) = count(*) from bridge.shard"))
    site.scalar("update bridge.shard set stopped = 'a copy', owner = null, lease_until = null returning true")
    eventually(lambda: "a copy" in site.log(relay))
    told = run("status", "--config", str(site.config))
    assert (told.code, "a copy" in told.out, "No relay is at work" in told.out) == (5, True, False)
    site.end(relay, code=5)
