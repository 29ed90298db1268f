-- refresh_tracking: follow what has become of the tracked tables: other columns, other names, new table partitions, a
-- dump and restore. What cannot be followed is left for bridge.tracking_report() to tell.
--
-- Returns:    the number of tables for which something was done; call it again until it is 0
-- Writes:     bridge.tracked_table, generated functions, triggers that are missing, roles' rights; bridge.moved_version
--             is emptied
-- Errors:     none of its own; a table that is too busy, or cannot be followed, is left
--
-- Relays call it twice a minute. Until then an altered table is recorded rightly, but slowly. No lock is kept while
-- another is waited for, so it ends with the first that it took; next time that table comes last, or one that needs a
-- lock each time would keep it from all others.
create or replace function bridge.refresh_tracking() returns integer
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    tracked bridge.tracked_table;
    done integer := 0;
    outcome text;
    problem text;
begin
    begin
        perform bridge.grant_capture();
    exception when undefined_object or insufficient_privilege or lock_not_available then
        return 0;    -- a role is missing: nothing can be followed; or somebody else is at it
    end;
    delete from bridge.moved_version as m where m.xid < pg_snapshot_xmin(pg_current_snapshot());
    for tracked in select t.* from bridge.tracked_table as t order by t.locked_at nulls first, t.id
                      for update skip locked loop
        problem := null;
        begin
            outcome := bridge.follow_table(tracked);
        exception
            when lock_not_available or deadlock_detected then
                continue;    -- too busy: next time
            when others then    -- one that cannot be followed does not keep the others
                outcome := null;
                problem := sqlerrm;
        end;
        done := done + (outcome is not null)::integer;
        update bridge.tracked_table as t set trouble = problem
         where t.id = tracked.id and t.trouble is distinct from problem;
        if outcome = 'locked' then
            update bridge.tracked_table as t set locked_at = clock_timestamp() where t.id = tracked.id;
            exit;
        end if;
    end loop;
    return done;
end $$;

revoke execute on function bridge.refresh_tracking() from public;
