"""What people do to a database as a whole, at random, while relays have been killed, or stand still, at any place.

Some shards have a batch in flight then, published or not, and others not; some are stopped. At the end all is drained,
and nothing may be lost, doubled or out of order. A seed repeats which relays end where and what is done between.
"""

from __future__ import annotations

import random
import signal
import time
from subprocess import TimeoutExpired

import long_run
import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from fix_database import copy_of
from fix_relay import Site, eventually, is_stopped
from forked import Process

from bridge.failpoint import NAMES
from bridge.settings import Delivery

SHARDS, ROUNDS, MANY_ROUNDS = 3, 2, 8
QUICK = "batch_rows = 15"
KEYS = 12
IN_A_TAKEOVER = [name for name in NAMES if name.startswith("takeover")]
IN_A_BATCH = [name for name in NAMES if not name.startswith(("takeover", "keeper"))]
FAR_BACK = 400  # a sequence that is set back so far is not drawn past what events have, before a relay looks
WRITE = """
insert into bridge.event_queue (event_type, event_key, payload, available_at)
select 'thing.changed', 'k' || floor(random() * %(keys)s)::int,
       jsonb_build_object('n', case when random() < 0.03 then '"no number"' else to_jsonb(g) end),
       case when random() < 0.03 then clock_timestamp() + interval '1 second' end
  from generate_series(1, %(count)s) as g
returning id::text
"""
TRACKED = """
create table public.item (id int primary key, n int);
insert into public.item select g, 0 from generate_series(1, 50) as g;
select bridge.enable_tracking('public.item');
"""


def stands(relay: Process) -> bool:
    """Also one that may be ending."""
    try:
        return is_stopped(relay.pid)
    except OSError:  # one of its threads has just ended
        return False


