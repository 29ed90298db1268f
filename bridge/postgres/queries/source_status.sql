-- Totals by source and status: processed and dead from the ledger's counters, pending by walking where
-- they can be (bounded). Nothing counts whole tables.
select source, sum(processed)::bigint as processed, sum(dead)::bigint as dead,
       (select count(*) from (select from bridge.unread as u where u.source = t.source limit %(most)s) as w)
       + (select count(*) from (select from bridge.parked as p
                                 where p.source = t.source and p.state in ('waiting', 'deferred', 'retried', 'replayed')
                                 limit %(most)s) as w) as pending
  from (select event_queue_processed, event_queue_dead, entity_events_processed, entity_events_dead from bridge.shard
        union all
        select event_queue_processed, event_queue_dead, entity_events_processed, entity_events_dead
          from bridge.retired_shard) as s
 cross join lateral (values ('event_queue', event_queue_processed, event_queue_dead),
                            ('entity_events', entity_events_processed, entity_events_dead)) as t (source, processed, dead)
 group by source
 order by source desc
