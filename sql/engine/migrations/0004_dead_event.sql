-- Events that can never be published as they are, until a person decides: bridge.retry_dead() or bridge.skip_dead().
-- With relay.on_dead = "hold" the later events of the key wait meanwhile, because they must not arrive before this one.
create table bridge.dead_event (
    event_id   uuid        primary key,
    source     text        not null,
    seq        bigint      not null,
    shard      smallint    not null,
    event_type text        not null,
    event_key  text        not null,
    reason     text        not null,
    died_at    timestamptz not null default clock_timestamp(),
    holds_key  boolean     not null,
    constraint source_is_known check (source in ('event_queue', 'entity_events'))
);

create index dead_event_held_key_idx on bridge.dead_event (source, event_key) where holds_key;  -- for each scan

insert into bridge.dead_event (event_id, source, seq, shard, event_type, event_key, reason, died_at, holds_key)
select id, 'event_queue', seq, shard, event_type, event_key, coalesce(error_message, ''), processed_at, false
  from bridge.event_queue where status = 'DEAD'
union all
select id, 'entity_events', seq, shard, 'entity.changed', entity_type || ':' || entity_id, coalesce(error_message, ''),
       processed_at, false
  from bridge.entity_events where status = 'DEAD';
