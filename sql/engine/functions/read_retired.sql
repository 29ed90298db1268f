-- read_retired: open a cursor over a detached table partition, for its cold files.
--
-- Parameters: id            of bridge.retired_partition
--             after_place   of the last row that is in files already; (0,0): none is
-- Returns:    the cursor's name, for this transaction; its rows are those of bridge.cold_query
-- Writes:     a view of the table (bridge.pin_table), by which they are read: roll the transaction back
-- Errors:     as bridge.find_retired and bridge.pin_table; 55P03 lock_not_available after two seconds
create or replace function bridge.read_retired(id bigint, after_place tid) returns refcursor
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set row_security = off              -- a policy would be somebody's code, run with our rights
    set lock_timeout = '2s'
as $$
declare
    retired_rows refcursor := 'retired_rows';
    relation regclass;
begin
    perform bridge.lock_for_reading(bridge.find_retired(id));
    relation := bridge.find_retired(id);
    open retired_rows no scroll for execute bridge.cold_query(relation, bridge.pin_table(relation)) using after_place;
    return retired_rows;
end $$;

revoke execute on function bridge.read_retired(bigint, tid) from public;