class Scene:
    """One site, and its relays that stand still."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.dice = site, random.Random(seed)
        self.standing: list[Process] = []
        self.mended: set[str] = set()  # events, by id; and of these
        self.unmended: set[str] = set()  # those that a restored database does not know to be
        self.renumbered: set[str] = set()  # changes, whose records tell their number: perhaps the former
        with site.connect() as db:
            db.execute(f"select bridge.set_shard_count({SHARDS})")
            db.execute("select count(nextval('bridge.event_seq')) from generate_series(1, %s)", [FAR_BACK])
            db.execute(TRACKED)

    def note(self, act: str) -> None:
        """Shown when the test fails."""
        print(act, flush=True)

    # Writing and carrying

    def write(self, most: int = 60) -> None:
        with self.site.connect() as db:
            count = self.dice.randint(1, most)
            db.execute("select setseed(%s)", (self.dice.random(),))
            self.site.written.update(id_ for (id_,) in db.execute(WRITE, {"keys": KEYS, "count": count}))
            db.execute("update public.item set n = n + 1 where id %% 10 = %s", (self.dice.randrange(10),))
            if self.dice.random() < 0.3:  # numbers that no event has
                db.execute("select count(nextval('bridge.event_seq')) from generate_series(1, 20)")

    def relay_that_ends_somewhere(self) -> None:
        name = self.dice.choice(IN_A_BATCH if self.dice.random() < 0.8 else IN_A_TAKEOVER)
        # One that stands in the middle of a claim keeps its row, and others' transactions, from everybody.
        action = self.dice.choice(("kill", "kill", "kill" if name == "claiming" else "stop"))
        failpoint = f"{name}:{action}@{self.dice.randint(1, 5)}"
        relay = self.site.start("--until-empty", failpoint=failpoint)
        eventually(lambda: relay.poll() is not None or stands(relay), 60, lambda: self.site.log(relay))
        self.note(f"relay {failpoint}: {relay.poll()}")
        if relay.poll() is None:
            self.standing.append(relay)

    def go_on(self) -> None:
        for relay in self.standing:
            relay.send_signal(signal.SIGCONT)
        for relay in self.standing:
            try:
                self.note(f"went on: {relay.wait(60)}")
            except TimeoutExpired:
                raise AssertionError(self.site.log(relay)) from None
        self.standing.clear()

    def relay_until_empty(self) -> int:
        relay = self.site.start("--until-empty")
        try:
            code = relay.wait(60)
        except TimeoutExpired:
            raise AssertionError(self.site.log(relay)) from None
        self.note(f"relay: {code}")
        assert code in (0, 5), self.site.log(relay)
        return code

    # What people do

    def perhaps_killed(self, *failpoints: str) -> dict[str, str]:
        """A command's environment: now and then it ends somewhere, and nobody but the next one goes on with it."""
        if self.dice.random() < 0.6:
            return {}
        return {"BRIDGE_FAILPOINT": f"{self.dice.choice(failpoints)}:kill@{self.dice.randint(1, 3)}"}

    def set_the_sequence_back(self) -> None:
        last = self.site.scalar("select last_value from bridge.event_seq")
        self.site.scalar("select setval('bridge.event_seq', %s)", last - FAR_BACK)
        self.note(f"sequence set back from {last}")
        writes = 5
        while self.site.scalar("select bridge.is_set_back()"):
            if self.dice.random() < 0.5 and writes:
                self.write(10)
                writes -= 1
            if self.dice.random() < 0.5:
                self.relay_that_ends_somewhere()
            else:
                self.relay_until_empty()
            self.recover()

    def delete_the_control_topic(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.site.settings.kafka.bootstrap_servers})
        control = self.site.settings.topics.control
        for deleted in admin.delete_topics([control], operation_timeout=30).values():
            deleted.result()
        eventually(lambda: control not in admin.list_topics(timeout=10).topics)
        self.note("control topic deleted")
        self.relay_until_empty()

    def recover(self) -> None:
        shards = self.site.scalar("select count(*) from bridge.shard")
        only = ("--shard", str(self.dice.randrange(shards))) if self.dice.random() < 0.3 else ()
        assert self._recover(*only) in (0, 3)

    def _recover(self, *only: str) -> int:
        """A restored database may have renumbered what Kafka has; its exit code."""
        before = self.site.rows("select id::text, seq from bridge.history")
        done = self.site.bridge("recover", "--yes", *only, environment=self.site.as_owner)
        self.renumbered |= {id_ for id_, _ in {*before} - {*self.site.rows("select id::text, seq from bridge.history")}}
        self.note(f"recover {only}: {done.returncode} {done.stderr.splitlines()[:1]}")
        return done.returncode

    def decide_about_the_dead(self) -> None:
        decision = self.dice.choice(("retry", "skip"))
        if decision == "retry":
            with self.site.connect() as db:
                mended = db.execute(
                    "update bridge.outbox set payload = '{\"n\": 1}' where id in"
                    " (select event_id from bridge.parked where state = 'dead') returning id::text"
                )
                self.mended.update(id_ for (id_,) in mended)
        done = self.site.bridge("dead", decision, "--all", "--yes", "--reason", "test")
        self.note(f"dead {decision}: {done.stdout.strip()}")
        assert done.returncode == 0, done

    def replay(self) -> None:
        key = ("--key", f"k{self.dice.randrange(KEYS)}")
        killed = self.perhaps_killed("replay_parked")
        done = self.site.bridge("replay", "--from", "2000-01-01", "--to", "2100-01-01", *key, environment=killed)
        self.note(f"replay {key}: {done.returncode} {(done.stderr or done.stdout).splitlines()[-1:]}")

    def erase(self) -> None:
        key = f"k{self.dice.randrange(KEYS)}"
        as_owner = self.site.as_owner | self.perhaps_killed("erased_rows", "tombstoned")
        done = self.site.bridge("erase", key, "--yes", "--reason", "test", environment=as_owner)
        self.note(f"erase {key}: {done.returncode} {done.stderr.splitlines()[-1:]}")

    def maintain(self) -> None:
        killed = self.perhaps_killed("keeper_began", "keeper_step")
        done = self.site.bridge("maintain", "--once", environment=killed)
        self.note(f"maintain: {done.returncode}")

    def migrate(self) -> None:
        self.note(f"migrate: {self.site.bridge('migrate', environment=self.site.as_owner).returncode}")

    def change_the_number_of_shards(self) -> None:
        number = self.dice.randint(1, 4)
        with self.site.connect() as db:
            try:
                db.execute(f"select bridge.set_shard_count({number})")
                self.note(f"{number} shards")
            except (psycopg.errors.ObjectInUse, psycopg.errors.LockNotAvailable) as error:
                self.note(f"not {number} shards: {error.diag.message_primary}")

    def snapshot(self) -> None:
        done = self.site.bridge("snapshot", "public.item", environment=self.site.as_owner)
        self.note(f"snapshot: {done.returncode} {done.stderr.splitlines()[-1:]}")

    def restore(self) -> None:
        """What happened since the backup was made is forgotten; nobody has written since."""
        self.go_on()
        mended_before = set(self.mended)
        with copy_of(self.site.settings.database.url) as backup:
            self.note("backup")
            for _ in range(self.dice.randint(1, 2)):
                self.dice.choice((self.relay_that_ends_somewhere, self.decide_about_the_dead, self.relay_until_empty))()
            self.go_on()
            backup.restore()
            if self.dice.random() < 0.5:  # as from a physical backup
                with self.site.connect() as db:
                    db.execute(
                        "update bridge.shard set database ="
                        " (select oid from pg_database where datname = current_database()) where database is not null"
                    )
            self.unmended |= self.mended - mended_before
            self.note("restored")
        self.relay_until_empty()

    def decide(self) -> None:
        """One of all that, at random."""
        self.dice.choice((
            self.set_the_sequence_back, self.set_the_sequence_back, self.delete_the_control_topic, self.recover,
            self.decide_about_the_dead, self.replay, self.erase, self.maintain, self.migrate,
            self.change_the_number_of_shards, self.snapshot, self.restore,
        ))()  # fmt: skip

    # The end

    def drain(self) -> None:
        self.go_on()
        self.site.come_due()
        for _ in range(8):
            if self.relay_until_empty() == 0:
                break
            self._recover()
            self.site.bridge("dead", "skip", "--all", "--yes", "--reason", "test")
            self.site.come_due()
        for (id_,) in self.site.rows("select id from bridge.replay where state = 'unfinished'"):
            done = self.site.bridge("replay", "--resume", str(id_))
            self.note(f"replay --resume {id_}: {done.returncode}")
        assert self.relay_until_empty() == 0

    def check(self) -> None:
        site = self.site
        audit = site.audit_after_failures()
        erased = {id_ for (id_,) in site.rows("select id::text from bridge.outbox where headers ? 'bridge_erased'")}
        changed = set(audit.changed) - erased - self.unmended - self.renumbered
        assert not changed, changed
        for name in ("lost", "duplicated", "reordered", "phantom", "hanging", "unsettled"):
            assert not getattr(audit, name), (name, getattr(audit, name))
        assert site.pending() == 0
        assert site.scalar("select count(*) from bridge.parked where state = 'replayed'") == 0
        written = site.rows(
            "select event_key, id::text from bridge.outbox where available_at is null order by created_at, seq"
        )
        found = {  # those of a batch that failed come once more, at least once
            record.headers["ce_id"]: record.key.decode()
            for record in site.records()[f"{site.name}.things"]
            if "bridge_replayed" not in record.headers
        }
        for key in {key for key, _ in written}:
            of_key = [id_ for k, id_ in written if k == key and id_ in found]
            assert [id_ for id_, k in found.items() if k == key and id_ in set(of_key)] == of_key, key
        if site.settings.relay.delivery is Delivery.EXACTLY_ONCE:
            verdict = site.bridge("verify")
            assert verdict.returncode == 0, verdict


