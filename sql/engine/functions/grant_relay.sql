-- grant_relay: give a role what `bridge run` needs, and nothing else.
--
-- Parameters: role
-- Returns:    nothing
-- Writes:     rights
-- Errors:     42501 insufficient_privilege where the caller does not own the schema
--
-- bridge.relay_rights() lists it. It cannot change an event. It decides what counts as published, and what of cold
-- files as verified: so whoever has it can have events removed before their time. What the keeper does beyond that is
-- done by functions of the owner's.
create or replace function bridge.grant_relay(role regrole) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    needed record;
begin
    for needed in select * from bridge.relay_rights() loop
        execute format('grant %s %s on %s %s to %s', needed.privilege,
                       case needed.kind when 'column' then format('(%I)', split_part(needed.object, ':', 2)) end,
                       case needed.kind when 'column' then 'table' when 'table' then '' else needed.kind end,
                       split_part(needed.object, ':', 1), role);
    end loop;
end $$;

revoke execute on function bridge.grant_relay(regrole) from public;
