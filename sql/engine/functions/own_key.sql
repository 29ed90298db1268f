-- own_key: the key of an event that was written without one.
--
-- Returns:    text that no other event has
-- Writes:     nothing
-- Errors:     none
--
-- In plpgsql, because Postgres would put a function in SQL in its place for each statement that inserts, which most
-- then do not need.
create or replace function bridge.own_key() returns text
    language plpgsql volatile parallel safe
    set search_path = pg_catalog, pg_temp
as $$
begin
    return bridge.new_event_id();
end $$;
