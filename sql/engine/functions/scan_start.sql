-- scan_start: where a shard's next scan starts, as of the statement's own snapshot: bridge/shard/position.py.
--
-- Parameters: cursor               up to it all was read that the last snapshot saw
--             xids, floors         transactions that it did not see, and bounds below their numbers
--             next_xid, next_floor the first that had not begun then, and the same for all from it on
-- Returns:    the lowest floor of those that have ended since; `cursor` where there is none
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.scan_start(
    cursor     bigint,
    xids       text[],
    floors     bigint[],
    next_xid   text,
    next_floor bigint
) returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select least(scan_start.cursor,
                 (select min(u.floor)
                    from unnest(scan_start.xids, scan_start.floors) as u (xid, floor)
                   where pg_visible_in_snapshot(u.xid::xid8, pg_current_snapshot())),
                 case when pg_snapshot_xmax(pg_current_snapshot()) > scan_start.next_xid::xid8
                      then scan_start.next_floor end)
$$;
