-- Which of these ids there are by now: events that were committed after the snapshot, or are not of the types that were
-- asked for; with their place in the order, as verify_events.sql has it.
select id::text, case when available_at is null then seq end from bridge.outbox where id = any (%(ids)s::uuid[])
union all
select id::text, case when coalesce(event_key = entity_type || ':' || entity_id, true) then seq end
  from bridge.history
 where id = any (%(ids)s::uuid[])
