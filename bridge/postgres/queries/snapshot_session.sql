-- For each transaction of bridge snapshot: keys are written so that they can be read back, and nobody waits for long behind
-- us. A policy would hide rows: rather fail. Rows are read by the key's index, whatever ANALYZE saw last.
select set_config(name, setting, true)
  from (values ('timezone', 'UTC'),
               ('datestyle', 'ISO, YMD'),
               ('intervalstyle', 'iso_8601'),
               ('bytea_output', 'hex'),
               ('extra_float_digits', '1'),
               ('lc_monetary', 'C'),
               ('xmloption', 'content'),
               ('quote_all_identifiers', 'off'),
               ('row_security', 'off'),
               ('constraint_exclusion', 'off'),
               ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('jit', 'off'),
               ('statement_timeout', '0'),
               ('lock_timeout', '200ms'),
               ('idle_in_transaction_session_timeout', '60s')
       ) as pinned (name, setting)
