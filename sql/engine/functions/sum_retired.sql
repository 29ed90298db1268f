-- sum_retired: what a detached table partition holds, to be compared with its cold files.
--
-- Parameters: id   of bridge.retired_partition
-- Returns:    as bridge.sum_rows
-- Writes:     nothing
-- Errors:     as bridge.find_retired; 55P03 lock_not_available after two seconds
create or replace function bridge.sum_retired(id bigint, out rows bigint, out checksum text)
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set row_security = off
    set lock_timeout = '2s'
as $$
begin
    perform bridge.lock_for_reading(bridge.find_retired(id));
    select s.rows, s.checksum into rows, checksum from bridge.sum_rows(bridge.find_retired(id)) as s;
end $$;

revoke execute on function bridge.sum_retired(bigint) from public;
