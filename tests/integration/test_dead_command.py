"""`bridge dead`: thousands at once by what they have in common, explained, exported, decided about on the record."""

from __future__ import annotations

import getpass
import json
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fix_command import data_of
from fix_relay import Site, eventually

from bridge.admin import dead_content
from bridge.admin.dead import Decision, Wanted, decide

PARK = """
    with written as (
        insert into bridge.outbox (shard, event_type, event_key, payload)
        select bridge.shard_of(key), event_type, key, jsonb_build_object('n', 'S3CR3T' || g)
          from (select g, 'k' || g as key, case g %% 2 when 0 then 'thing' else 'other' end || '.changed' as event_type
                  from generate_series(1, %(count)s) as g) as e
        returning id, seq, shard, event_type, event_key, created_at
    )
    insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, deaths, reason, since)
    select seq, 'event_queue', id, created_at, shard, %(name)s || case event_type when 'thing.changed' then '.things'
           else '.others' end, hashtextextended(event_key, 0), 'dead', true, 1,
           case when event_key like '%%7' then 'the record has 9 bytes' else 'test.Thing: $.n: expected a number' end,
           now() - case when event_key like '%%1' then interval '2 days' else interval '1 minute' end
      from written
"""
DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


def park(site: Site, count: int) -> None:
    """Events k1 to k<count> of two types, all dead; no relay has read the rest of the outbox."""
    with site.connect() as db:
        db.execute(PARK, {"count": count, "name": site.name})


def listed(site: Site, *arguments: str) -> list[dict[str, Any]]:
    done = site.bridge("dead", "list", "--json", "--limit", "100000", *arguments)
    assert done.returncode == 0, done.stderr
    return list(data_of(done.stdout))


