-- actor_token: what is the same throughout one transaction of one connection, and differs in any other.
--
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.actor_token() returns text
    language sql stable parallel safe
    return pg_backend_pid() || ':' || extract(epoch from transaction_timestamp());
