"""What the catalogue says of every function, table and index of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bridge.resources import resource

OURS = "in ('bridge'::regnamespace, 'crm'::regnamespace)"

# Anyone may call these, because they write nothing and read only what the caller may read, or because a default, a
# generated column or a trigger of a table that others write to needs them. Without USAGE on the schema nobody can.
PUBLIC = {
    *["bridge.activity_meta", "bridge.actor_token", "bridge.change_context", "bridge.change_payload"],
    *["bridge.change_summary", "bridge.scan_start"],
    *["bridge.actor_status", "bridge.performed_by", "bridge.trace_headers"],
    *["bridge.entity_history", "bridge.highest_seq", "bridge.is_set_back", "bridge.job_due_at"],
    "bridge.matching_route",
    "bridge.new_event_id",
    *["bridge.partition_bounds", "bridge.partition_name", "bridge.qualified_name"],
    *["bridge.role_grants", "bridge.role_rights"],
    *["bridge.set_actor", "bridge.shard_count", "bridge.shard_of", "crm.iso_time", "crm.touch_updated_at"],
}
DEFINERS = {
    *["bridge.insert_event", "bridge.insert_change", "bridge.reopen_partition"],
    *[
        "bridge.publish_event",
        "bridge.record_removed",
        "bridge.settle_changes",
        "bridge.version_moved",
    ],
    *["bridge.archive_activity_slice", "bridge.matview_report", "bridge.refresh_view"],
    *["bridge.read_retired", "bridge.sum_retired", "bridge.drop_verified"],
    *["bridge.check_order", "bridge.current_columns", "bridge.refresh_tracking", "bridge.tracking_report"],
    *["bridge.tracked_names", "bridge.backlog"],
    *[
        "bridge.partition_report",
        "bridge.partition_gaps",
        "bridge.create_partition",
        "bridge.adopt_default",
        "bridge.finish_partitions",
    ],
    *["bridge.due_partitions", "bridge.retire_partition", "bridge.count_retired", "bridge.drop_retired"],
    *["bridge.set_partition_policy", "bridge.note_retired", "bridge.clean_up", "bridge.publish_transaction_end"],
    *["bridge.decide_dead", "bridge.retry_dead", "bridge.skip_dead"],
    *["crm.fn_create_entity", "crm.fn_update_entity"],
    *["crm.fn_delete_entity", "crm.fn_link_entities", "crm.fn_unlink_entities", "crm.fn_add_touchpoint"],
    *["crm.track_entity_change", "bridge.answer_request"],
}
COLUMNS = {
    "event_queue": [
        *["id uuid", "event_type text", "event_key text", "payload jsonb", "headers jsonb", "status text"],
        *["retry_count integer", "created_at timestamp with time zone", "available_at timestamp with time zone"],
        *["processed_at timestamp with time zone", "error_message text", "seq bigint", "shard smallint"],
    ],
    "entity_events": [
        *["id uuid", "entity_type text", "entity_id text", "entity_type_id uuid", "entity_event_type text"],
        *["action text", "performed_by uuid", "actor_status text", "previous_state jsonb", "new_state jsonb"],
        *["changed_fields text[]", "change_summary text", "headers jsonb", "occurred_at timestamp with time zone"],
        *["status text", "retry_count integer", "processed_at timestamp with time zone", "error_message text"],
        *["seq bigint", "shard smallint", "event_key text"],
    ],
}
QUERIES = resource("postgres", "queries")
PINNED = {"TimeZone=UTC", "DateStyle=ISO, YMD", "IntervalStyle=iso_8601", "bytea_output=hex", "extra_float_digits=1"}
PINNED |= {"quote_all_identifiers=off"}


@pytest.fixture(scope="module")
def db(servers: Any, migrated_template: str) -> Iterator[psycopg.Connection[Any]]:
    """The template itself: nothing here changes it."""
    from urllib.parse import urlsplit

    url = urlsplit(servers.database_url)._replace(path=f"/{migrated_template}").geturl()
    with psycopg.connect(url) as conn:
        conn.execute("set search_path = pg_catalog")
        conn.execute("set transaction read only")
        yield conn


def functions(db: psycopg.Connection[Any]) -> dict[str, tuple[bool, set[str], bool, str, str]]:
    """Name to: security definer, settings, whether PUBLIC may execute it, return type, body."""
    query = f"""
        select pronamespace::regnamespace || '.' || proname, prosecdef, coalesce(proconfig, '{{}}'),
               proacl is null or exists (select from aclexplode(proacl) where grantee = 0),
               prorettype::regtype::text, coalesce(pg_get_functiondef(oid), '')
          from pg_proc where pronamespace {OURS}"""
    return {name: (definer, set(config), *rest) for name, definer, config, *rest in db.execute(query).fetchall()}


def test_public_may_execute_only_what_harms_nothing(db: psycopg.Connection[Any]) -> None:
    assert {name for name, (_, _, is_public, *_) in functions(db).items() if is_public} == PUBLIC


def test_security_definers_pin_their_search_path(db: psycopg.Connection[Any]) -> None:
    definers = {name: config for name, (is_definer, config, *_) in functions(db).items() if is_definer}
    assert set(definers) == DEFINERS
    for name, config in definers.items():
        (path,) = [setting for setting in config if setting.startswith("search_path=")]
        assert path == "search_path=pg_catalog, pg_temp", name


def test_public_has_no_right_on_tables_or_schemas(db: psycopg.Connection[Any]) -> None:
    query = f"""
        select oid::regclass::text from pg_class, aclexplode(relacl) where relnamespace {OURS} and grantee = 0
        union all
        select nspname from pg_namespace, aclexplode(nspacl) where oid {OURS} and grantee = 0"""
    assert db.execute(query).fetchall() == []


def test_tracking_pins_whatever_changes_json(db: psycopg.Connection[Any]) -> None:
    found = functions(db)
    for name in ("bridge.read_change", "bridge.record_removed"):
        assert found[name][1] >= PINNED | {"lc_monetary=C", "xmloption=content", "jit=off"}, name


def test_generated_functions_append_and_can_do_nothing_else(db: psycopg.Connection[Any]) -> None:
    query = """
        select pg_get_userbyid(proowner), prosecdef, 'search_path=pg_catalog, pg_temp' = any (proconfig),
               exists (select from aclexplode(proacl) where grantee = 0)
          from pg_proc
         where pronamespace = 'bridge_tracking'::regnamespace
            or oid = 'crm.track_entity_change()'::regprocedure
            or proowner in ('bridge_capture'::regrole, 'bridge_reader'::regrole)
         order by 1"""
    assert db.execute(query).fetchall() == [
        *[("bridge_capture", True, True, False)] * 10,
        ("bridge_reader", True, True, False),  # bridge.record_removed
    ]
    roles = """
        select rolsuper or rolcanlogin or rolcreaterole or rolbypassrls from pg_roles
         where rolname in ('bridge_capture', 'bridge_reader')"""
    assert db.execute(roles).fetchall() == [(False,)] * 2
    creates = """
        select n.oid::regnamespace::text, a.grantee::regrole::text from pg_namespace n, aclexplode(nspacl) as a
         where privilege_type = 'CREATE' and a.grantee in ('bridge_capture'::regrole, 'bridge_reader'::regrole)
         order by 2"""
    assert db.execute(creates).fetchall() == [
        ("bridge_tracking", "bridge_capture"),
        ("bridge_tracking", "bridge_reader"),  # the view of bridge.record_removed()
    ]


def test_nothing_notifies(db: psycopg.Connection[Any]) -> None:
    """NOTIFY in a trigger takes a third of the writers' throughput."""
    for name, (*_, body) in functions(db).items():
        assert not re.search(r"\bnotify\b|pg_notify", body, re.IGNORECASE), name


