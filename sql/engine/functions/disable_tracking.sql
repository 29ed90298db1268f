-- disable_tracking: stop recording a table's changes; what was recorded stays.
--
-- Parameters: tracked   the table
-- Returns:    nothing. A table that is not tracked is left as it is
-- Writes:     drops the triggers of bridge.enable_tracking from the table, its partitions and what was detached; the
--             function
-- Errors:     55P03 lock_not_available where the table is too busy
create or replace function bridge.disable_tracking(tracked regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tracked_id constant integer := (select t.id from bridge.tracked_table as t where t.relation = tracked);
    statement text;
begin
    if tracked_id is null then
        return;
    end if;
    for statement in
        select format('drop trigger %I on %s', g.tgname, g.tgrelid::regclass)
          from pg_trigger as g
         where g.tgfoid = to_regprocedure(format('bridge_tracking.record_%s()', tracked_id)) and g.tgparentid = 0
         order by g.tgrelid = tracked desc, g.tgrelid loop    -- no partition is kept while the whole is waited for
        perform bridge.execute_briefly(statement);
    end loop;
    for statement in
        select format('revoke select on %s from bridge_reader', m.relation)
          from bridge.member_tables(tracked) as m (relation)
         where has_table_privilege('bridge_reader', m.relation, 'select') loop
        execute statement;
    end loop;
    execute format('drop function if exists bridge_tracking.record_%s()', tracked_id);
    delete from bridge.tracked_table as t where t.id = tracked_id;
end $$;

revoke execute on function bridge.disable_tracking(regclass) from public;
