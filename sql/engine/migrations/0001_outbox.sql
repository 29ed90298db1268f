-- The outbox: what triggers and functions write, and what the relay publishes. See ARCHITECTURE.md.

create schema if not exists bridge;

comment on schema bridge is 'Change data capture: outbox, change history, and the relay''s leases and ledger';

-- One sequence for all events. CACHE 1: a cached block would let a later commit of one key carry a lower number.
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

-- A constant in a function, so that computing a shard reads no table. bridge.set_shard_count() replaces it.
create function bridge.shard_count() returns integer
    language sql immutable parallel safe
    return 4;

-- In plpgsql, because Postgres would inline an SQL function anew for each statement that inserts: measured, that was
-- two fifths of such a statement's cost.
create function bridge.shard_of(event_key text) returns smallint
    language plpgsql immutable parallel safe
as $$
begin
    return (pg_catalog.hashtextextended(event_key, 0) & 9223372036854775807) % bridge.shard_count();
end $$;

-- Rules for both event tables:
--   * seq: the transaction's id is assigned before the number is drawn (the CASE fixes the order of evaluation);
--     the relay's watermark rests on that.
--   * nothing the relay's mark changes (status, retry_count, available_at, processed_at, error_message) may ever be
--     indexed, a partial index's predicate included, or the mark stops being HOT.
--   * leaves have fillfactor 75 (bridge.partition_policy), which leaves room for the marked version on the same page.
create table bridge.event_queue (
    id            uuid        not null default bridge.new_event_id(),
    seq           bigint      not null default
                      case when pg_current_xact_id() is not null then nextval('bridge.event_seq') end,
    event_type    text        not null,
    event_key     text        not null,
    shard         smallint    not null generated always as (bridge.shard_of(event_key)) stored,
    payload       jsonb       not null,
    headers       jsonb       not null default '{}',
    status        text        not null default 'PENDING',
    retry_count   integer     not null default 0,
    created_at    timestamptz not null default clock_timestamp(),
    available_at  timestamptz,
    processed_at  timestamptz,
    error_message text,
    primary key (id, created_at),
    constraint event_type_has_a_length check (length(event_type) between 1 and 128),
    constraint headers_is_an_object check (jsonb_typeof(headers) = 'object'),
    constraint created_at_is_finite check (isfinite(created_at)),
    constraint status_is_known check (status in (
        'PENDING',      -- to be published
        'PROCESSED',    -- in Kafka, and the relay knows it
        'DEAD'          -- can never be published as it is; error_message says why
    )),
    constraint processed_has_a_time check ((status = 'PENDING') = (processed_at is null))
) partition by range (created_at);

create index event_queue_shard_seq_idx on bridge.event_queue (shard, seq);  -- the only index that yields the order

create table bridge.event_queue_default partition of bridge.event_queue default with (fillfactor = 75);

create table bridge.entity_events (
    id                uuid        not null default bridge.new_event_id(),
    seq               bigint      not null default
                          case when pg_current_xact_id() is not null then nextval('bridge.event_seq') end,
    entity_type       text        not null,   -- the name given to bridge.enable_tracking; by default the table's
    entity_id         text        not null,   -- the row's key; a JSON array for a key of several columns
    entity_type_id    uuid,                   -- of crm.entity_types, where the row has one
    shard             smallint    not null
                          generated always as (bridge.shard_of(entity_type || ':' || entity_id)) stored,
    entity_event_type text        not null default 'ENTITY_CHANGE',
    action            text        not null,
    performed_by      uuid,
    actor_status      text        not null default 'missing',
    previous_state    jsonb,
    new_state         jsonb,
    changed_fields    text[],
    change_summary    text,
    headers           jsonb       not null default '{}',
    occurred_at       timestamptz not null default clock_timestamp(),
    status            text        not null default 'PENDING',
    retry_count       integer     not null default 0,
    available_at      timestamptz,
    processed_at      timestamptz,
    error_message     text,
    primary key (id, occurred_at),
    constraint occurred_at_is_finite check (isfinite(occurred_at)),
    constraint action_is_known check (action in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')),
    constraint actor_status_is_known check (actor_status in (
        'ok',           -- set by bridge.set_actor in this transaction
        'unverified',   -- the bare setting was set; nothing says that it belongs to this transaction
        'stale',        -- left behind by another transaction of a pooled connection
        'invalid',      -- not a uuid
        'missing'       -- not set
    )),
    constraint states_fit_the_action check (case action
        when 'INSERT' then previous_state is null and new_state is not null
        when 'UPDATE' then previous_state is not null and new_state is not null
        when 'DELETE' then previous_state is not null and new_state is null
        else true end),
    constraint status_is_known check (status in ('PENDING', 'PROCESSED', 'DEAD')),
    constraint processed_has_a_time check ((status = 'PENDING') = (processed_at is null))
) partition by range (occurred_at);

create index entity_events_shard_seq_idx on bridge.entity_events (shard, seq);
create index entity_events_entity_idx on bridge.entity_events (entity_type, entity_id);  -- an entity's history

create table bridge.entity_events_default partition of bridge.entity_events default with (fillfactor = 75);

-- Lease, fence and ledger of each shard, in one row so that one update moves all three. See ARCHITECTURE.md.
create table bridge.shard (
    shard                   smallint    primary key,
    owner                   text,                             -- the relay that holds the lease
    generation              bigint      not null default 0,   -- counts takeovers; fences a former owner's claims
    lease_until             timestamptz,
    batch_no                bigint      not null default 0,   -- the last batch claimed
    batch_id                uuid,                             -- null until the shard's first batch
    batch_event_queue       bigint[]    not null default '{}',  -- exactly the seqs in flight, to be marked PROCESSED
    batch_entity_events     bigint[]    not null default '{}',
    batch_dead              jsonb       not null default '[]',  -- [{"source", "seq", "reason"}]
    batch_from              timestamptz,                      -- times of the first and last event in flight, so that
    batch_to                timestamptz,                      -- marking touches only their table partitions
    scan_from               bigint      not null default 0,   -- everything up to here is finished
    event_queue_processed   bigint      not null default 0,   -- totals, so that no one needs to count rows
    event_queue_dead        bigint      not null default 0,
    entity_events_processed bigint      not null default 0,
    entity_events_dead      bigint      not null default 0,
    updated_at              timestamptz not null default clock_timestamp(),
    constraint lease_has_an_owner check ((owner is null) = (lease_until is null))
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

alter table bridge.shard alter column batch_event_queue set storage external;    -- written once, read at most once:
alter table bridge.shard alter column batch_entity_events set storage external;  -- compressing them is wasted work

insert into bridge.shard (shard) select generate_series(0, bridge.shard_count() - 1);

-- Which relays are alive, so that each knows its fair share of the shards.
create table bridge.relay (
    relay_id   text        primary key,
    host       text        not null,
    pid        integer     not null,
    started_at timestamptz not null default clock_timestamp(),
    seen_until timestamptz not null
);
