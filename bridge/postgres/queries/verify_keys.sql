-- The keys of these events, as the bytes of their text; `since` and `until`, in microseconds since 1970, tell in which
-- table partitions they are.
select id::text, convert_to(event_key, 'UTF8')
  from bridge.outbox
 where id = any (%(ids)s::uuid[])
   and created_at between to_timestamp(%(since)s / 1e6) - interval '1 s' and to_timestamp(%(until)s / 1e6) + interval '1 s'
union all
select id::text, convert_to(coalesce(event_key, entity_type || ':' || entity_id), 'UTF8')
  from bridge.history
 where id = any (%(ids)s::uuid[])
   and occurred_at between to_timestamp(%(since)s / 1e6) - interval '1 s' and to_timestamp(%(until)s / 1e6) + interval '1 s'
