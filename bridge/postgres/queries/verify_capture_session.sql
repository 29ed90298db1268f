-- For the transaction of bridge verify --capture: values are written as bridge.read_change() writes them, whatever the
-- session has. A policy would hide rows, and a lock may be kept for long: rather say so of that table. Sorts are large,
-- and all of the answer is wanted.
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
               ('jit', 'off'),
               ('statement_timeout', '0'),
               ('lock_timeout', '10s'),
               ('idle_in_transaction_session_timeout', '0'),
               ('work_mem', '64MB'),
               ('cursor_tuple_fraction', '1')
       ) as pinned (name, setting)
