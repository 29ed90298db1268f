-- member_tables: a table, and its table partitions if it has any.
--
-- Parameters: relation
-- Returns:    one or more; none where the table is gone
-- Writes:     nothing
-- Errors:     none
--
-- pg_partition_tree() would wait where somebody keeps the table locked.
create or replace function bridge.member_tables(relation regclass) returns setof regclass
    language sql stable parallel safe rows 2
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with recursive member as (
        select c.oid from pg_class as c where c.oid = relation
        union    -- not all: the catalog may show a table twice (bridge.current_columns)
        select c.oid
          from member as m
          join pg_inherits as i on i.inhparent = m.oid
          join pg_class as c on c.oid = i.inhrelid and c.relispartition
    )
    select oid::regclass from member
$$;

revoke execute on function bridge.member_tables(regclass) from public;
