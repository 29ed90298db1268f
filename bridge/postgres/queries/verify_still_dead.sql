-- Which of these events nobody has retried, or they have died again: what is retried is not dead from then on. A standby
-- may not know that yet.
select distinct event_id::text
  from bridge.parked
 where event_id = any (%(ids)s::uuid[]) and state in ('dead', 'skipped')
   and not pg_is_in_recovery()
