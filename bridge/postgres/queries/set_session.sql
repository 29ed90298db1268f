-- What a shard's own connection needs beside pin_session.sql. Its scans must follow (shard, seq) whatever ANALYZE saw last;
-- a claim must be durable before its Kafka transaction commits; a relay that hangs must not hold back vacuum. A batch is
-- kept in memory while its bytes are summed up.
select set_config(name, setting, %(is_local)s)
  from (values ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('enable_sort', 'off'),
               ('work_mem', '64MB'),
               ('plan_cache_mode', 'force_generic_plan'),
               ('lock_timeout', '10s'),
               ('idle_in_transaction_session_timeout', '30s'),
               ('synchronous_commit', case current_setting('synchronous_commit')
                                           when 'off' then 'on' else current_setting('synchronous_commit') end)
       ) as wanted (name, setting)
