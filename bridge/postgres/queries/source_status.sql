-- Totals by source and status: processed and dead from the ledger's counters, pending by walking where
-- they can be (bounded). Nothing counts whole tables.
select 'event_queue' as source, sum(s.event_queue_processed)::bigint as processed, sum(s.event_queue_dead)::bigint as dead,
       (select count(*) from (select from bridge.event_queue q join bridge.unfinished u on u.shard = q.shard
                               where q.seq > u.seq and q.status = 'PENDING' limit %(most)s) as w) as pending
  from bridge.shard s
union all
select 'entity_events', sum(s.entity_events_processed)::bigint, sum(s.entity_events_dead)::bigint,
       (select count(*) from (select from bridge.entity_events e join bridge.unfinished u on u.shard = e.shard
                               where e.seq > u.seq and e.status = 'PENDING' limit %(most)s) as w)
  from bridge.shard s