def play(scene: Scene, rounds: int) -> None:
    """Some rounds of all that, and what is left of them."""
    site, dice = scene.site, scene.dice
    for _ in range(rounds):
        if dice.random() < 0.8 and site.scalar("select count(*) from bridge.shard where stopped is not null"):
            scene.recover()
        scene.write()
        scene.relay_that_ends_somewhere()
        if dice.random() < 0.5:
            scene.write()
        scene.decide()
        if dice.random() < 0.5:
            scene.go_on()
        if dice.random() < 0.3:
            scene.decide()
    scene.drain()
    scene.check()


@pytest.mark.relay(QUICK)
def test_decisions(site: Site) -> None:
    play(Scene(site, long_run.seed()), ROUNDS)


@pytest.mark.long
@pytest.mark.relay(QUICK, 'delivery = "at_least_once"')
def test_decisions_at_least_once(site: Site) -> None:
    play(Scene(site, long_run.seed()), MANY_ROUNDS)


@pytest.mark.chaos
@pytest.mark.timeout(0)
@pytest.mark.relay(QUICK)
def test_decisions_for_long(site: Site) -> None:
    scene, ends = Scene(site, long_run.seed()), time.monotonic() + 60 * long_run.minutes(30)
    while time.monotonic() < ends:
        play(scene, MANY_ROUNDS)
