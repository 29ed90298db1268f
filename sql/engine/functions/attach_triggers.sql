-- attach_triggers: give a tracked table, and its table partitions, the triggers that they lack.
--
-- Parameters: tracked_id   of bridge.tracked_table
--             tries        how often to try for each lock
-- Returns:    whether anything was missing
-- Writes:     triggers. What is there already is left alone, so a table that has all is not locked
-- Errors:     55P03 lock_not_available where a table is too busy; all that has been done is undone
--
-- CREATE TRIGGER waits for all who are writing, and who wants to write meanwhile waits behind it. So it waits for a
-- fifth of a second, lets the others pass, and tries again.
--
-- There is no WHEN clause, because Postgres parses it anew for each statement: measured, a fifth of what tracking costs
-- an update of one row.
--
-- The trigger's name sorts before the application's own, so that it fires first and little has to be renumbered. Where
-- the key can be deferred, Postgres checks it by a trigger of its own (PK_ConstraintTrigger_...), which may wait for
-- another transaction: a number is drawn after that, by a constraint trigger that is deferred when the key is.
create or replace function bridge.attach_triggers(tracked_id integer, tries integer default 20) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tracked constant bridge.tracked_table := (select t from bridge.tracked_table as t where t.id = tracked_id);
    routine constant text := 'bridge_tracking.record_' || tracked_id || '()';
    key_index pg_index;
    kind text := '';
    modes text := '';
    name text := '!bridge_row';
    todo text[] := '{}';
    statement text;
    member regclass;
begin
    select i.* into key_index from pg_index as i
     where i.indrelid = tracked.relation and i.indisunique and not i.indimmediate
       and tracked.key = array(select k.attnum from unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
                                where k.position <= i.indnkeyatts order by k.position);
    if found then
        kind := 'constraint';
        modes := 'deferrable initially immediate';
        name := 'bridge_row';    -- behind PK_
    end if;
    execute format('grant usage on schema %s to bridge_capture', (    -- what TRUNCATE removes is read
        select c.relnamespace::regnamespace from pg_class as c where c.oid = tracked.relation));
    for member in select tracked.relation union select p.relid from pg_partition_tree(tracked.relation) as p loop
        if not has_table_privilege('bridge_capture', member, 'select') then
            execute format('grant select on %s to bridge_capture', member);
        end if;
    end loop;
    if not exists (select from pg_trigger as g
                    where g.tgrelid = tracked.relation and g.tgfoid = routine::regprocedure) then
        todo := array[format('create %s trigger %I after insert or update or delete on %s %s for each row'
                             ' execute function %s', kind, name, tracked.relation, modes, routine)];
    end if;
    todo := todo || array(
        select format('create trigger "!bridge_truncate" before truncate on %s for each statement'
                      ' execute function bridge.track_truncate()', r.relation)
          from (select tracked.relation union select p.relid from pg_partition_tree(tracked.relation) as p
               ) as r (relation)
         where not exists (select from pg_trigger as g where g.tgrelid = r.relation
                              and g.tgfoid = 'bridge.track_truncate()'::regprocedure));
    foreach statement in array todo loop
        perform bridge.execute_briefly(statement, tries);
    end loop;
    if tracked.replicated and todo <> '{}' then
        perform bridge.enable_triggers(tracked_id, tries);
    end if;
    return cardinality(todo) > 0;
end $$;

revoke execute on function bridge.attach_triggers(integer, integer) from public;
