-- Every event of a time and of some types, and what became of it, in one snapshot. Ids as the bytes of their text, as
-- they are in the headers. One that was to wait for its time has no place in the order. Its type as the place among those
-- that have a route, times in microseconds since 1970.
select convert_to(id::text, 'UTF8'), 0, case when available_at is null then seq end, status, retry_count,
       array_position(%(types)s::text[], event_type),
       (date_part('epoch', least(greatest(created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
  from bridge.event_queue
 where created_at >= %(since)s::timestamptz and created_at <= %(until)s::timestamptz
   and (%(all)s or event_type = any (%(types)s::text[]))
union all
select convert_to(id::text, 'UTF8'), 1, seq, status, retry_count, array_position(%(types)s::text[], 'entity.changed'),
       (date_part('epoch', least(greatest(occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
  from bridge.entity_events
 where occurred_at >= %(since)s::timestamptz and occurred_at <= %(until)s::timestamptz
   and (%(all)s or 'entity.changed' = any (%(types)s::text[]))
