-- attach_triggers: give a tracked table, and its table partitions, the triggers that they lack.
--
-- Parameters: tracked_id   of bridge.tracked_table
--             tries        how often to try for each lock
-- Returns:    whether anything was missing
-- Writes:     triggers, and rights to read the table before a TRUNCATE. What is there already is left alone, so a table
--             that has all is not locked
-- Errors:     55P03 lock_not_available where a table is too busy; all that has been done is undone
--
-- CREATE TRIGGER waits for all who are writing, and who wants to write meanwhile waits behind it. So it waits for a
-- fifth of a second, lets the others pass, and tries again.
--
-- There is no WHEN clause, because Postgres parses it anew for each statement: measured, a fifth of what tracking costs
-- an update of one row.
--
-- The row trigger's name sorts before the application's own, so that it fires first and little has to be renumbered.
-- Where the key can be deferred, Postgres checks it by a trigger of its own (PK_ConstraintTrigger_...), which may wait
-- for another transaction: a number is drawn after that, by a constraint trigger that is deferred when the key is. That
-- of TRUNCATE sorts behind the application's, which may still write. The number is in the names because a table that is
-- attached to another may be tracked itself.
create or replace function bridge.attach_triggers(tracked_id integer, tries integer default 20) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tracked constant bridge.tracked_table := (select t from bridge.tracked_table as t where t.id = tracked_id);
    routine constant regprocedure := format('bridge_tracking.record_%s()', tracked_id);
    can_be_deferred constant boolean := exists (
        select from pg_index as i
         where i.indrelid = tracked.relation and i.indisunique and not i.indimmediate
           and bridge.index_columns(i) = tracked.key);
    row_trigger constant text := case when can_be_deferred
        then format('create constraint trigger bridge_%s_row after insert or update or delete on %s'
                    ' deferrable initially immediate for each row execute function %s',    -- behind PK_
                    tracked_id, tracked.relation, routine)
        else format('create trigger "!bridge_%s_row" after insert or update or delete on %s'
                    ' for each row execute function %s', tracked_id, tracked.relation, routine) end;
    found_trigger pg_trigger;
    todo text[] := '{}';
    statement text;
begin
    perform bridge.grant_table(tracked.relation);
    select g.* into found_trigger from pg_trigger as g
     where g.tgrelid = tracked.relation and g.tgfoid = routine and g.tgtype & 1 <> 0;    -- of rows
    if not found then
        todo := array[row_trigger];
    elsif found_trigger.tgdeferrable <> can_be_deferred then
        todo := array[format('drop trigger %I on %s', found_trigger.tgname, tracked.relation), row_trigger];
    end if;
    todo := todo || array(
        select format('create trigger "~bridge_%s_truncate" before truncate on %s for each statement'
                      ' execute function %s', tracked_id, m.relation, routine)
          from bridge.member_tables(tracked.relation) as m (relation)
         where not exists (select from pg_trigger as g
                            where g.tgrelid = m.relation and g.tgfoid = routine and g.tgtype & 1 = 0));
    foreach statement in array todo loop
        perform bridge.execute_briefly(statement, tries);
    end loop;
    if tracked.replicated and todo <> '{}' then
        perform bridge.enable_triggers(tracked_id, tries);
    end if;
    return cardinality(todo) > 0;
end $$;

revoke execute on function bridge.attach_triggers(integer, integer) from public;
