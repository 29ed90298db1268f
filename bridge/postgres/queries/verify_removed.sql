-- Of these events of a route with tombstones those that one has followed, their own or that of the next DELETE of their
-- row: the key, as the bytes of its text, and number and time, in microseconds since 1970, of the event before the
-- tombstone.
select id::text, convert_to(event_key, 'UTF8'), seq,
       (date_part('epoch', least(created_at, '9999-12-30Z')) * 1000000)::bigint
  from bridge.outbox
 where id = any (%(ids)s::uuid[])
union all
select h.id::text, convert_to(u.key, 'UTF8'), d.seq,
       (date_part('epoch', least(d.occurred_at, '9999-12-30Z')) * 1000000)::bigint
  from bridge.history as h
 cross join lateral (select h.entity_type || ':' || h.entity_id as key) as u
 cross join lateral (
    select e.seq, e.occurred_at
      from bridge.entity_events as e
     where hashtextextended(e.entity_id, 0) = hashtextextended(h.entity_id, 0) and e.entity_id = h.entity_id
       and e.entity_type = h.entity_type and e.seq >= h.seq and e.action = 'DELETE' and e.status = 'PROCESSED'
       and e.event_key = u.key
     order by e.seq
     limit 1
  ) as d
 where h.id = any (%(ids)s::uuid[]) and coalesce(h.event_key, u.key) = u.key
