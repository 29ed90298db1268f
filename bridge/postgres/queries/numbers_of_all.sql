-- As numbers.sql, in all table partitions.
select case when is_called then last_value else 0 end, bridge.highest_seq() from bridge.event_seq
