-- tracking_home: which database this is: after a dump and restore it is another, even if all its numbers are alike.
--
-- Returns:    text: the cluster's identifier, and the number of bridge.tracked_table, which no other table of a cluster
--             has but that of a database that was copied as a template, where columns keep their numbers
-- Writes:     nothing
-- Errors:     none
--
-- Declared immutable: a plan lives no longer than the server process that made it, and in that it is a constant.
create or replace function bridge.tracking_home() returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select concat_ws('/', c.system_identifier, 'bridge.tracked_table'::regclass::oid) from pg_control_system() as c
$$;

revoke execute on function bridge.tracking_home() from public;
