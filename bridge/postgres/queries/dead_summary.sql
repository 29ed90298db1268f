-- How many dead events nobody has decided about, by topic, type and reason, those with the most first.
select topic, event_type, reason, count(*) as events
  from bridge.dead_events(%(event_ids)s::uuid[], %(event_types)s::text[], %(event_keys)s::text[],
                          %(topics)s::text[], %(sources)s::text[], %(shards)s::integer[], %(died_of)s::text,
                          %(died_before)s::timestamptz, %(died_since)s::timestamptz)
 group by topic, event_type, reason
 order by count(*) desc, topic, event_type, reason
