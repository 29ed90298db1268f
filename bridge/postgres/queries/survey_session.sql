-- For one transaction that only looks: its plans must follow the indexes whatever ANALYZE saw last, and it must neither
-- take long nor wait for a lock.
select set_config(name, setting, true)
  from (values ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('enable_sort', 'off'),
               ('statement_timeout', '5s'),
               ('lock_timeout', '1s')
       ) as wanted (name, setting)
