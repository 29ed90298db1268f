-- due_partitions: the table partitions whose time is over, by bridge.partition_policy.
--
-- Parameters: of_leaf   this one alone, if it is one; null: all
-- Returns:    each, the oldest first, with what stands against its leaving (null: nothing)
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.due_partitions(of_leaf regclass default null)
    returns table (leaf regclass, parent regclass, range_from timestamptz, range_to timestamptz, obstacle text)
    language plpgsql stable
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set jit = off    -- the planner takes these few rows for many: compiling took most of a second for each partition
as $$
begin
    return query
    select b.leaf, p.parent, b.range_from, b.range_to, bridge.retirement_obstacle(b.leaf, b.range_from, b.range_to)
      from bridge.partition_policy as p
     cross join lateral bridge.partition_bounds(p.parent) as b
     where p.keep_for is not null
       and not b.is_default
       and (of_leaf is null or b.leaf = of_leaf)
       and (select c.relkind from pg_class as c where c.oid = b.leaf) in ('r', 'p')
       and b.range_to <= now() - p.keep_for
       and (p.parent <> 'bridge.outbox'::regclass or bridge.was_processed_by(b.leaf, now() - p.keep_for))
     order by b.range_from, p.parent::text;
end $$;

revoke execute on function bridge.due_partitions(regclass) from public;
