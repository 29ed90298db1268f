-- disable_tracking: stop recording a table's changes; what was recorded stays.
--
-- Parameters: tracked   the table
-- Returns:    nothing. A table that is not tracked is left as it is
-- Writes:     drops the triggers of bridge.enable_tracking from the table and its partitions
-- Errors:     none of its own
create or replace function bridge.disable_tracking(tracked regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_trigger record;
begin
    for found_trigger in
        select t.tgname, t.tgrelid::regclass as relation
          from pg_trigger as t
         where t.tgname like 'bridge\_track\_%' and t.tgparentid = 0
           and t.tgrelid in (select tracked union select p.relid from pg_partition_tree(tracked) as p) loop
        execute format('drop trigger %I on %s', found_trigger.tgname, found_trigger.relation);
    end loop;
end $$;

revoke execute on function bridge.disable_tracking(regclass) from public;
