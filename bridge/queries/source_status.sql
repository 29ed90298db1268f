-- Totals by source and status: processed and dead from the ledger's counters, pending by walking what is above
-- scan_from (bounded). Nothing counts whole tables.
select 'event_queue' as source, sum(s.event_queue_processed)::bigint as processed, sum(s.event_queue_dead)::bigint as dead,
       (select count(*) from (select from bridge.event_queue q join bridge.shard h on h.shard = q.shard
                               where q.seq > h.scan_from and q.status = 'PENDING' limit %(most)s) as w) as pending
  from bridge.shard s
union all
select 'entity_events', sum(s.entity_events_processed)::bigint, sum(s.entity_events_dead)::bigint,
       (select count(*) from (select from bridge.entity_events e join bridge.shard h on h.shard = e.shard
                               where e.seq > h.scan_from and e.status = 'PENDING' limit %(most)s) as w)
  from bridge.shard s
