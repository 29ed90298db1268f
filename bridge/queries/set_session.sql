-- For a pipeline's own connection. Its scans must follow (shard, seq) whatever ANALYZE saw last; a claim must be
-- durable before its Kafka transaction commits; a relay that hangs must not hold back vacuum.
set jit = off;
set enable_seqscan = off;
set enable_bitmapscan = off;
set enable_sort = off;
set plan_cache_mode = force_generic_plan;
set timezone = 'UTC';
set lock_timeout = '10s';
set idle_in_transaction_session_timeout = '30s';
select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
