-- The last number drawn for an event. Whoever draws one later has a transaction id above that of own_xid.sql, asked next.
select coalesce(pg_sequence_last_value('bridge.event_seq'), 0)
