-- refresh_view: bridge.refresh_matview() for the keeper, whose role does not own the views.
--
-- Parameters: name   as bridge.matview_policy has it; no other view is touched
-- Returns:    outcome and detail, as there; readers are kept waiting only where the policy allows it
-- Writes, errors: as there
create or replace function bridge.refresh_view(name text, out outcome text, out detail text)
    language sql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select r.outcome, r.detail from bridge.refresh_matview(name) as r
$$;

revoke execute on function bridge.refresh_view(text) from public;
