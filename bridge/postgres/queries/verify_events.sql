-- Every event of a time and of some routes, and what became of it, in one snapshot. Ids as the bytes of their text, as
-- they are in the headers. One that was to wait for its time has no place in the order, nor has one whose key it shares with
-- other rows: nothing keeps their transactions apart. Its route as the place among all,
-- times in microseconds since 1970.
select *
  from (select convert_to(id::text, 'UTF8'), 0, case when available_at is null then seq end, status, retry_count,
               bridge.matching_route(%(rules)s::text[], event_type, null) as route,
               (date_part('epoch', least(greatest(created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
          from bridge.event_queue
         where created_at >= %(since)s::timestamptz and created_at <= %(until)s::timestamptz
         union all
        select convert_to(id::text, 'UTF8'), 1, case when event_key = entity_type || ':' || entity_id then seq end, status, retry_count,
               bridge.matching_route(%(rules)s::text[], 'entity.changed', entity_type),
               (date_part('epoch', least(greatest(occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
          from bridge.entity_events
         where occurred_at >= %(since)s::timestamptz and occurred_at <= %(until)s::timestamptz) as event
 where %(all)s or route = any (%(routes)s::int[])
