-- confirm_unchanged: note that a materialised view shows what a refresh would, if so.
--
-- Parameters: name   as bridge.matview_policy has it
-- Returns:    whether it does
-- Writes:     bridge.matview_refresh: the last refresh is confirmed
-- Errors:     none
--
-- It is believed for a day: nothing tells of rows that were written past the triggers (bridge doctor).
create or replace function bridge.confirm_unchanged(name text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    present constant timestamptz := clock_timestamp();    -- before anything is looked at
    last_id constant bigint := (select max(r.id) from bridge.matview_refresh as r
                                 where r.matview = name and r.error_message is null
                                   and r.finished_at between present - interval '1 day' and present);
begin
    if last_id is null or not exists (
        select from bridge.matview_report() as r where r.matview = name and not r.changes_pending) then
        return false;
    end if;
    update bridge.matview_refresh as r set confirmed_at = present where r.id = last_id;
    return true;
end $$;

revoke execute on function bridge.confirm_unchanged(text) from public;
