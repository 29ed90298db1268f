-- Events still to be published, and how many of them wait behind a dead event of their key.
select count(*), count(*) filter (where is_held)
  from bridge.unfinished u
 cross join lateral (
    select q.event_key in (select event_key from bridge.dead_event where source = 'event_queue' and holds_key) as is_held
      from bridge.event_queue q
     where q.shard = u.shard and q.seq > u.seq and q.status = 'PENDING'
    union all
    select e.entity_type || ':' || e.entity_id
           in (select event_key from bridge.dead_event where source = 'entity_events' and holds_key)
      from bridge.entity_events e
     where e.shard = u.shard and e.seq > u.seq and e.status = 'PENDING'
 ) as pending
