-- is_ours: whether a partitioned table is bridge's own, so that its rows may be moved: it has no triggers, foreign keys
-- or functions of anybody's, and its writers take the time from the clock.
--
-- Parameters: parent
-- Returns:    boolean
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.is_ours(parent regclass) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from pg_class as c where c.oid = parent and c.relnamespace = 'bridge'::regnamespace)
$$;

revoke execute on function bridge.is_ours(regclass) from public;
