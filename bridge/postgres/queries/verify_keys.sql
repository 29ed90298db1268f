-- The keys of these events, as the bytes of their text, and of the first event from each on that a tombstone followed,
-- if their route has those, number and time; `since` and `until`, in microseconds since 1970, tell in which table
-- partitions they are.
select id::text, convert_to(event_key, 'UTF8'), case when %(tombstones)s then seq end,
       case when %(tombstones)s then (date_part('epoch', created_at) * 1000000)::bigint end
  from bridge.outbox
 where id = any (%(ids)s::uuid[])
   and created_at between to_timestamp(%(since)s / 1e6) - interval '1 s'
                      and to_timestamp(%(until)s / 1e6) + interval '1 s'
union all
select h.id::text, convert_to(coalesce(h.event_key, u.key), 'UTF8'), d.seq,
       (date_part('epoch', least(d.occurred_at, '9999-12-30Z')) * 1000000)::bigint
  from bridge.history as h
 cross join lateral (select h.entity_type || ':' || h.entity_id as key) as u
  left join lateral (
    select e.seq, e.occurred_at
      from bridge.entity_events as e
     where %(tombstones)s
       and hashtextextended(e.entity_id, 0) = hashtextextended(h.entity_id, 0) and e.entity_id = h.entity_id
       and e.entity_type = h.entity_type and e.seq >= h.seq and e.action = 'DELETE' and e.status = 'PROCESSED'
       and e.event_key = u.key and coalesce(h.event_key, u.key) = u.key
     order by e.seq
     limit 1
  ) as d on true
 where h.id = any (%(ids)s::uuid[])
   and h.occurred_at between to_timestamp(%(since)s / 1e6) - interval '1 s'
                         and to_timestamp(%(until)s / 1e6) + interval '1 s'
