-- member_tables: a table, and its table partitions if it has any.
--
-- Parameters: relation
-- Returns:    one or more; none where the table is gone
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.member_tables(relation regclass) returns setof regclass
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select c.oid::regclass from pg_class as c where c.oid = relation
    union
    select p.relid from pg_partition_tree(relation) as p
$$;

revoke execute on function bridge.member_tables(regclass) from public;