def answer(site: Site, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = site.bridge("dead", *arguments, "--json")
    assert done.returncode == code, done.stderr
    return dict(data_of(done.stdout))


def drained(site: Site) -> None:
    relay = site.start("--until-empty")
    assert relay.wait(60) in (0, 5), site.log(relay)


def test_dead_events_are_found_by_what_they_have_in_common(site: Site) -> None:
    park(site, 40)
    assert len(listed(site)) == 40
    seqs = [event["seq"] for event in listed(site)]
    assert seqs == sorted(seqs)
    assert {event["event_type"] for event in listed(site, "--type", "thing.changed")} == {"thing.changed"}
    assert len(listed(site, "--type", "thing.changed", "--type", "other.changed")) == 40
    assert {event["topic"] for event in listed(site, "--topic", f"{site.name}.others")} == {f"{site.name}.others"}
    assert [event["event_key"] for event in listed(site, "--key", "k3", "--key", "k5")] == ["k3", "k5"]
    assert [event["event_key"] for event in listed(site, "--died-of", "HAS 9")] == ["k7", "k17", "k27", "k37"]
    assert [event["event_key"] for event in listed(site, "--older-than", "1d")] == ["k1", "k11", "k21", "k31"]
    assert len(listed(site, "--younger-than", "1d")) == 36
    assert len(listed(site, "--source", "entity_events")) == 0
    assert sum(len(listed(site, "--shard", str(shard))) for shard in (0, 1)) == 40
    assert [event["event_key"] for event in listed(site, "--died-of", "9 bytes", "--key", "k17")] == ["k17"]


def test_what_is_decided_is_shown_before_and_kept_after(site: Site) -> None:
    park(site, 20)
    dry = answer(site, "retry", "--type", "other.changed", "--dry-run")
    assert (dry["events"], dry["decided"], dry["dry_run"]) == (10, 0, True)
    assert {group["topic"] for group in dry["groups"]} == {f"{site.name}.others"}
    assert "Dry run: 10 would be retried" in site.bridge("dead", "retry", "--type", "other.changed", "--dry-run").stdout
    assert len(listed(site)) == 20
    assert answer(site, "retry", "--type", "other.changed", "--reason", "mended")["decided"] == 10
    unknown = str(uuid4())
    named = listed(site)[0]["event_id"]
    done = answer(site, "skip", named, unknown, "--reason", "given up", code=1)
    assert (done["decided"], done["unknown"]) == (1, [unknown])
    assert len(listed(site)) == 9
    kept = data_of(site.bridge("dead", "list", "--decided", "--json").stdout)
    assert [(row["decision"], row["why"]) for row in kept] == [("skipped", "given up")] + [("retried", "mended")] * 10
    assert kept[0]["event_id"] == named
    assert {row["os_user"] for row in kept} == {getpass.getuser()}
    assert kept[0]["decided_by"] == site.roles.name("operator")
    assert f"skipped  {named}" in site.bridge("dead", "list", "--decided").stdout
    assert site.scalar("select sum(event_queue_dead)::int from bridge.shard") == -10  # park() counted none


def test_many_are_decided_about_only_after_a_question(site: Site) -> None:
    park(site, 2500)
    refused = site.bridge("dead", "skip", "--all", "--reason", "old", answer="n\n")
    assert refused.returncode == 130
    assert "2,500 dead events: decide that they are skipped?" in refused.stderr
    assert len(listed(site)) == 2500
    decisions = site.scalar("select sum(decisions)::int from bridge.shard")
    assert site.bridge("dead", "skip", "--all", "--reason", "old", answer="y\n").stdout == "2500 given up\n"
    assert site.scalar("select count(*) from bridge.dead_decision") == 2500
    assert site.scalar("select count(distinct xmin::text) from bridge.dead_decision") == 3  # a transaction a thousand
    assert site.scalar("select sum(decisions)::int from bridge.shard") == decisions + 6  # of each for two shards


def test_nothing_is_decided_without_saying_about_what(site: Site) -> None:
    for arguments in (
        ["retry"],
        ["retry", "--all", "--type", "x"],
        ["retry", str(uuid4()), "--all"],
        ["skip", "--all"],
    ):
        assert site.bridge("dead", *arguments).returncode == 2
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", " ").returncode == 2
    assert site.bridge("dead", "list", "--decided", "--type", "x").returncode == 2
    with site.connect() as db, pytest.raises(Exception, match="why must say why"):
        db.execute("select bridge.decide_dead('{}', 'skipped')")


def test_a_dead_event_is_explained_without_its_value(site: Site) -> None:
    with site.connect() as db:
        write = "select bridge.publish_event('thing.changed', 'k', %s)::text"
        dead = db.execute(write, ('{"n": "S3CR3T"}',)).fetchone()[0]
        for _ in range(3):
            db.execute(write, ('{"n": 1}',))
        unroutable = db.execute("select bridge.publish_event('nobody.knows', 'k', '{}')::text").fetchone()[0]
    drained(site)
    found = answer(site, "show", dead)
    assert (found["field"], found["holds"], found["is_mended"], found["waiting"]) == ("$.n", "text", False, 3)
    assert found["on_retry"] == f"it would die again: {found['event']['reason']}"
    assert "payload" not in found["event"]
    shown = site.bridge("dead", "show", dead)
    assert "at $.n there is text" in shown.stdout
    assert "3 later events wait behind it" in shown.stdout
    assert "S3CR3T" not in shown.stdout + json.dumps(found)
    assert "no route names" in answer(site, "show", unroutable)["on_retry"]
    schema = site.config.parent / "schemas" / f"{site.name}.things-test.Thing.avsc"
    schema.write_text(schema.read_text().replace('"long"', '"string"'))
    found = answer(site, "show", dead)
    assert (found["is_mended"], found["on_retry"]) == (True, f"it would be published to {site.name}.things")
    assert site.records()[f"{site.name}.things"] == []
    assert site.bridge("dead", "skip", dead, "--reason", "enough").returncode == 0
    gone = site.bridge("dead", "show", dead)
    assert gone.returncode == 1
    assert "the last decision about it: skipped" in gone.stderr


def test_dead_events_are_exported_whole_and_over_nothing(site: Site, tmp_path: Path) -> None:
    park(site, 250)
    with site.connect() as db:
        exact = '{"n": 12345678901234567890.10}'
        db.execute("update bridge.outbox set payload = %s where event_key = 'k9'", (exact,))
    file = tmp_path / "dead.jsonl"
    assert answer(site, "export", str(file), "--all")["events"] == 250
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    assert [json.loads(line)["event_key"] for line in lines] == [f"k{n}" for n in range(1, 251)]
    assert json.loads(lines[0])["payload"] == {"n": "S3CR3T1"}
    assert exact.replace(" ", "") in lines[8].replace(" ", "")
    again = site.bridge("dead", "export", str(file), "--all")
    assert again.returncode == 4
    assert "there is a file" in again.stderr
    assert file.read_text().splitlines() == lines
    assert answer(site, "export", str(tmp_path / "some.jsonl"), "--died-of", "9 bytes")["events"] == 25


# More than a gigabyte of text in 2.5 kB: Postgres keeps a number's zeros as their count.
TOO_LONG = "(select jsonb_build_object('n', jsonb_agg('1e131071'::jsonb)) from generate_series(1, 9000))"


def test_a_row_that_postgres_cannot_make_text_of_ends_neither_export_nor_show(site: Site, tmp_path: Path) -> None:
    park(site, 4)
    with site.connect() as db:
        db.execute(f"update bridge.outbox set payload = {TOO_LONG} where event_key = 'k2'")
    file = tmp_path / "dead.jsonl"
    assert answer(site, "export", str(file), "--all")["events"] == 4
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["event_key"], line["payload"]) for line in lines] == [
        ("k1", {"n": "S3CR3T1"}), ("k2", None), ("k3", {"n": "S3CR3T3"}), ("k4", {"n": "S3CR3T4"}),
    ]  # fmt: skip
    assert [line["note"] is None for line in lines] == [True, False, True, True]
    assert "cannot make text" in lines[1]["note"]
    assert "cannot make text" in answer(site, "show", lines[1]["event_id"])["on_retry"]


