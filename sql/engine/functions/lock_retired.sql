-- lock_retired: the row of a table partition that was taken out, for who is about to do something with that table.
--
-- Parameters: id   of bridge.retired_partition
-- Returns:    the row, locked
-- Writes:     nothing
-- Errors:     02000 no_data where there is none, or its table is not there any more, or is a partition again;
--             55P03 lock_not_available where somebody else is at it
create or replace function bridge.lock_retired(id bigint) returns bridge.retired_partition
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    retired bridge.retired_partition;
begin
    select r.* into retired from bridge.retired_partition as r where r.id = lock_retired.id for update nowait;
    if not found then
        raise exception 'no partition of this number was taken out: %', id using errcode = 'no_data';
    elsif not exists (select from pg_class as c
                       where c.oid = retired.relation and c.relkind = 'r' and not c.relispartition) then
        raise exception 'the table % is not there, or is a partition again', retired.leaf using errcode = 'no_data';
    end if;
    return retired;
end $$;

revoke execute on function bridge.lock_retired(bigint) from public;
