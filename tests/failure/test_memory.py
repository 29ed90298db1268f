"""A relay's memory does not grow with what it has carried, nor with how often it had to begin anew."""

from __future__ import annotations

import statistics

import psutil
import pytest
from at_length import at_length
from fix_relay import Site, eventually
from forked import Process
from reaction import most_memory


def memory(relay: Process) -> int:
    return int(psutil.Process(relay.pid).memory_info().rss)


def carry(site: Site, relay: Process, rounds: int, *, takeovers: bool) -> float:
    """The median over some rounds, in bytes."""
    sizes = []
    for _ in range(rounds):
        site.publish(2000)
        eventually(lambda: site.pending() == 0)
        if takeovers:
            seen = site.log(relay).count("is ours")
            site.scalar(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like %s",
                f"{site.name} shard%",
            )
            eventually(lambda n=seen: site.log(relay).count("is ours") >= n + 2)
        sizes.append(memory(relay))
    return statistics.median(sizes)


@pytest.mark.relay("batch_rows = 500")
@pytest.mark.parametrize("takeovers", [False, *at_length(True)], ids=["batches", "takeovers"])
def test_memory_is_flat(site: Site, takeovers: bool) -> None:
    relay = site.start()
    carry(site, relay, 10, takeovers=takeovers)  # fills its pools
    early = carry(site, relay, 5, takeovers=takeovers)
    carry(site, relay, 15, takeovers=takeovers)
    late = carry(site, relay, 5, takeovers=takeovers)
    print(f"{early / 1e6:.1f} MB, later {late / 1e6:.1f} MB")
    assert late < 1.1 * early
    site.end(relay)


LARGE = """insert into bridge.event_queue (event_type, event_key, payload)
           select 'thing.changed', 'large' || g, jsonb_build_object('n', 1, 'text', repeat('x', 5000000))
             from generate_series(1, 10) g"""


def test_what_takeovers_leave_of_large_events_is_freed(site: Site) -> None:
    """They are too large for their topic; each retry asks for its limit again, which is a takeover."""
    relay = site.start()
    with site.connect() as db:
        db.execute(LARGE)
    most = []
    for _ in range(4):
        eventually(lambda: site.scalar("select count(*) from bridge.parked where state = 'dead'") == 10, 60)
        most.append(most_memory(relay.pid))
        seen = site.log(relay).count("is dead, see")
        site.bridge("dead", "retry", "--all", "--yes")
        eventually(lambda n=seen: site.log(relay).count("is dead, see") >= n + 10, 60)
    assert most[-1] < most[0] + 50, most
    site.end(relay)
