-- partition_bounds: the table partitions of a table that is partitioned by a range of time.
--
-- Parameters: parent   the partitioned table
-- Returns:    a row for each leaf: its bounds (null for the default partition), read from the catalog, never from names
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.partition_bounds(parent regclass)
    returns table (leaf regclass, range_from timestamptz, range_to timestamptz, is_default boolean)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'               -- pg_get_expr prints bounds in the session's zone and style
    set datestyle = 'ISO, YMD'
as $$
    select c.oid::regclass,
           case when bound like 'FOR VALUES FROM (MINVALUE)%' then '-infinity'
                else substring(bound from $re$FROM \('([^']+)'\)$re$)::timestamptz end,
           case when bound like '%TO (MAXVALUE)' then 'infinity'
                else substring(bound from $re$TO \('([^']+)'\)$re$)::timestamptz end,
           bound = 'DEFAULT'
      from pg_inherits as i
      join pg_class as c on c.oid = i.inhrelid
     cross join lateral pg_get_expr(c.relpartbound, c.oid) as bound
     where i.inhparent = parent
$$;
