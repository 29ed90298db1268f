-- event_key_names: the columns of which the key of a tracked table's events is made, where it is not the usual one.
--
-- Parameters: tracked   a row of bridge.tracked_table
-- Returns:    their names as they are now, in order; null where there are none, or one of them is gone or hidden: then
--             the key is the usual one
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.event_key_names(tracked bridge.tracked_table) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when bool_and(f.name is not null) then array_agg(f.name order by k.position) end
      from unnest(tracked.event_key_columns) with ordinality as k (number, position)
      left join lateral (
        select c.name::text as name
          from bridge.tracked_columns(tracked) as c
         where c.use in ('key', 'plain')
           and (c.number = k.number and tracked.home = bridge.tracking_home()
                or c.name::text = tracked.columns ->> k.number::text)
         order by c.number = k.number and tracked.home = bridge.tracking_home() desc
         limit 1) as f on true
$$;

revoke execute on function bridge.event_key_names(bridge.tracked_table) from public;
