-- What was published, and what was read and not published.

-- Lease, fence and ledger of each shard, in one row so that one update moves all three. See ARCHITECTURE.md.
-- The position says what is settled: read are the rows with a number up to a cursor that the cursor's snapshot sees
-- (bridge/shard/position.py), and all up to all_to.
create table bridge.shard (
    shard                   smallint    primary key,
    owner                   text,                             -- the relay that holds the lease
    generation              bigint      not null default 0,   -- counts takeovers; fences a former owner's claims
    lease_until             timestamptz,
    stopped                 text,                             -- why no relay takes it until `bridge recover`
    renumber                boolean     not null default false,  -- it is, because the sequence had been set back
    batch_no                bigint      not null default 0,   -- the last batch claimed
    batch_id                uuid,                             -- null until the shard's first batch
    previous_id             uuid,                             -- of the batch before
    in_flight               jsonb,                            -- that batch, until it is settled: bridge/shard/ledger.py
    all_to                  bigint      not null default 0,   -- up to here all is read, whatever its transaction, but
    all_at                  timestamptz not null default '-infinity',  -- for what is later than this, and whose
    all_snapshot            pg_snapshot not null default '1:1:',  -- transaction this does not see: it was given again
    scan_from               bigint      not null default 0,   -- everything up to here is read: where a taker begins
    cursor                  bigint      not null default 0,
    snapshot                pg_snapshot not null default '1:1:',
    late_cursor             bigint,                           -- of a newer scan that was cut off below `cursor`
    late_snapshot           pg_snapshot,
    decisions               bigint      not null default 0,   -- of people about its dead events: the relay looks again
    system_identifier       bigint,                           -- whose transaction ids these are: the cluster's, and
    database                oid,                              -- the database; null until the shard's first takeover
    event_queue_processed   bigint      not null default 0,   -- totals, so that no one needs to count rows
    event_queue_dead        bigint      not null default 0,
    entity_events_processed bigint      not null default 0,
    entity_events_dead      bigint      not null default 0,
    updated_at              timestamptz not null default clock_timestamp(),
    constraint lease_has_an_owner check ((owner is null) = (lease_until is null)),
    constraint late_is_whole check ((late_cursor is null) = (late_snapshot is null))
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

insert into bridge.shard (shard) select generate_series(0, bridge.shard_count() - 1);

-- Shards taken away by bridge.set_shard_count(): if one comes back, it goes on with its batch number, because Kafka
-- still holds the control record committed for it.
create table bridge.retired_shard (like bridge.shard including all);

-- Which takeover of each shard has been at work since this server began. A pooler hides that the server crashed, or
-- that another one took its place: a relay would go on with what it read before, and commits may be lost whose numbers
-- and transaction ids others have now. An unlogged table is emptied by a crash and is empty on a promoted standby, so a
-- claim that finds no witness is void, and the shard is taken over anew.
create unlogged table bridge.witness (
    shard smallint primary key,
    nonce uuid     not null     -- the takeover's; the generation could be given once more after a failover
);

-- Events that were read and not published, one row each; the only thing about an event that changes. Small, because it
-- is the exception. An event waits behind an earlier one that blocks, of the same topic and key: that is derived.
create table bridge.parked (
    seq       bigint      primary key,
    source    text        not null,
    event_id  uuid        not null,
    at        timestamptz not null,              -- the event's time, to a millisecond: finds its table partition
    shard     smallint    not null,
    topic     text        not null,
    key_hash  bigint      not null,
    state     text        not null,
    blocks    boolean     not null,              -- whether later events of its topic and key wait;
    stops     boolean     not null default false,  -- or of its topic, whatever their key and shard
    waits_for text,                              -- the topic that a dead letter could not be published to
    due_at    timestamptz,
    deaths    integer     not null default 0,
    reason    text,
    replay_id bigint,                            -- of the bridge.replay that wants it published once more
    since     timestamptz not null default clock_timestamp(),  -- of this state
    is_stuck  boolean     not null generated always as (blocks and (state = 'dead' or waits_for is not null)) stored,
    constraint source_is_known check (source in ('event_queue', 'entity_events')),
    constraint state_is_known check (state in (
        'waiting',      -- for its topic, or behind an earlier event
        'deferred',     -- not due yet
        'dead',         -- can never be published as it is; reason says why
        'retried',      -- dead, but to be tried again
        'skipped',      -- dead, and given up
        'published',    -- after it had been dead, so that this is not forgotten
        'replayed',     -- published, and to be published once more, on purpose; blocks nothing but later replayed ones
        'refused'       -- replayed, but it cannot be published any more as it is; reason says why
    ))
);

-- Hashes, because an index holds no key that a writer chooses.
create index parked_place_idx on bridge.parked (shard, key_hash, topic, seq) where blocks;
create index parked_stuck_idx on bridge.parked (shard, key_hash, topic, seq) where is_stuck;
create index parked_stops_idx on bridge.parked (topic, seq) where stops;
create index parked_open_idx on bridge.parked (shard, seq) where state in ('waiting', 'retried');
create index parked_due_idx on bridge.parked (shard, due_at) where state = 'deferred';
create index parked_replayed_idx on bridge.parked (shard, seq) where state = 'replayed';
create index parked_replay_waits_idx on bridge.parked (shard, key_hash, topic, seq)
    where state = 'replayed' and waits_for is not null;
create index parked_dead_idx on bridge.parked (seq) where state = 'dead';
create index parked_event_id_idx on bridge.parked (event_id);

-- What people have decided about dead events: who, when, why, and for which. Never changed.
create table bridge.dead_decision (
    id         bigint      generated always as identity primary key,
    decided_at timestamptz not null default clock_timestamp(),
    decision   text        not null,
    why        text,                             -- as they gave it
    decided_by text        not null default session_user,
    os_user    text,                             -- of `bridge dead`, as it told
    host       text,
    event_id   uuid        not null,
    seq        bigint      not null,
    source     text        not null,
    topic      text        not null,
    died_of    text,                             -- the reason of its death
    constraint decision_is_known check (decision in ('retried', 'skipped'))
);

create index dead_decision_event_id_idx on bridge.dead_decision (event_id);

-- One row for each time that somebody publishes events once more: `bridge replay`. What it asks for never changes;
-- last_seq says up to which number its events are parked. Events that are written after it began are none of its.
create table bridge.replay (
    id            bigint      generated always as identity primary key,
    since         timestamptz not null,     -- of the events' times
    until         timestamptz not null,     -- excluded
    event_types   text[],                   -- null: all
    event_keys    text[],
    topics        text[],
    until_seq     bigint      not null,
    last_seq      bigint      not null default 0,
    events_parked bigint      not null default 0,
    events_passed bigint      not null default 0,   -- that were wanted, but not published before, or parked still
    state         text        not null default 'unfinished',
    started_at    timestamptz not null default clock_timestamp(),
    changed_at    timestamptz not null default clock_timestamp(),
    started_by    text        not null default session_user,
    why           text,                     -- as they gave it
    os_user       text,                     -- of `bridge replay`, as it told
    host          text,
    constraint state_is_known check (state in ('unfinished', 'finished'))
);

-- Which stopped shards people have let go on: who, when, why, and what was found then. Never changed.
create table bridge.recovery (
    id               bigint      generated always as identity primary key,
    recovered_at     timestamptz not null default clock_timestamp(),
    shard            integer     not null,
    stopped          text        not null,     -- what it was stopped for
    events_published bigint      not null,     -- of those that were pending: were in Kafka
    events_dead      bigint      not null,     -- were among the dead letters alone
    events_left      bigint      not null,     -- were to be published
    renumbered       boolean     not null,     -- the events that no batch had read got new numbers
    recovered_by     text        not null default session_user,
    why              text,                     -- as they gave it
    os_user          text,                     -- of `bridge recover`, as it told
    host             text
);

-- Up to when the table partitions of outbox and history hold nothing that is still to be read: a read names it, so that
-- it costs the same however many there are. bridge.finish_partitions() moves it on; an event that is written before it
-- all the same moves it back (bridge.reopen_partition).
create table bridge.finished (
    only_one boolean     primary key default true,
    up_to    timestamptz not null default '-infinity',
    constraint there_is_one check (only_one)
);

insert into bridge.finished default values;

-- Where each shard stood, at most once a second and whenever it came to rest: when an event was published, to a second.
create table bridge.tick (
    shard                   smallint    not null,
    batch_no                bigint      not null,
    at                      timestamptz not null default clock_timestamp(),
    scan_from               bigint      not null,
    cursor                  bigint      not null,
    snapshot                pg_snapshot not null,
    event_queue_processed   bigint      not null,   -- totals by then
    entity_events_processed bigint      not null,
    primary key (shard, batch_no)
);

create index tick_cursor_idx on bridge.tick (shard, cursor, batch_no);

-- Which relays are alive, so that each knows its fair share of the shards, and what waits in them.
create table bridge.relay (
    relay_id   text        primary key,
    host       text        not null,
    pid        integer     not null,
    started_at timestamptz not null default clock_timestamp(),
    seen_until timestamptz not null,
    waits      jsonb       not null default '[]',  -- server, topic, schema, unforeseen: for `bridge status`
    work       jsonb       not null default '{}',  -- what it has done since it started, by topic: for `bridge top`
    migration  integer     not null default 0      -- of the engine, the newest that its program ships
);

-- Under which names this database's events are published. A relay that is configured otherwise would find other
-- transactional ids and no control records in Kafka, and stop every shard: it is refused instead.
create table bridge.publisher (
    only_one      boolean     primary key default true,
    relay_name    text        not null,
    control_topic text        not null,
    since         timestamptz not null default clock_timestamp(),
    constraint there_is_one check (only_one)
);

-- The ids that a schema registry gave, so that a relay starts and publishes while that is away; the registry is asked
-- again once it answers. What counts is the registry: an id that is another now is replaced.
create table bridge.schema_id (
    registry     text        not null,   -- its URL, without a login
    subject      text        not null,
    fingerprint  bytea       not null,   -- SHA-256 of the schema, with the types that it uses
    schema_id    bigint      not null,
    confirmed_at timestamptz not null default clock_timestamp(),
    primary key (registry, subject, fingerprint),
    constraint id_fits_the_wire_format check (schema_id between 1 and 4294967295)
);
