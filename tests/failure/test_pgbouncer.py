"""Relays behind pgbouncer in transaction mode: each transaction may run in another session."""

from __future__ import annotations

import signal

import psycopg
import pytest
from fix_pgbouncer import answers
from fix_relay import Site, eventually, is_stopped
from reaction import assert_says, publish_everywhere, running

from bridge.local.stack import Stack

ODD = {
    "DateStyle": "German", "TimeZone": "America/St_Johns", "client_encoding": "LATIN1", "search_path": "nowhere",
    "default_transaction_isolation": "serializable", "quote_all_identifiers": "on",
    "plan_cache_mode": "force_custom_plan",
}  # fmt: skip


@pytest.mark.relay("batch_rows = 100")
def test_settings_of_the_database_do_not_matter(site: Site, pgbouncer: None) -> None:
    """No connection can be pinned as a whole, so each transaction is, and times come in binary."""
    with site.connect() as db:
        for name, value in ODD.items():
            db.execute(f"alter database {db.info.dbname} set {name} = '{value}'")
        site.roles.grant_also(db, "reader", "relay")  # of the pooler's one login
    with psycopg.connect(site.settings.database.url, client_encoding="UTF8", autocommit=True) as db:
        db.execute("select bridge.publish_event('thing.changed', '鍵', '{\"n\": \"no number\"}')")
    site.publish(500)
    site.change(100)
    site.start(failpoint="published:kill").wait(60)  # the next relay reads the times in the ledger
    relay = site.start()
    eventually(lambda: site.pending() == 0)
    through = site.environment
    assert "1 dead event" in site.bridge("status", environment=through).stdout
    assert "鍵" in site.bridge("dead", "list", environment=through).stdout
    assert site.bridge("verify", environment=through).returncode == 0
    site.end(relay)
    assert "refuses" not in site.log(relay)


@pytest.mark.relay("batch_rows = 100")
def test_transaction_mode(site: Site, pgbouncer: None) -> None:
    site.publish(1000)
    site.change(500)
    relays = [site.start(), site.start()]
    for _ in range(5):
        site.publish(500)
        eventually(lambda: site.pending() < 400)
    relays[0].kill()
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    site.end(relays[1])
    assert "refused a statement" not in site.log(relays[1])
    assert "Postgres is away" not in site.log(relays[1])
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 4500


@pytest.mark.relay("batch_rows = 100")
def test_a_crash_that_the_pooler_hides(site: Site, stack: Stack, pgbouncer: None) -> None:
    """What was read before it may be gone, and its numbers given to others: it is not claimed, but read again.

    A shard that has just read has nothing under way: the pooler lets it go on as if nothing had happened.
    """
    site.publish(300)
    relay = site.start(failpoint="read:stop@3")
    eventually(lambda: is_stopped(relay.pid))
    stack.postgres.kill()
    stack.postgres.start()
    # A pooler that has not got into Postgres since, as others of the relay may have asked it to, would end it, too.
    eventually(lambda: answers(site.environment["BRIDGE_DATABASE_URL"]))
    relay.send_signal(signal.SIGCONT)
    site.publish(100)
    assert site.assert_exactly_once(relay).published == 400
    assert "is not ours any more" in site.log(relay)


def test_a_lock_that_somebody_keeps_on_a_lease(site: Site, pgbouncer: None) -> None:
    """It is told, and SIGTERM answered: how long a lock is waited for cannot be set for the whole connection."""
    with site.connect() as db, running(site) as relay:
        db.execute("begin")
        db.execute("select from bridge.shard where shard = 1 for update")
        publish_everywhere(site)
        assert_says(site, relay, "WARNING|ERROR", "lock timeout")
