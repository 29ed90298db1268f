-- The outbox and the change history: what functions and triggers write, and what the relay publishes. ARCHITECTURE.md.

create schema if not exists bridge;

comment on schema bridge is 'Change data capture: outbox, change history, and the relay''s leases and ledger';

-- One sequence for all events. CACHE 1: a cached block would let a later commit of one key carry a lower number.
-- How far it is drawn is asked of pg_sequence_last_value(), which locks its page: to who reads it as a table, nextval()
-- shows for a moment the number that it writes to the log, up to 32 higher, and what is drawn next counted as passed.
create sequence bridge.event_seq as bigint cache 1;

-- Time-ordered ids keep the primary key's inserts on its right edge; Postgres has a function for them from 18 on.
do $$
begin
    if to_regprocedure('pg_catalog.uuidv7()') is not null then
        execute 'create function bridge.new_event_id() returns uuid language sql volatile parallel safe
                 return pg_catalog.uuidv7()';
    else
        execute 'create function bridge.new_event_id() returns uuid language sql volatile parallel safe
                 return pg_catalog.gen_random_uuid()';
    end if;
end $$;

-- A constant in a function, so that computing a shard reads no table. bridge.set_shard_count() replaces it. One,
-- because each shard's batch is a Kafka transaction of its own, and more are in each other's way
-- (docs/decisions/0013).
create function bridge.shard_count() returns integer
    language sql immutable parallel safe
    return 1;

-- In plpgsql, because Postgres would inline an SQL function anew for each statement that inserts: measured, that was
-- two fifths of such a statement's cost. What writers call often has the expression itself.
create function bridge.shard_of(event_key text) returns smallint
    language plpgsql immutable parallel safe
as $$
begin
    return (pg_catalog.hashtextextended(event_key, 0) & 9223372036854775807) % bridge.shard_count();
end $$;

-- Rules for both tables:
--   * Rows are written once and never changed: what was published is a position (bridge.shard), what was read and not
--     published a row of bridge.parked. They leave by whole partitions.
--   * The transaction's id is assigned before the number is drawn (the CASE fixes the order of evaluation), which the
--     relay's reading rests on (bridge/shard/position.py).
--   * Who publishes inserts into the view event_queue, or calls publish_event: these leave id, number, transaction and
--     time to the defaults, and compute the shard. Nobody has to insert here.
--   * No index may hold a value that a writer chooses: a B-tree refuses an entry of more than 2,704 bytes, which would
--     abort the write. A hash finds the row, the text decides.
--   * No CHECK, no generated column, no trigger: each is parsed anew for each statement that inserts, or calls a
--     function, and costs a single-row write more than its index entries. What does not fit, the relay refuses.
create table bridge.outbox (
    id           uuid        not null,
    xid          xid8        not null default pg_current_xact_id(),   -- the writer's transaction
    seq          bigint      not null default           -- per key, the order of commits
                     case when pg_current_xact_id() is not null then nextval('bridge.event_seq') end,
    shard        smallint    not null,                  -- bridge.shard_of(event_key)
    event_type   text        not null,
    event_key    text        not null,
    payload      jsonb       not null,
    headers      jsonb       not null default '{}',
    created_at   timestamptz not null default clock_timestamp(),
    available_at timestamptz,            -- not to be published before
    primary key (id, created_at)
) partition by range (created_at);

create index outbox_shard_seq_idx on bridge.outbox (shard, seq);  -- the only index that yields the order

-- The server's own function itself: ours would be put in its place for each statement.
do $$
begin
    if to_regprocedure('pg_catalog.uuidv7()') is not null then
        alter table bridge.outbox alter id set default pg_catalog.uuidv7();
    else
        alter table bridge.outbox alter id set default pg_catalog.gen_random_uuid();
    end if;
end $$;

create table bridge.outbox_default partition of bridge.outbox default;

create table bridge.history (
    id                uuid        not null default bridge.new_event_id(),
    xid               xid8        not null default pg_current_xact_id(),
    seq               bigint      not null default
                          case when pg_current_xact_id() is not null then nextval('bridge.event_seq') end,
    shard             smallint    not null,
    entity_type       text        not null,   -- the name given to bridge.enable_tracking; by default the table's
    entity_id         text        not null,   -- the row's key; a JSON array for a key of several columns
    event_key         text,                   -- the record's key; null: entity_type:entity_id
    entity_type_id    uuid,                   -- of crm.entity_types, where the row has one
    entity_event_type text        not null default 'ENTITY_CHANGE',
    action            text        not null,   -- INSERT, UPDATE, DELETE, TRUNCATE, READ
    performed_by      uuid,
    actor_status      text        not null default 'missing',  -- see its comment
    previous_state    jsonb,
    new_state         jsonb,
    changed_fields    text[],
    change_summary    text,
    headers           jsonb       not null default '{}',
    occurred_at       timestamptz not null default clock_timestamp(),
    relation          oid,                    -- the table, or the table partition, in which the row lies
    filenode          oid,                    -- its file: TRUNCATE, CLUSTER and some of ALTER TABLE give it another
    version           tid,                    -- the row's version after the change; null: it left its key
    replaced          tid,                    -- the version before, where this very transaction had made it
    primary key (id, occurred_at)
) partition by range (occurred_at);

comment on column bridge.history.actor_status is
    'ok: set by bridge.set_actor in this transaction. unverified: the bare setting was set; nothing says that it '
    'belongs to this transaction. stale: left behind by another transaction of a pooled connection. invalid: not a '
    'uuid. missing';

create index history_shard_seq_idx on bridge.history (shard, seq);
-- An entity's history; and, while a transaction is at work, what it has recorded of a key (bridge.settle_changes).
create index history_entity_idx on bridge.history (hashtextextended(entity_id, 0), xid, seq);

create table bridge.history_default partition of bridge.history default;
