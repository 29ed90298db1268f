-- enable_triggers: let the triggers of a tracked table, and of its table partitions, fire as its settings say.
--
-- Parameters: tracked_id   of bridge.tracked_table
--             tries        how often to try for each lock
-- Returns:    nothing
-- Writes:     the triggers' state: also for what logical replication applies, or not; none stays disabled
-- Errors:     55P03 lock_not_available where a table is too busy
create or replace function bridge.enable_triggers(tracked_id integer, tries integer default 20) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tracked constant bridge.tracked_table := (select t from bridge.tracked_table as t where t.id = tracked_id);
    statement text;
begin
    for statement in
        select format('alter table %s enable %s trigger %I', g.tgrelid::regclass,
                      case when tracked.replicated then 'always' else '' end, g.tgname)
          from pg_trigger as g
         where g.tgfoid = to_regprocedure(format('bridge_tracking.record_%s()', tracked_id))
           and g.tgenabled <> case when tracked.replicated then 'A' else 'O' end loop
        perform bridge.execute_briefly(statement, tries);
    end loop;
end $$;

revoke execute on function bridge.enable_triggers(integer, integer) from public;
