-- step_gaps: what no table partition has of some steps of a table's policy.
--
-- Parameters: parent    a table of bridge.partition_policy
--             step      of it: day or month
--             moments   one or more of each step; before the year 1 and after 9999 there are no partitions
-- Returns:    ranges within one step each
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.step_gaps(parent regclass, step text, moments timestamptz[])
    returns table (range_from timestamptz, range_to timestamptz)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
    with covered as (
        select coalesce(range_agg(tstzrange(b.range_from, b.range_to)), '{}') as ranges
          from bridge.partition_bounds(parent) as b
         where not b.is_default
    ), wanted as (
        select distinct date_trunc(step, m.moment) as start
          from unnest(moments) as m (moment)
         where m.moment >= '0001-01-01 UTC' and m.moment < '9999-12-01 UTC'
    )
    select lower(g.gap), upper(g.gap)
      from wanted as w
     cross join covered as c
     cross join unnest(tstzmultirange(tstzrange(w.start, w.start + ('1 ' || step)::interval)) - c.ranges) as g (gap)
$$;

revoke execute on function bridge.step_gaps(regclass, text, timestamptz[]) from public;