def test_functions_that_the_planner_should_inline_can_be(db: psycopg.Connection[Any]) -> None:
    """An SQL function that is declared more immutable than what it calls is called for each row, at a high price."""
    for expression in (
        "bridge.change_summary('UPDATE', t, array[t], true)",
        "bridge.change_payload(null::bridge.history) || t",
        "bridge.activity_meta(null, null, array[t], '{}')",
        "bridge.actor_token() || t",
        "crm.iso_time(t::timestamptz)",
    ):
        plan = db.execute(f"explain (verbose) select {expression} from unnest(array['x']) as t".encode()).fetchall()
        name = expression.split("(")[0]
        assert name not in "\n".join(line for (line,) in plan), plan


def test_partitioned_tables_have_the_partition_column_in_their_key(db: psycopg.Connection[Any]) -> None:
    query = f"""
        select c.oid::regclass::text, array_agg(a.attname::text order by k.n)
          from pg_class as c
          join pg_index as i on i.indrelid = c.oid and i.indisprimary
         cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
          join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
         where c.relkind = 'p' and c.relnamespace {OURS}
         group by c.oid order by 1"""
    assert db.execute(query).fetchall() == [
        ("bridge.activity_log", ["id", "occurred_at"]),
        ("bridge.activity_log_archive", ["id", "occurred_at"]),
        ("bridge.history", ["id", "occurred_at"]),
        ("bridge.outbox", ["id", "created_at"]),
    ]


