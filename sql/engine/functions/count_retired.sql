-- count_retired: count the rows of a table partition that was taken out.
--
-- Parameters: id   of bridge.retired_partition
-- Returns:    how many
-- Writes:     bridge.retired_partition
-- Errors:     as bridge.lock_retired, bridge.lock_for_reading and bridge.pin_table
create or replace function bridge.count_retired(id bigint) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set row_security = off
    set lock_timeout = '500ms'
as $$
declare
    retired bridge.retired_partition;
    pinned text;
    counted bigint;
    last_xid xid8;
begin
    retired := bridge.lock_retired(id);
    perform bridge.lock_for_reading(retired.relation);
    pinned := bridge.pin_table(retired.relation);
    execute format('select count(*), %s from %s as v', case when retired.parent in ('bridge.outbox', 'bridge.history')
                                                            then 'max((v.entire).xid)' else 'null' end, pinned)
        into counted, last_xid;
    execute format('drop view %s', pinned);
    update bridge.retired_partition as r
       set rows = counted, max_xid = last_xid, changed_at = clock_timestamp()
     where r.id = count_retired.id;
    return counted;
end $$;

revoke execute on function bridge.count_retired(bigint) from public;
