-- Events still to be published, and how many of them wait behind a dead event of their key.
select count(*), count(*) filter (where is_held)
  from bridge.unfinished u
 cross join lateral (
    select exists (select from bridge.dead_event d
                    where hashtextextended(d.event_key, 0) = hashtextextended(q.event_key, 0)
                      and d.event_key = q.event_key and d.source = 'event_queue' and d.holds_key and d.seq < q.seq) as is_held
      from bridge.event_queue q
     where q.shard = u.shard and q.seq > u.seq and q.status = 'PENDING'
    union all
    select exists (select from bridge.dead_event d
                    where hashtextextended(d.event_key, 0) = hashtextextended(e.entity_type || ':' || e.entity_id, 0)
                      and d.event_key = e.entity_type || ':' || e.entity_id and d.source = 'entity_events' and d.holds_key
                      and d.seq < e.seq)
      from bridge.entity_events e
     where e.shard = u.shard and e.seq > u.seq and e.status = 'PENDING'
 ) as pending