def test_writers_pay_for_no_check_trigger_or_generated_column_of_the_outbox(db: psycopg.Connection[Any]) -> None:
    """Each is parsed anew for each statement that inserts, or calls a function."""
    query = """
        select conname::text from pg_constraint where conrelid = 'bridge.outbox'::regclass and contype = 'c'
        union all
        select tgname::text from pg_trigger where tgrelid = 'bridge.outbox'::regclass
        union all
        select attname::text from pg_attribute where attrelid = 'bridge.outbox'::regclass and attgenerated <> ''"""
    assert db.execute(query).fetchall() == []


def test_one_index_yields_the_order_and_nothing_else_does(db: psycopg.Connection[Any]) -> None:
    """A second one that begins with a number might be taken for a scan, whatever it costs."""
    query = """
        select i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid, 1, true),
               pg_get_indexdef(i.indexrelid, 2, true)
          from pg_index as i
          join pg_attribute as a on a.attrelid = i.indrelid and a.attname = 'seq' and a.attnum = any (i.indkey)
         where i.indrelid in ('bridge.outbox'::regclass, 'bridge.history'::regclass) order by 1, 2"""
    assert db.execute(query).fetchall() == [
        ("bridge.history", "hashtextextended(entity_id, 0::bigint)", "xid"),  # of one transaction and key
        ("bridge.history", "shard", "seq"),
        ("bridge.outbox", "shard", "seq"),
    ]


def test_events_are_never_changed_and_need_no_room_for_it(db: psycopg.Connection[Any]) -> None:
    """No statement of ours but the repair of numbers (and the moving of strays) touches what is there. The exception:
    bridge.erase_rows, for the right to erasure, which names a table partition, and is for the owner alone."""
    changing = re.compile(r"\b(update|delete from|merge into)\s+(only\s+)?bridge\.(outbox|history)\b", re.IGNORECASE)
    found = {name for name, (*_, body) in functions(db).items() if changing.search(body)}
    assert found == {
        "bridge.repair_numbers",
        *("bridge.settle_changes", "bridge.version_moved"),  # of this very transaction, which nobody sees yet
    }
    texts = {path.name: path.read_text("utf-8") for path in QUERIES.iterdir() if path.name.endswith(".sql")}
    assert len(texts) > 30
    assert not [name for name, text in texts.items() if changing.search(text)]
    room = "select count(*) from pg_class, unnest(reloptions) as o where o like 'fillfactor%' and relispartition"
    assert db.execute(room).fetchone() == (0,)


def test_the_views_have_the_columns_that_they_always_had(db: psycopg.Connection[Any]) -> None:
    query = """
        select attname::text || ' ' || format_type(atttypid, atttypmod) from pg_attribute
         where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum"""
    found = {view: [name for (name,) in db.execute(query, (f"bridge.{view}",)).fetchall()] for view in COLUMNS}
    assert found == COLUMNS


def test_the_sequence_hands_out_numbers_one_by_one(db: psycopg.Connection[Any]) -> None:
    query = "select seqcache, seqincrement, seqcycle from pg_sequence where seqrelid = 'bridge.event_seq'::regclass"
    assert db.execute(query).fetchone() == (1, 1, False)


def test_times_of_events_are_not_the_transactions_start(db: psycopg.Connection[Any]) -> None:
    query = f"""
        select d.adrelid::regclass::text, a.attname, pg_get_expr(d.adbin, d.adrelid)
          from pg_attrdef as d
          join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
          join pg_class as c on c.oid = d.adrelid
         where c.relnamespace {OURS} and a.atttypid = 'timestamptz'::regtype
           and pg_get_expr(d.adbin, d.adrelid) <> 'clock_timestamp()'
           and pg_get_expr(d.adbin, d.adrelid) not like '''-infinity''%'"""
    assert db.execute(query).fetchall() == []


