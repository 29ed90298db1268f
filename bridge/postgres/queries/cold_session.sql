-- For the transaction in which rows are read for cold files, or restored: values are written as bridge.sum_rows() sees
-- them.
select set_config(name, setting, true)
  from (values ('DateStyle', 'ISO, YMD'),
               ('IntervalStyle', 'postgres'),
               ('TimeZone', 'UTC'),
               ('bytea_output', 'hex'),
               ('extra_float_digits', '1'),
               ('lc_monetary', 'C'),
               ('xmloption', 'content'),
               ('search_path', 'pg_catalog, pg_temp'),
               ('quote_all_identifiers', 'off'),
               ('row_security', 'off'),
               ('lock_timeout', '2s'),
               ('jit', 'off'),
               ('cursor_tuple_fraction', '1')
       ) as pinned (name, setting)
