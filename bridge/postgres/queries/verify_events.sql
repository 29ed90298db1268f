-- Every event of a time and of some routes, and what became of it, in one snapshot. Ids as the bytes of their text, as
-- they are in the headers. One that was to wait for its time has no place in the order, nor has one that died and for
-- which no other waited, nor one whose key it shares with other rows: nothing keeps their transactions apart. DEAD without a decision is told from GIVEN UP, which is DEAD
-- in the views. Its route as the place among all, times in microseconds since 1970.
select convert_to(id::text, 'UTF8'), source, case when retry_count = 0 or route <> all (%(passing)s::int[]) then place end,
       case when status = 'DEAD'
                 and exists (select from bridge.parked as p
                              where p.event_id = event.id and p.seq = event.seq and p.state = 'skipped') then 'GIVEN UP'
            else status end, retry_count, route,
       (date_part('epoch', least(greatest(at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
  from (select id, 0 as source, seq, case when available_at is null then seq end as place, status, retry_count,
               bridge.matching_route(%(rules)s::text[], event_type, null) as route, created_at as at
          from bridge.event_queue
         where created_at >= %(since)s::timestamptz and created_at <= %(until)s::timestamptz
         union all
        select id, 1, seq, case when event_key = entity_type || ':' || entity_id then seq end, status, retry_count,
               bridge.matching_route(%(rules)s::text[], 'entity.changed', entity_type), occurred_at
          from bridge.entity_events
         where occurred_at >= %(since)s::timestamptz and occurred_at <= %(until)s::timestamptz) as event
 where %(all)s or route = any (%(routes)s::int[])
