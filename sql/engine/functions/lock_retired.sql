-- lock_retired: the row of a table partition that was taken out, for who is about to do something with that table.
--
-- Parameters: id   of bridge.retired_partition
-- Returns:    the row, locked
-- Writes:     nothing
-- Errors:     42704 undefined_object where there is none; 42P01 undefined_table where its table is not there any more,
--             has another name, or is a partition again; 55P03 lock_not_available where somebody else is at it
--
-- Neither a name alone nor a number alone is enough: either may be another table's by now.
create or replace function bridge.lock_retired(id bigint) returns bridge.retired_partition
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    retired bridge.retired_partition;
begin
    select r.* into retired from bridge.retired_partition as r where r.id = lock_retired.id for update nowait;
    if not found then
        raise exception 'no partition of this number was taken out: %', id using errcode = 'undefined_object';
    elsif not exists (select from pg_class as c
                       where c.oid = retired.relation and c.relkind in ('r', 'p') and not c.relispartition
                         and bridge.qualified_name(c.oid) = retired.leaf) then
        raise exception 'the table % is not there any more, has another name, or is a partition again', retired.leaf
            using errcode = 'undefined_table';
    end if;
    return retired;
end $$;

revoke execute on function bridge.lock_retired(bigint) from public;
