-- guard_partition: let an event that is written to a table partition after all move bridge.finished back.
--
-- Parameters: leaf      a partition of bridge.outbox or bridge.history
--             control   its partition key
-- Returns:    nothing
-- Writes:     the trigger bridge_reopen of the leaf
-- Errors:     55P03 lock_not_available, after the caller's lock_timeout
create or replace function bridge.guard_partition(leaf regclass, control name) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('create or replace trigger bridge_reopen after insert on %s for each row'
                   ' execute function bridge.reopen_partition(%L)', leaf, control);
    execute format('alter table %s enable always trigger bridge_reopen', leaf);   -- in a restore, too
end $$;

revoke execute on function bridge.guard_partition(regclass, name) from public;
