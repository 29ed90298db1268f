-- What the scan in this transaction can see, and a bound on the numbers drawn so far (for the next checkpoint).
select pg_current_snapshot()::text, case when is_called then last_value else 0 end from bridge.event_seq
