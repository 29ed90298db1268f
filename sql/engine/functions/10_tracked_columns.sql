-- tracked_columns: the columns of a tracked table as they are now, and what becomes of each.
--
-- Parameters: tracked   a row of bridge.tracked_table
-- Returns:    number, name, type, collation; use: key, plain, masked, excluded, or virtual (a generated column that is
--             not stored: a trigger does not see its value); key_position from 1
-- Writes:     nothing
-- Errors:     none
--
-- A column is known by its number. In a database that was restored from a dump it has another: there it is known by its
-- name, and one that nobody knows is masked, because it may be a masked one that was renamed.
create or replace function bridge.tracked_columns(tracked bridge.tracked_table)
    returns table (number int2, name name, type oid, "collation" oid, use text, key_position integer)
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select a.attnum, a.attname, a.atttypid, a.attcollation,
           case when b.number = any (tracked.key) then 'key'
                when a.attgenerated = 'v' then 'virtual'
                when b.number = any (tracked.excluded) then 'excluded'
                when b.number = any (tracked.masked)
                  or b.number is null and tracked.excluded || tracked.masked <> '{}' then 'masked'
                else 'plain' end,
           array_position(tracked.key, b.number)
      from pg_attribute as a
     cross join lateral (
        select case when tracked.bound_in = 'bridge.tracked_table'::regclass then a.attnum
                    else (select c.key::int2 from jsonb_each_text(tracked.columns) as c where c.value = a.attname)
               end as number
     ) as b
     where a.attrelid = tracked.relation and a.attnum > 0 and not a.attisdropped
     order by a.attnum
$$;

revoke execute on function bridge.tracked_columns(bridge.tracked_table) from public;
grant execute on function bridge.tracked_columns(bridge.tracked_table) to bridge_capture;
