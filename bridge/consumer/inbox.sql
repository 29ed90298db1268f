-- The inbox of `bridge.consumer`: which events were received, and those that wait, are tried again, or are dead.
-- Whoever runs this owns it. A consumer's role needs:
--
--     grant usage on schema bridge_inbox to <role>;
--     grant select, insert, delete on bridge_inbox.received to <role>;
--     grant select, insert, update, delete on bridge_inbox.parked to <role>;
--     grant select, insert, update on bridge_inbox.progress to <role>;
create schema if not exists bridge_inbox;

create table if not exists bridge_inbox.received (
    consumer_group text not null,
    ce_source text not null,
    ce_id text not null,
    received_at timestamptz not null default now(),
    constraint received_once primary key (consumer_group, ce_source, ce_id)
);

comment on table bridge_inbox.received is
    'Events that were handled, or parked; a row is written with what its handler did.';

create index if not exists received_by_age on bridge_inbox.received (consumer_group, received_at);

create table if not exists bridge_inbox.parked (
    number bigint generated always as identity constraint parked_number primary key,
    consumer_group text not null,
    topic text not null,
    partition integer not null,
    kafka_offset bigint not null,
    at timestamptz,
    key bytea,
    value bytea,
    headers json not null,
    event_type text not null,
    state text not null constraint parked_state check (state in ('retrying', 'waiting', 'dead')),
    attempts integer not null,
    due_at timestamptz not null default now(),
    reason text,
    parked_at timestamptz not null default now()
);

comment on table bridge_inbox.parked is
    'Events that were received and not handled; those of one key are handled in the order of number.';
comment on column bridge_inbox.parked.state is
    'retrying: tried again at due_at. waiting: behind an earlier one of its key. dead: until a person decides.';

create index if not exists parked_place on bridge_inbox.parked (consumer_group, topic, sha256(key), number);

create index if not exists parked_due on bridge_inbox.parked (consumer_group, due_at) where state = 'retrying';

create table if not exists bridge_inbox.progress (
    consumer_group text not null,
    topic text not null,
    partition integer not null,
    kafka_offset bigint not null,
    constraint progress_of_partition primary key (consumer_group, topic, partition)
);

comment on table bridge_inbox.progress is
    'Behind which offset all of a partition was handled or parked; Kafka''s offsets count only where they are not further.';
