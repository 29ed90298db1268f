-- dead_events: the dead events that nobody has decided about, all or those that are asked for.
--
-- Parameters: event_ids, event_types, event_keys, topics, sources, shards   one of these; null for all
--             died_of                   what the reason of the death holds somewhere, in upper or lower case
--             died_before, died_since   when that was
-- Returns:    one row each; of one whose row is gone, type and key are empty. `waits_behind`: key, topic or nothing
-- Writes:     nothing
-- Errors:     none
--
-- The planner inlines this function, so more conditions, an order and a limit may follow it.
create or replace function bridge.dead_events(
    event_ids   uuid[]      default null,
    event_types text[]      default null,
    event_keys  text[]      default null,
    topics      text[]      default null,
    sources     text[]      default null,
    shards      integer[]   default null,
    died_of     text        default null,
    died_before timestamptz default null,
    died_since  timestamptz default null
) returns table (
    seq bigint, event_id uuid, source text, shard smallint, at timestamptz, topic text, event_type text, event_key text,
    key_hash bigint, reason text, died_at timestamptz, deaths integer, waits_behind text
)
    language sql stable
as $$
    select p.seq, p.event_id, p.source, p.shard, p.at, p.topic,
           coalesce(o.event_type, case when h.id is not null then 'entity.changed' end, ''),
           coalesce(o.event_key, h.event_key, h.entity_type || ':' || h.entity_id, ''),
           p.key_hash, coalesce(p.reason, ''), p.since, p.deaths,
           case when p.stops then 'topic' when p.blocks then 'key' else 'nothing' end
      from (select *, case when at > '0001-01-03Z' then at - interval '1 ms' else '-infinity' end as earliest,
                   case when at < '9999-12-29Z' then at + interval '1 ms' else 'infinity' end as latest
              from bridge.parked) as p
      left join bridge.outbox as o
             on p.source = 'event_queue' and o.id = p.event_id
            and o.created_at between p.earliest and p.latest
      left join bridge.history as h
             on p.source = 'entity_events' and h.id = p.event_id
            and h.occurred_at between p.earliest and p.latest
     where p.state = 'dead'
       and (dead_events.event_ids is null or p.event_id = any (dead_events.event_ids))
       and (dead_events.event_types is null
            or coalesce(o.event_type, case when h.id is not null then 'entity.changed' end)
                   = any (dead_events.event_types))
       and (dead_events.event_keys is null
            or coalesce(o.event_key, h.event_key, h.entity_type || ':' || h.entity_id) = any (dead_events.event_keys))
       and (dead_events.topics is null or p.topic = any (dead_events.topics))
       and (dead_events.sources is null or p.source = any (dead_events.sources))
       and (dead_events.shards is null or p.shard = any (dead_events.shards))
       and (dead_events.died_of is null or position(lower(dead_events.died_of) in lower(p.reason)) > 0)
       and (dead_events.died_before is null or p.since < dead_events.died_before)
       and (dead_events.died_since is null or p.since >= dead_events.died_since)
$$;

revoke execute on function
    bridge.dead_events(uuid[], text[], text[], text[], text[], integer[], text, timestamptz, timestamptz) from public;