def test_the_tables_of_the_application_are_tracked(db: psycopg.Connection[Any]) -> None:
    query = f"""
        select c.relname, array_agg(regexp_replace(t.tgname, '[0-9]+', '1') order by t.tgname)
          from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
         where c.relnamespace {OURS} and t.tgname ~ '^[!~]bridge' and t.tgenabled = 'O' group by 1"""
    tables = "entity_types entities contacts addresses address_contacts entity_relationships entity_touchpoints"
    every = [*tables.split(), "opportunities", "territories"]
    expected = {table: ["!bridge_1_row", "~bridge_1_truncate"] for table in every}
    assert dict(db.execute(query).fetchall()) == expected
    assert db.execute("select count(*) from bridge.tracked_table").fetchone() == (9,)


def test_views_can_be_refreshed_concurrently_and_searched(db: psycopg.Connection[Any]) -> None:
    query = """
        select c.relname, count(*) filter (where i.indisunique and i.indpred is null and i.indexprs is null),
               count(*) filter (where not i.indisunique)
          from pg_class as c join pg_index as i on i.indrelid = c.oid
         where c.relkind = 'm' and c.relnamespace = 'crm'::regnamespace group by 1 order by 1"""
    assert db.execute(query).fetchall() == [
        ("contact_management_view", 1, 6),
        ("sales_opportunity_view", 1, 2),
        ("territory_management_view", 1, 3),
    ]
    policies = db.execute("select matview from bridge.matview_policy order by position").fetchall()
    assert [name for (name,) in policies] == [
        "crm.contact_management_view",
        "crm.sales_opportunity_view",
        "crm.territory_management_view",
    ]
    names = "select indexrelid::regclass::text from pg_index where indrelid = 'crm.contact_management_view'::regclass"
    assert {name for (name,) in db.execute(names)} >= {
        "crm.idx_contact_management_view_name",
        "crm.idx_contact_management_view_email",
    }


# Text in an index that no writer chooses: a relay's name, a file of ours, what the owner of the schema registers; and
# what a check limits to few characters.
INDEXED_TEXT = {
    *["bridge.policy_pkey", "bridge.retired_partition_range_idx"],
    "bridge.schema_id_pkey",  # a URL of the configuration, and the name of a file
    *["bridge.matview_policy_pkey", "bridge.matview_refresh_matview_idx", "bridge.relay_pkey"],
    "bridge.entity_type_is_unique",  # at most 200 characters
    # A topic, which no writer chooses.
    *[
        "bridge.parked_place_idx",
        "bridge.parked_stuck_idx",
        "bridge.parked_stops_idx",
        "bridge.parked_replay_waits_idx",
    ],
    *["bridge.schema_migration_pkey", "crm.display_name_is_unique", "crm.table_name_is_unique", "crm.link_is_unique"],
    *["crm.idx_contact_management_view_name", "crm.idx_contact_management_view_email"],
    *["crm.idx_contact_management_view_email_any_case", "crm.idx_contact_management_view_first_name"],
    *["crm.idx_contact_management_view_last_name", "crm.idx_contact_management_view_words"],
    "crm.idx_territory_management_view_name_any_case",
    *["crm.idx_sales_opportunity_view_name", "crm.idx_sales_opportunity_view_stage"],
    *["crm.idx_territory_management_view_name", "crm.idx_territory_management_view_region"],
}


def test_no_index_holds_a_text_that_a_writer_chooses(db: psycopg.Connection[Any]) -> None:
    """A B-tree refuses entries of more than 2,704 bytes, and with them the write: tests/integration/test_keys.py."""
    query = f"""
        select distinct i.indexrelid::regclass::text
          from pg_index as i
          join pg_class as c on c.oid = i.indexrelid
          join pg_attribute as a on a.attrelid = i.indexrelid
          join pg_type as t on t.oid = a.atttypid
         where c.relnamespace {OURS} and not c.relispartition and t.typlen < 0"""
    assert {name for (name,) in db.execute(query).fetchall()} == INDEXED_TEXT
