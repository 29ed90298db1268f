-- Dead events that nobody has decided about, in the order of their numbers. Of one whose row is gone, type and key are
-- empty.
select event_id, source, seq, shard, topic, event_type, event_key, reason, died_at, deaths, waits_behind
  from bridge.dead_events(%(event_ids)s::uuid[], %(event_types)s::text[], %(event_keys)s::text[],
                          %(topics)s::text[], %(sources)s::text[], %(shards)s::integer[], %(died_of)s::text,
                          %(died_before)s::timestamptz, %(died_since)s::timestamptz)
 order by seq
 limit %(most)s
