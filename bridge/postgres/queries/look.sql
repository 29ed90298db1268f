-- Whether anything can have changed for a scan: the last number drawn for an event, of any shard, and what can be seen.
select coalesce(pg_sequence_last_value('bridge.event_seq'), 0), pg_current_snapshot()::text
