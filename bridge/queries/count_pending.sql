-- Events still to be published. Walks only what lies above each shard's scan_from.
select coalesce(sum(pending), 0)
  from bridge.shard s
 cross join lateral (
    select (select count(*) from bridge.event_queue q
             where q.shard = s.shard and q.seq > s.scan_from and q.status = 'PENDING')
         + (select count(*) from bridge.entity_events e
             where e.shard = s.shard and e.seq > s.scan_from and e.status = 'PENDING') as pending
 ) as counted
