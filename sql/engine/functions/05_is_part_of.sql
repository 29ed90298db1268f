-- is_part_of: whether a table is another, or one of its table partitions at this moment.
--
-- Parameters: part, whole   a table that is gone is part of none
-- Returns:    boolean
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.is_part_of(part regclass, whole regclass) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(part = whole, false) or exists (select from pg_partition_ancestors(part) as p where p.relid = whole)
$$;

revoke execute on function bridge.is_part_of(regclass, regclass) from public;
