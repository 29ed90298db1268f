-- latest_version: what a version of a row has become by updates that gave no event. See bridge.version_moved().
--
-- Parameters: of_filenode, of_version
-- Returns:    tid; null where there were none
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.latest_version(of_filenode oid, of_version tid) returns tid
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive moved as (
        select m.became, 1 as step
          from bridge.moved_version as m
         where m.xid = pg_current_xact_id() and m.filenode = of_filenode and m.version = of_version
        union all
        select m.became, moved.step + 1
          from moved
          join bridge.moved_version as m
            on m.xid = pg_current_xact_id() and m.filenode = of_filenode and m.version = moved.became
    )
    select became from moved order by step desc limit 1
$$;

revoke execute on function bridge.latest_version(oid, tid) from public;
