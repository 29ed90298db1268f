-- The last number drawn for an event, of any shard.
select case when is_called then last_value else 0 end from bridge.event_seq
