-- refresh_views: bring the materialised views of bridge.matview_policy up to date, now and all of them.
--
-- Returns:    how many were refreshed
-- Writes:     the views, bridge.matview_refresh
-- Errors:     none: a view that cannot be refreshed is recorded and warned of, and the next one follows
--
-- Readers go on meanwhile where the view allows it; otherwise they wait. A view that another call is refreshing is left
-- to that one.
create or replace function bridge.refresh_views() returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    view text;
    done record;
    refreshed integer := 0;
begin
    for view in select p.matview from bridge.matview_policy as p where p.enabled order by p.position, p.matview loop
        select * into done from bridge.refresh_matview(view, by_hand => true);
        if done.outcome in ('concurrent', 'blocking') then
            refreshed := refreshed + 1;
        else
            raise warning '% was not refreshed: %', view, done.detail;
        end if;
    end loop;
    return refreshed;
end $$;

revoke execute on function bridge.refresh_views() from public;
