-- Which of these events there are, and when each had been published at the latest, in microseconds since 1970: null of
-- those that were to wait for their time, for then it is not known.
select id::text, case when status = 'PROCESSED' and available_at is null and isfinite(created_at)
                      then (date_part('epoch', greatest(processed_at, created_at)) * 1000000)::bigint end
  from bridge.event_queue
 where id = any (%(ids)s::uuid[])
union all
select id::text, case when status = 'PROCESSED' and isfinite(occurred_at)
                      then (date_part('epoch', greatest(processed_at, occurred_at)) * 1000000)::bigint end
  from bridge.entity_events
 where id = any (%(ids)s::uuid[])
