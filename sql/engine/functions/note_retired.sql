-- note_retired: say why a table partition that was taken out does not get on.
--
-- Parameters: id        of bridge.retired_partition
--             trouble   null: nothing is wrong any more
-- Returns:    nothing
-- Writes:     bridge.retired_partition
-- Errors:     none
create or replace function bridge.note_retired(id bigint, trouble text) returns void
    language sql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    update bridge.retired_partition as r
       set trouble = $2, changed_at = clock_timestamp()
     where r.id = $1 and r.trouble is distinct from $2
$$;

revoke execute on function bridge.note_retired(bigint, text) from public;
