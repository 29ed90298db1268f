-- has_definition: whether a view's query is this one, however it is written.
--
-- Parameters: target       a view or materialised view
--             definition   a query
-- Returns:    boolean; false as well where the query cannot be read
-- Writes:     nothing that stays
-- Errors:     none
create or replace function bridge.has_definition(target regclass, definition text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_definition text;
begin
    execute 'create view bridge.candidate as ' || definition;
    found_definition := pg_get_viewdef('bridge.candidate'::regclass);
    drop view bridge.candidate;
    return found_definition = pg_get_viewdef(target);
exception when others then
    return false;
end $$;

revoke execute on function bridge.has_definition(regclass, text) from public;