def test_a_slice_holds_few_payloads_that_are_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ever more events a statement, until there is no room for more of their bytes."""
    park(site, 40)
    sizes: list[int] = []
    monkeypatch.setattr(dead_content, "BYTES", 5000)
    read = dead_content._read

    def noted(*arguments: Any, **more: Any) -> list[dead_content.Content]:
        found = read(*arguments, **more)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(dead_content, "_read", noted)
    with site.connect() as db:
        db.execute(
            "update bridge.outbox set payload = jsonb_build_object('n', repeat('x', 2000)) where event_key ~ '^k2'"
        )
        assert [one.event_key for one in dead_content.read_contents(db, Wanted())] == [f"k{n}" for n in range(1, 41)]
    assert sizes == [1, 2, 4, 8, 7, 1, 2, 3, 1, 2, 4, 5, 0]


def test_what_died_again_of_something_else_is_not_decided_about(site: Site) -> None:
    """It was found by its old reason, and dies of another one while the decision waits for its shard."""
    park(site, 10)
    wanted = Wanted(died_of="9 bytes")
    with site.connect() as holder, site.connect() as db, ThreadPoolExecutor() as pool:
        with holder.transaction():
            holder.execute("select from bridge.shard for update")
            deciding = pool.submit(lambda: list(decide(db, wanted, Decision.SKIPPED, "old")))
            waits = "select count(*) from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
            eventually(lambda: site.scalar(waits, db.info.backend_pid) == 1)
            holder.execute(
                "update bridge.parked set reason = 'other', since = clock_timestamp() where reason ~ '9 bytes'"
            )
        assert deciding.result(30) == [0]
    assert len(listed(site)) == 10


def documented(heading: str) -> str:
    """The first SQL under a heading of the operations' manual."""
    return re.split(r"```sql\n", DOCUMENT.read_text().split(heading, 1)[1], maxsplit=1)[1].split("```", 1)[0]


@pytest.mark.relay("batch_rows = 4")
@pytest.mark.parametrize("way", ["behind what waited", "in its place"])
def test_a_payload_is_mended_as_documented(site: Site, way: str) -> None:
    """The document's own SQL; a new event comes last of its key, and one that is corrected keeps its place."""
    with site.connect() as db:
        write = "select bridge.publish_event('thing.changed', 'k', %s, '{\"trace\": \"a\"}')::text"
        dead = db.execute(write, ('{"n": "42"}',)).fetchone()[0]
        later = [db.execute(write, (f'{{"n": {n}}}',)).fetchone()[0] for n in (1, 2)]
    relay = site.start()
    eventually(lambda: site.scalar("select count(*) from bridge.parked") == 3)
    sql = documented("### A payload that is wrong: " + way)
    assert "EVENT_ID" in sql
    with site.connect() as db:
        db.execute(sql.replace("EVENT_ID", dead).encode())
    eventually(lambda: site.pending() == 0)
    site.end(relay)
    records = site.records()[f"{site.name}.things"]
    ids = [headers["ce_id"] for _, _, headers, _ in records]
    if way == "in its place":
        assert ids == [dead, *later]
    else:
        assert ids[:2] == later
        assert dead not in ids
        assert records[2][2]["trace"] == "a"
        assert "mended" in site.scalar("select why from bridge.dead_decision where decision = 'skipped'")
    assert site.audit().is_clean
