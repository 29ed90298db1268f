-- What a shard's own connection needs beside pin_session.sql. Its scans must follow (shard, seq) whatever ANALYZE saw last;
-- a claim must be durable before its Kafka transaction commits; a relay that hangs must not hold back vacuum. The keys of
-- dead events must be hashed, and are while the planner expects them to fit into twice work_mem, 32 bytes each.
select set_config(name, setting, %(is_local)s)
  from (values ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('enable_sort', 'off'),
               ('work_mem', '64MB'),
               ('hash_mem_multiplier', '2'),
               ('plan_cache_mode', 'force_generic_plan'),
               ('lock_timeout', '10s'),
               ('idle_in_transaction_session_timeout', '30s'),
               ('synchronous_commit', case current_setting('synchronous_commit')
                                           when 'off' then 'on' else current_setting('synchronous_commit') end)
       ) as wanted (name, setting)
