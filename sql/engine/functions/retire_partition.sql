-- retire_partition: take a table partition whose time is over out of its table.
--
-- Parameters: leaf   one of bridge.due_partitions()
-- Returns:    its id in bridge.retired_partition; null where it is none of those, or may not leave
-- Writes:     bridge.retired_partition; the leaf is a table of its own then
-- Errors:     55P03 lock_not_available after half a second, in which reads and writes of the table wait behind this;
--             55000 object_not_in_prerequisite_state in a transaction with one snapshot; 42501 as
--             bridge.lock_for_attaching
--
-- Whether it may leave is asked again once nobody can write to it; only then its table is locked, for a moment. Then it
-- is asked a last time: who had read it by then, for a replay, has parked its events.
create or replace function bridge.retire_partition(leaf regclass) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set lock_timeout = '500ms'
as $$
declare
    due record;
    id bigint;
begin
    perform bridge.require_read_committed();
    select d.* into due from bridge.due_partitions(leaf) as d where d.obstacle is null;
    if not found then
        return null;
    end if;
    perform bridge.lock_for_attaching(due.parent);    -- first: it may wait for longer than writers of the leaf should
    execute format('lock table %s in share row exclusive mode', leaf);
    if bridge.retirement_obstacle(leaf, due.range_from, due.range_to) is not null then
        return null;
    end if;
    execute format('lock table only %s in access exclusive mode', due.parent);
    if bridge.retirement_obstacle(leaf, due.range_from, due.range_to) is not null then
        return null;
    end if;
    perform set_config('lock_timeout', '50', true);
    execute format('alter table %s detach partition %s', due.parent, leaf);
    execute format('drop trigger if exists bridge_reopen on %s', leaf);
    insert into bridge.retired_partition as r (parent, leaf, relation, range_from, range_to, expiry, location,
                                               format)
    select bridge.qualified_name(due.parent), bridge.qualified_name(leaf), leaf, due.range_from, due.range_to,
           p.expiry, p.location, p.format
      from bridge.partition_policy as p
     where p.parent = due.parent
    returning r.id into id;
    return id;
end $$;

revoke execute on function bridge.retire_partition(regclass) from public;
