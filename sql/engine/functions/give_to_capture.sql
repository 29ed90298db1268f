-- give_to_capture: make a trigger function the role bridge_capture's, which may append to the history and nothing else.
--
-- Parameters: routine   a SECURITY DEFINER function
-- Returns:    nothing
-- Writes:     the function's owner
-- Errors:     42501 insufficient_privilege where the caller is no member of bridge_capture
--
-- An owner must be able to create in the schema when it is given to him; he is only for that moment.
create or replace function bridge.give_to_capture(routine regprocedure) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    place constant name := (select p.pronamespace::regnamespace from pg_proc as p where p.oid = routine);
begin
    execute format('revoke execute on function %s from public', routine);
    execute format('grant create on schema %s to bridge_capture', place);
    execute format('alter function %s owner to bridge_capture', routine);
    execute format('revoke create on schema %s from bridge_capture', place);
end $$;

revoke execute on function bridge.give_to_capture(regprocedure) from public;
