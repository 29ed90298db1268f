-- The next dead events from a number on, decided about in one transaction; null where there are no more. Not those that
-- have died since it began.
with slice as materialized (
    select seq, died_at
      from bridge.dead_events(%(event_ids)s::uuid[], %(event_types)s::text[], %(event_keys)s::text[],
                          %(topics)s::text[], %(sources)s::text[], %(shards)s::integer[], %(died_of)s::text,
                          %(died_before)s::timestamptz, %(died_since)s::timestamptz)
     where seq > %(after)s and died_at <= coalesce(%(began)s::timestamptz, now())
     order by seq
     limit %(most)s
)
select max(seq),
       bridge.decide_dead(array_agg(seq order by seq), %(decision)s, %(why)s, %(os_user)s, %(host)s,
                          array_agg(died_at order by seq)),
       coalesce(%(began)s::timestamptz, now())
  from slice
having count(*) > 0
