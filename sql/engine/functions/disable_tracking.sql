-- disable_tracking: stop recording a table's changes; what was recorded stays.
--
-- Parameters: tracked   the table
--             tries     how often to try for each lock
-- Returns:    nothing. A table that is not tracked is left as it is
-- Writes:     drops the triggers of bridge.enable_tracking from the table, its partitions and what was detached, with
--             the caller's rights; what is bridge's by bridge.answer_request()
-- Errors:     42501 insufficient_privilege (the caller does not own the table), 55P03 lock_not_available where the
--             table is too busy, 55000 object_not_in_prerequisite_state (outside READ COMMITTED)
create or replace function bridge.disable_tracking(tracked regclass, tries integer default 20) returns void
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
    if exists (select from pg_class as c where c.oid = tracked) then
        perform bridge.execute_briefly(format('lock table only %s in access share mode', tracked), tries);
    end if;
    for statement in
        select format('drop trigger %I on %s', g.tgname, g.tgrelid::regclass)
          from pg_trigger as g
         where g.tgfoid = to_regprocedure(format('bridge_tracking.record_%s()', tracked_id)) and g.tgparentid = 0
         order by g.tgrelid = tracked desc, g.tgrelid loop    -- no partition is kept while the whole is waited for
        perform bridge.execute_briefly(statement, tries);
    end loop;
    for statement in
        select format('revoke select on %s from bridge_reader', m.relation)
          from bridge.member_tables(tracked) as m (relation)
         where has_table_privilege('bridge_reader', m.relation, 'select') loop
        execute statement;
    end loop;
    insert into bridge.tracking_request (tracked, ends) values (tracked, true);
end $$;

revoke execute on function bridge.disable_tracking(regclass, integer) from public;
