"""The sequence of event numbers is set back: by a person, a script, or a restore of it alone."""

from __future__ import annotations

import pytest
from fix_command import data_of
from fix_relay import Site, eventually

QUICK = "batch_rows = 100"
SET_BACK = "select setval('bridge.event_seq', %s)"


def write(site: Site, count: int, keys: int = 5) -> None:
    """Events of both tables."""
    site.publish(count, keys=keys)
    site.change(count // 2)


def assert_said(site: Site) -> None:
    status = site.bridge("status")
    assert (status.returncode, "bridge.event_seq stands at" in status.stdout) == (5, True), status
    verdict = site.bridge("verify")
    assert verdict.returncode == 6, verdict
    assert "was set back" in verdict.stdout + verdict.stderr


def assert_in_the_order_of_writing(site: Site) -> None:
    found = [(record.key.decode(), record.headers["ce_id"]) for record in site.records()[f"{site.name}.things"]]
    with site.connect() as db:
        written = db.execute(
            "select event_key, id::text from bridge.event_queue where status = 'PROCESSED' order by created_at"
        ).fetchall()
    assert sorted(found) == sorted(written)
    for key in {key for key, _ in written}:
        assert [pair for pair in found if pair[0] == key] == [pair for pair in written if pair[0] == key]


def assert_goes_on_without_its_dead(site: Site, count: int) -> None:
    """So many events are dead, each once; given up, they hold nothing back."""
    dead = data_of(site.bridge("dead", "list", "--json").stdout)
    assert len({row["event_id"] for row in dead}) == len(dead) == count
    site.written -= {row["event_id"] for row in dead}
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert_in_the_order_of_writing(site)


def assert_recovers(site: Site) -> None:
    dry = site.bridge("recover", "--dry-run")
    assert dry.returncode == 0, dry
    assert "all events that no batch has read get new ones" in dry.stdout
    assert site.scalar("select bool_and(stopped is not null) from bridge.shard"), "nothing has been done yet"
    refused = site.bridge("recover", "--yes")
    assert (refused.returncode, "repair_numbers" in refused.stderr) == (3, True), refused  # it changes events
    done = site.bridge("recover", "--yes", environment=site.as_owner)
    assert done.returncode == 0, done
    assert site.bridge("recover", "--yes", environment=site.as_owner).stderr == "No shard is stopped.\n"
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == len(site.written)
    assert_in_the_order_of_writing(site)
    assert site.bridge("verify").returncode == 0


@pytest.mark.relay(QUICK)
def test_while_no_relay_runs(site: Site) -> None:
    write(site, 100)
    site.drain()
    site.scalar(SET_BACK, 1)
    write(site, 20)
    assert_said(site)
    site.assert_stops("bridge.event_seq stands at")
    assert_recovers(site)


@pytest.mark.relay("batch_rows = 1")
def test_behind_what_is_still_to_be_read(site: Site) -> None:
    """It is noticed before the first event is carried: what is written meanwhile has the numbers of others."""
    write(site, 40)
    site.scalar(SET_BACK, 30)
    site.assert_stops("bridge.event_seq stands at")
    assert_recovers(site)


@pytest.mark.relay(QUICK)
def test_while_a_relay_is_idle(site: Site) -> None:
    """It is noticed before anything is written: what comes then is not passed."""
    relay = site.start()
    write(site, 100)
    eventually(lambda: site.pending() == 0)
    site.scalar(SET_BACK, 1)
    eventually(lambda: site.scalar("select bool_and(stopped is not null) from bridge.shard"))
    write(site, 20)
    assert_said(site)
    eventually(lambda: "bridge recover" in site.log(relay))
    assert site.bridge("recover", "--yes", environment=site.as_owner).returncode == 0
    write(site, 20)
    site.assert_exactly_once(relay)
    assert_in_the_order_of_writing(site)
    assert site.bridge("verify").returncode == 0


@pytest.mark.relay(QUICK)
def test_with_events_in_flight_and_pending_and_dead(site: Site) -> None:
    """Numbers that pending events have are given again; which of two was written first is known by their times."""
    write(site, 50)
    site.drain()
    with site.connect() as db:
        db.execute("select bridge.publish_event('thing.changed', 'k0', '{\"n\": \"no number\"}')")
    write(site, 200)
    killed = site.start(failpoint="published:kill")  # what it published is in flight
    killed.wait(60)
    site.scalar(SET_BACK, 60)
    write(site, 300)  # now the sequence is above all numbers of before, while no relay runs
    assert site.scalar("select count(*) - count(distinct seq) from bridge.outbox") > 0
    site.scalar(SET_BACK, 70)
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert "bridge.event_seq stands at" in site.log(relay)
    write(site, 500)  # and again it is above
    assert site.bridge("recover", "--yes", environment=site.as_owner).returncode == 0
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert_goes_on_without_its_dead(site, 1)


@pytest.mark.relay(QUICK)
def test_with_events_in_flight_of_a_shard_that_is_not_stopped(site: Site) -> None:
    """They keep their numbers: its next relay learns from Kafka that they were published, and reads on behind them."""
    write(site, 50)
    site.drain()
    with site.connect() as db:
        for key in range(5):
            db.execute("select bridge.publish_event('thing.changed', %s, '{\"n\": \"no number\"}')", [f"k{key}"])
        db.execute("update bridge.shard set stopped = 'set back', renumber = true where shard = 1")
    write(site, 200)
    killed = site.start(failpoint="published:kill")
    killed.wait(60)
    assert site.scalar("select jsonb_array_length(in_flight -> 'changes') > 0 from bridge.shard where shard = 0")
    site.scalar(SET_BACK, 60)
    write(site, 300)
    done = site.bridge("recover", "--yes", environment=site.as_owner)
    assert done.returncode == 0, done
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert_goes_on_without_its_dead(site, 5)


@pytest.mark.relay(QUICK)
def test_with_numbers_passed_in_flight_that_no_event_has(site: Site) -> None:
    """Those of transactions that were rolled back: its shard goes on behind them, and new ones must be, too."""
    write(site, 50)
    site.drain()
    site.rows("update bridge.shard set stopped = 'set back', renumber = true where shard = 1 returning 1")
    write(site, 200)
    site.scalar("select max(nextval('bridge.event_seq')) from generate_series(1, 1000)")
    batches = site.scalar("select count(*) / 100 + 1 from bridge.unread where shard = 0")
    killed = site.start(failpoint=f"published:kill@{batches}")
    killed.wait(60)
    as_if_no_transaction_were_open = (  # of other tests, in this cluster
        "update bridge.shard"
        "   set in_flight = jsonb_set(in_flight, '{position,scan_from}', in_flight #> '{position,cursor}')"
        " where shard = 0 returning (in_flight #>> '{position,scan_from}')::bigint"
    )
    assert site.scalar(as_if_no_transaction_were_open) > 1000
    site.scalar(SET_BACK, 60)
    write(site, 20)
    assert site.bridge("recover", "--yes", environment=site.as_owner).returncode == 0
    write(site, 1000)
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == len(site.written)


def test_below_the_numbers_of_another_shard(site: Site) -> None:
    """One that had no event for long stops, too: what it would park now has numbers of the other's parked events."""
    of_shard: dict[int, list[str]] = {0: [], 1: []}
    for key in (f"k{number}" for number in range(50)):
        of_shard[site.scalar("select bridge.shard_of(%s)", key)].append(key)

    def bury(keys: list[str]) -> None:
        with site.connect() as db:
            for key in keys:
                db.execute("select bridge.publish_event('thing.changed', %s, '{\"n\": \"no number\"}')", [key])

    bury(of_shard[1][:3])
    site.drain()
    bury(of_shard[0][:10])
    site.drain()
    site.rows("update bridge.shard set scan_from = 3, cursor = 3 where shard = 1 returning 1")  # no relay looked since
    site.scalar(SET_BACK, 3)
    bury(of_shard[1][3:8])
    site.assert_stops("bridge.event_seq stands at")
    assert (
        site.scalar("select count(*) from bridge.shard where renumber and stopped like 'shard ' || shard || ' is %%'")
        == 2
    )
    assert site.bridge("recover", "--yes", environment=site.as_owner).returncode == 0
    site.drain()
    assert site.scalar("select count(*) from bridge.event_queue where status = 'DEAD'") == 18
    audit = site.audit()
    assert audit.is_clean, audit


@pytest.mark.relay(QUICK)
def test_once_more_below_where_reading_began_anew(site: Site) -> None:
    """What a recovery has found read is told by numbers alone: those that are given again are not meant."""
    write(site, 100)
    site.drain()
    for number in (1, 2, 50):
        site.scalar(SET_BACK, number)
        write(site, 20)
        assert site.start("--until-empty").wait(60) == 5
        assert site.bridge("recover", "--yes", environment=site.as_owner).returncode == 0
        site.drain()
        if number == 2:  # which lets it begin anew, too
            site.rows("select bridge.set_shard_count(3)")
    audit = site.audit()
    assert audit.is_clean, audit
    assert_in_the_order_of_writing(site)


def test_while_a_shard_is_stopped_for_another_reason(site: Site) -> None:
    """It would begin anew behind the last number drawn, and publish again all that have higher ones."""
    write(site, 100)
    site.drain()
    site.rows("update bridge.shard set database = 1 returning 1")
    site.assert_stops("of which this one is a copy")
    site.scalar(SET_BACK, 1)
    write(site, 10)
    done = site.bridge("recover", "--yes", environment=site.as_owner)
    assert (done.returncode, done.stdout.count("numbers were given twice")) == (0, 2), done
    write(site, 300)  # now the sequence is above all numbers of before
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == len(site.written)


def test_changes_that_their_transaction_put_in_order(site: Site) -> None:
    """A row is changed inside the statement that inserts it: that change is recorded first, at an earlier time."""
    with site.connect() as db:
        db.execute(
            "create table public.nested (id int primary key, n int);"
            "create function public.change_first() returns int language plpgsql as"
            " $$ begin update public.nested set n = 100 where id = 1; return 0; end $$;"
            "select bridge.enable_tracking('public.nested')"
        )
    write(site, 20)
    site.drain()
    with site.connect() as db:
        db.execute(
            "insert into public.nested select i, case i when 2 then change_first() end from generate_series(1, 2) i"
        )
    ordered = "select action from bridge.history where entity_type = 'nested' and entity_id = '1' order by "
    assert site.rows(ordered + "occurred_at") == [("UPDATE",), ("INSERT",)]
    site.scalar(SET_BACK, 1)
    site.assert_stops("bridge.event_seq stands at")
    assert site.bridge("recover", "--yes", environment=site.as_owner).returncode == 0
    assert site.rows(ordered + "seq") == [("INSERT",), ("UPDATE",)]


def test_what_may_be_unread_is_not_erased_or_replayed_and_does_not_leave(site: Site) -> None:
    """Events whose numbers were given before look as if they were read."""
    write(site, 20)
    site.drain()
    known = site.scalar("select bridge.finish_partitions()")
    site.scalar(SET_BACK, 1)
    site.publish(5, keys=1)
    site.rows("update bridge.shard set scan_from = cursor returning 1")  # as it is after some batches
    refused = site.bridge("erase", "k0", "--yes", "--reason", "test", environment=site.as_owner)
    assert (refused.returncode, "was set back" in refused.stderr) == (3, True), refused
    refused = site.bridge("replay", "--from", "2000-01-01", "--to", "2100-01-01")
    assert (refused.returncode, "was set back" in refused.stderr) == (3, True), refused
    site.assert_stops("bridge.event_seq stands at")
    site.rows("update bridge.finished set up_to = '2000-01-01' returning 1")
    assert site.scalar("select bridge.finish_partitions()") < known
    assert_recovers(site)


def test_the_number_of_shards_is_not_changed_meanwhile(site: Site) -> None:
    write(site, 20)
    site.drain()
    site.scalar(SET_BACK, 1)
    done = site.bridge("status")
    assert "was set back" in done.stdout
    with site.connect() as db, pytest.raises(Exception, match="an event has the number"):
        db.execute("select bridge.set_shard_count(3)")
