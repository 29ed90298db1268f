-- Whether anything can have changed for a scan: the last number drawn for an event, of any shard, and what can be seen.
select case when is_called then last_value else 0 end, pg_current_snapshot()::text from bridge.event_seq
