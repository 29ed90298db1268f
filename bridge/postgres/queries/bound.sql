-- The last number drawn for an event. Whoever draws one later has a transaction id above that of own_xid.sql, asked next.
select case when is_called then last_value else 0 end from bridge.event_seq
