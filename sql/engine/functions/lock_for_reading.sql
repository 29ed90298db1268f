-- lock_for_reading: see to it that a table can be read with the rights of the schema's owner, until the transaction
-- ends.
--
-- Parameters: relation
-- Returns:    nothing
-- Writes:     nothing
-- Errors:     42501 insufficient_privilege where planning a query of it would run functions of somebody's;
--             55P03 lock_not_available, after the caller's lock_timeout
--
-- SHARE UPDATE EXCLUSIVE stands beside reads and writes, and against whoever wants to add an index or statistics, whose
-- functions would run from then on.
create or replace function bridge.lock_for_reading(relation regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('lock table only %s in share update exclusive mode', relation);
    if bridge.planning_runs_code(relation) then
        raise exception 'functions in the indexes or statistics of % would run with the rights of bridge''s owner',
                        relation
            using errcode = 'insufficient_privilege', hint = 'Look after this table by hand: bridge partition --forget';
    end if;
end $$;

revoke execute on function bridge.lock_for_reading(regclass) from public;
