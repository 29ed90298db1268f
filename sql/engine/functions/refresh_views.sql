-- refresh_views: bring the materialised views of bridge.matview_policy up to date.
--
-- Returns:    how many were refreshed
-- Writes:     the views, bridge.matview_refresh
-- Errors:     none: a view that cannot be refreshed is recorded and warned of, and the next one follows
--
-- Readers go on meanwhile where the view allows it (CONCURRENTLY: it has been filled once, and a unique index names
-- only columns and has no predicate); otherwise they wait. A view that another call is refreshing is left to that one.
create or replace function bridge.refresh_views() returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $$
declare
    policy bridge.matview_policy;
    is_concurrent boolean;
    started_at timestamptz;
    refreshed integer := 0;
begin
    for policy in select * from bridge.matview_policy where enabled order by position, matview loop
        continue when not pg_try_advisory_xact_lock(hashtextextended('bridge.refresh_views ' || policy.matview, 0));
        started_at := clock_timestamp();
        is_concurrent := exists (
            select from pg_class as c join pg_index as i on i.indrelid = c.oid
             where c.oid = to_regclass(policy.matview) and c.relispopulated and i.indisunique and i.indisvalid
               and i.indimmediate and i.indpred is null and i.indexprs is null);
        begin
            execute format('refresh materialized view %s %s', case when is_concurrent then 'concurrently' else '' end,
                           policy.matview);
            insert into bridge.matview_refresh (matview, is_concurrent, started_at)
            values (policy.matview, is_concurrent, started_at);
            refreshed := refreshed + 1;
        exception when others then   -- one view's failure must not stop the others
            insert into bridge.matview_refresh (matview, is_concurrent, started_at, error_message)
            values (policy.matview, is_concurrent, started_at, sqlerrm);
            raise warning '% was not refreshed: %', policy.matview, sqlerrm;
        end;
    end loop;
    return refreshed;
end $$;

revoke execute on function bridge.refresh_views() from public;
