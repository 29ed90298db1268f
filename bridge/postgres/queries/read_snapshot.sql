-- What the scan in this transaction can see, a bound on the numbers drawn so far (for the next checkpoint), and where
-- the ledger says that scans begin: a retry may have set it back.
select pg_current_snapshot()::text, case when is_called then last_value else 0 end,
       (select scan_from from bridge.shard where shard = %(shard)s)
  from bridge.event_seq
