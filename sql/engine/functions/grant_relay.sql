-- grant_relay: give a role what `bridge run` needs, and nothing else.
--
-- Parameters: role
-- Returns:    nothing
-- Writes:     rights
-- Errors:     42501 insufficient_privilege where the caller does not own the schema
--
-- bridge.role_rights('relay') lists it. It cannot change an event. It decides what counts as published, and what of
-- cold files as verified: so whoever has it can have events removed before their time. What the keeper does beyond that
-- is done by functions of the owner's.
create or replace function bridge.grant_relay(role regrole) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    statement text;
begin
    for statement in select bridge.role_grants('relay', (select r.rolname from pg_roles as r where r.oid = role)) loop
        execute statement;
    end loop;
end $$;

revoke execute on function bridge.grant_relay(regrole) from public;
