-- As numbers.sql, in all table partitions.
select coalesce(pg_sequence_last_value('bridge.event_seq'), 0), bridge.highest_seq()
