"""Consumers that are killed, stopped for long, and moved about: each effect happens once, and each key's in order."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from fix_consumer import SOON, Scene
from fix_relay import beside, eventually

# At the 271st of the odd ones.
WAIT_AT_A_NUMBER = """
create function wait() returns trigger language plpgsql as $$
begin perform pg_advisory_xact_lock(1); return new; end $$;
create trigger wait before insert on effect for each row when (new.n = 541) execute function wait()"""
KEYS = 30
KILLS = 12
BACKLOG = 500  # events, so that there is always something to be killed in, and an end


class Sender:
    """Sends events of some keys until it has to end; some are sent twice, and some transactions are aborted."""

    def __init__(self, scene: Scene) -> None:
        self.sent: dict[str, list[int]] = {f"key {number}": [] for number in range(KEYS)}
        self.ending = threading.Event()
        self._scene = scene

    def send(self) -> None:
        dice, n = random.Random(15), 0
        while not self.ending.is_set():
            key = dice.choice(list(self.sent))
            numbers = list(range(n + 1, n + 1 + dice.randint(1, 6)))
            n = numbers[-1]
            is_aborted = dice.random() < 0.1
            self._scene.send(*({"n": number} for number in numbers), key=key, is_aborted=is_aborted)
            if not is_aborted:
                self.sent[key] += numbers
            if dice.random() < 0.1:
                self._scene.send({"n": n + 1}, key=key, ce_id=f"twice {n}")
                self._scene.send({"n": n + 1}, key=key, ce_id=f"twice {n}")
                self.sent[key].append(n + 1)
                n += 1
            self.ending.wait(0.002)
            while n % 50 == 0 and self.count - self._done() > BACKLOG and not self.ending.wait(0.1):
                pass

    def _done(self) -> int:
        return self._scene.execute("select count(*) from effect")[0][0]

    @property
    def count(self) -> int:
        return sum(map(len, self.sent.values()))


@contextmanager
def sending(scene: Scene) -> Iterator[Sender]:
    sender = Sender(scene)
    with beside(sender.send, sender.ending):
        yield sender


def progress(scene: Scene) -> None:
    """Wait for something to be done from now on."""
    before = len(scene.effects())
    eventually(lambda: len(scene.effects()) > before)


def works(scene: Scene, process: subprocess.Popen[bytes]) -> None:
    """Wait for an effect of this consumer."""
    eventually(lambda: scene.execute("select 1 from effect where pid = %s limit 1", process.pid))


def assert_once_and_in_order(scene: Scene, sender: Sender) -> None:
    eventually(lambda: len(scene.effects()) >= sender.count and not scene.parked(), 120)
    for process in scene.processes:
        if process.poll() is None:
            process.terminate()
    assert {process.wait(60) for process in scene.processes} <= {0, -signal.SIGKILL}, scene.logs()
    for key, numbers in sender.sent.items():
        assert scene.effects(key) == numbers
    assert "for the first time" not in scene.logs()  # an exception's text may be somebody's value
    assert "attempt 1 failed (ValueError in write" in scene.logs()


def test_killed_many_times(scene: Scene) -> None:
    """One consumer, which has a name of its own in the group, so that the next one need not wait for its end."""
    dice = random.Random(4)
    named = {"properties": {"group.instance.id": "one", "session.timeout.ms": "45000"}, "batch": 50}
    with sending(scene) as sender:
        for _ in range(KILLS):
            process = scene.start(**named)
            progress(scene)
            time.sleep(dice.uniform(0, 0.3))  # anywhere in a batch
            process.kill()
            process.wait()
        works(scene, scene.start(**named))
    assert_once_and_in_order(scene, sender)


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param(SOON, id="cooperative"),
        pytest.param(SOON | {"partition.assignment.strategy": "range"}, id="eager", marks=pytest.mark.long),
    ],
)
def test_two_consumers_between_which_partitions_move(scene: Scene, properties: dict[str, str]) -> None:
    """They join, leave, are killed; one is stopped in the middle of a batch until the other has its partitions."""
    dice = random.Random(5)
    with sending(scene) as sender:
        stays = scene.start(batch=50, properties=properties)
        for turn in range(3):
            other = scene.start(batch=50, properties=properties)
            works(scene, other)
            time.sleep(dice.uniform(0, 0.3))
            if turn == 0:
                other.kill()
            elif turn == 1:
                other.terminate()
                assert other.wait(60) == 0, scene.logs()
            else:
                stays.send_signal(signal.SIGSTOP)
                eventually(lambda: scene.members() == 1)
                progress(scene)
                stays.send_signal(signal.SIGCONT)
                other, stays = stays, other
                progress(scene)
                other.kill()
    assert_once_and_in_order(scene, sender)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(scene: Scene, number: signal.Signals) -> None:
    """In the middle of a batch; the group is left, so that the next one goes on at once, and nothing comes twice."""
    numbers = list(range(1, 1001, 2))  # the consumer fails at none of these
    scene.send(*({"n": n} for n in numbers))
    lasting = {"session.timeout.ms": "120000"}  # without good order the next one would have to wait for so long
    scene.execute(WAIT_AT_A_NUMBER)
    with psycopg.connect(scene.database) as db:
        db.execute("select pg_advisory_lock(1)")
        process = scene.start(batch=50, properties=lasting)
        eventually(lambda: scene.execute("select 1 from pg_locks where locktype = 'advisory' and not granted"))
        process.send_signal(number)
    assert process.wait(60) == 0, scene.logs()
    assert scene.effects() == numbers[:271]  # what it was at, and nothing more

    scene.start(properties=lasting)
    scene.wait_for(500)
    assert scene.effects() == numbers
