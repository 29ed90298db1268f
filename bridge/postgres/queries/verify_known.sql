-- Which of these ids there are by now: events that were committed after the snapshot.
select id::text, seq from bridge.event_queue where id = any (%(ids)s::uuid[])
union all
select id::text, seq from bridge.entity_events where id = any (%(ids)s::uuid[])
