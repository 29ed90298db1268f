-- drop_retired: drop a table partition that was taken out and has done its time.
--
-- Parameters: id   of bridge.retired_partition: detached, to be dropped or archived (then it is empty), and counted
-- Returns:    nothing
-- Writes:     bridge.retired_partition; the table is gone
-- Errors:     55000 object_not_in_prerequisite_state where it is not to be dropped;
--             55P03 lock_not_available after half a second; as bridge.lock_retired;
--             2BP01 dependent_objects_still_exist, of a view of somebody's
--
-- It is counted once more while nobody else can have it: what was written to it after all is not lost.
create or replace function bridge.drop_retired(id bigint) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set row_security = off
    set lock_timeout = '500ms'
as $$
declare
    retired constant bridge.retired_partition := bridge.lock_retired(id);
    pinned text;
    held bigint;
begin
    perform bridge.require_read_committed();
    if retired.state <> 'detached' or retired.expiry not in ('drop', 'archive') or retired.rows is null
            or retired.expiry = 'archive' and retired.rows > 0 then
        raise exception 'the table % is not to be dropped', retired.leaf
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('lock table %s in access exclusive mode', retired.relation);
    perform bridge.lock_retired(id);
    perform bridge.lock_for_reading(retired.relation);
    pinned := bridge.pin_table(retired.relation);
    execute format('select count(*) from %s', pinned) into held;
    execute format('drop view %s', pinned);
    if held <> retired.rows then
        raise exception 'the table % is not dropped: it holds % rows, and held % when it was taken out', retired.leaf,
                        held, retired.rows
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Somebody writes to it. Insert its new rows into the table that it was of, or leave it.';
    end if;
    execute format('drop table %s', retired.relation);
    update bridge.retired_partition as r
       set state = 'dropped', changed_at = clock_timestamp(), trouble = null
     where r.id = drop_retired.id;
end $$;

revoke execute on function bridge.drop_retired(bigint) from public;
