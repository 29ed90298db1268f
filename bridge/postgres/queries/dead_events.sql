-- Dead events that nobody has decided about, the oldest first.
select event_id, source, seq, shard, event_type, event_key, reason, died_at, holds_key
  from bridge.dead_event
 order by died_at, seq
 limit %(most)s
