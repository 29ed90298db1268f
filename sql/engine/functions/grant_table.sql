-- grant_table: let bridge_capture and bridge_reader read a table that is tracked, or is about to be.
--
-- Parameters: relation
-- Returns:    nothing
-- Writes:     rights on its schema, and on it and its table partitions, where they are missing
-- Errors:     42501 insufficient_privilege, 55P03 lock_not_available
--
-- The owner of bridge is a member of both, and finds the columns' types by that: so it comes before all else. Who owns
-- the table and not its schema may grant nothing there, of which Postgres only warns.
create or replace function bridge.grant_table(relation regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    statement text;
begin
    for statement in
        select format('grant usage on schema %s to %s', c.relnamespace::regnamespace, r.role)
          from pg_class as c, unnest('{bridge_capture,bridge_reader}'::regrole[]) as r (role)
         where c.oid = grant_table.relation and not has_schema_privilege(r.role, c.relnamespace, 'usage')
        union all
        select format('grant select on %s to bridge_reader', m.relation)
          from bridge.member_tables(grant_table.relation) as m (relation)
         where not has_table_privilege('bridge_reader', m.relation, 'select') loop
        perform bridge.execute_briefly('select pg_advisory_xact_lock(hashtext(''bridge.grant_capture''))');
        execute statement;
    end loop;
end $$;

revoke execute on function bridge.grant_table(regclass) from public;
