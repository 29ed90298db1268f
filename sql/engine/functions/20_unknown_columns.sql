-- unknown_columns: the columns of a tracked table's settings of which it is not certain, after a dump and restore,
-- which they are now: they were renamed or exchanged just before.
--
-- Parameters: tracked   a row of bridge.tracked_table
-- Returns:    names, as they were
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.unknown_columns(tracked bridge.tracked_table) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select array(select k.value
                   from jsonb_each_text(tracked.columns) as k
                   left join bridge.tracked_columns(tracked) as c on c.name::text = k.value
                  where k.key::int2 = any (tracked.key || tracked.excluded || tracked.masked)
                    and tracked.home <> bridge.tracking_home() and c.is_known is not true
                  order by k.key::int2)
$$;

revoke execute on function bridge.unknown_columns(bridge.tracked_table) from public;
