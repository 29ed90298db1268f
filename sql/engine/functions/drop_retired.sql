-- drop_retired: drop a table partition that was taken out and has done its time.
--
-- Parameters: id   of bridge.retired_partition: detached, to be dropped or archived (then it is empty), and counted
-- Returns:    nothing
-- Writes:     bridge.retired_partition; the table is gone
-- Errors:     55000 object_not_in_prerequisite_state where it is not to be dropped;
--             55P03 lock_not_available after half a second; 02000 no_data as bridge.lock_retired;
--             2BP01 dependent_objects_still_exist, of a view of somebody's
create or replace function bridge.drop_retired(id bigint) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '500ms'
as $$
declare
    retired constant bridge.retired_partition := bridge.lock_retired(id);
begin
    if retired.state <> 'detached' or retired.expiry not in ('drop', 'archive') or retired.rows is null
            or retired.expiry = 'archive' and retired.rows > 0 then
        raise exception 'the table % is not to be dropped', retired.leaf
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('drop table %s', retired.relation);
    update bridge.retired_partition as r
       set state = 'dropped', changed_at = clock_timestamp(), trouble = null
     where r.id = drop_retired.id;
end $$;

revoke execute on function bridge.drop_retired(bigint) from public;
