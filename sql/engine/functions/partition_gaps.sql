-- partition_gaps: the ranges that should have a table partition and have none.
--
-- Parameters: of_parent   a table of bridge.partition_policy
--             also        moments, beside now and those to come, for which a partition is wanted
-- Returns:    ranges within one step each, the current one first, past ones last, the newest of them first: the steps
--             from now on as far as the policy says, and, of bridge's own tables, up to 50 others that have rows in
--             the default partition. Rows before the year 1 or after 9999 stay there
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.partition_gaps(of_parent regclass, also timestamptz[] default '{}')
    returns table (range_from timestamptz, range_to timestamptz)
    language plpgsql stable
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    policy bridge.partition_policy;
    strays timestamptz[] := '{}';
    default_leaf regclass;
begin
    select * into strict policy from bridge.partition_policy as p where p.parent = of_parent;
    select b.leaf into default_leaf from bridge.partition_bounds(of_parent) as b where b.is_default;
    if default_leaf is not null and bridge.is_ours(of_parent) then
        execute format('select array(select distinct date_trunc(%1$L, %2$I::timestamptz) from %3$s'
                       ' where %2$I >= ''0001-01-01 UTC'' and %2$I < ''9999-12-01 UTC'''
                       ' order by 1 desc limit 50)', policy.step, policy.control, default_leaf) into strays;
    end if;
    return query
    select g.range_from, g.range_to
      from bridge.step_gaps(of_parent, policy.step, strays || also || array(
               select date_trunc(policy.step, now()) + n * ('1 ' || policy.step)::interval
                 from generate_series(0, policy.premake) as n)) as g
     order by g.range_to <= now(), case when g.range_to <= now() then -extract(epoch from g.range_from) end,
              g.range_from;
end $$;

revoke execute on function bridge.partition_gaps(regclass, timestamptz[]) from public;
