-- actor_token: what is the same throughout one transaction of one connection, and differs in any other.
--
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.actor_token() returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select pg_backend_pid() || ':' || extract(epoch from transaction_timestamp())
$$;
