-- Events that were settled since ever, by source and outcome, and relays that are alive. Nothing counts events.
select sum(event_queue_processed)::float8, sum(event_queue_dead)::float8,
       sum(entity_events_processed)::float8, sum(entity_events_dead)::float8,
       (select count(*) from bridge.relay where seen_until >= clock_timestamp()) as relays
  from (select event_queue_processed, event_queue_dead, entity_events_processed, entity_events_dead from bridge.shard
        union all
        select event_queue_processed, event_queue_dead, entity_events_processed, entity_events_dead
          from bridge.retired_shard) as s
