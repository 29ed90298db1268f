-- For every connection, or, behind a pooler that lends connections for a transaction each, for a relay's transaction
-- (is_local): what our statements mean, and how their answers are written, must not depend on what the database, the role
-- or the environment have set. default_transaction_read_only is left alone: who sets it wants nothing to be written.
select set_config(name, setting, %(is_local)s)
  from (values ('search_path', 'pg_catalog, pg_temp'),
               ('DateStyle', 'ISO, YMD'),
               ('IntervalStyle', 'postgres'),
               ('TimeZone', 'UTC'),
               ('bytea_output', 'hex'),
               ('extra_float_digits', '1'),
               ('quote_all_identifiers', 'off'),
               ('standard_conforming_strings', 'on'),
               ('array_nulls', 'on'),
               ('transform_null_equals', 'off'),
               ('xmloption', 'content'),
               ('row_security', 'off'),
               ('default_transaction_isolation', 'read committed'),
               ('default_transaction_deferrable', 'off'),
               ('statement_timeout', '0'),
               ('transaction_timeout', '0'),
               ('lock_timeout', '0'),
               ('idle_session_timeout', '0'),
               ('idle_in_transaction_session_timeout', '0'),
               ('plan_cache_mode', 'auto'),
               ('jit', 'off')
       ) as pinned (name, setting)
 where current_setting(name, true) is not null  -- some are younger than the oldest Postgres that is supported
