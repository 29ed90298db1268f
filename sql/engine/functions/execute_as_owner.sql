-- execute_as_owner: run a statement that defines something of a table with the rights of the table's owner.
--
-- Parameters: relation    of somebody as whom the caller may act
--             statement
-- Returns:    nothing
-- Writes:     what the statement does
-- Errors:     42501 insufficient_privilege where the caller may not act as the owner; the statement's own
--
-- To make a table like another, or a partition of another, Postgres computes what is constant in the constraints and
-- indexes of both, and of those that foreign keys refer to: functions of the owner's, with the rights of whoever asks.
-- SET ROLE is not to be had where functions run with their owner's rights; so it is a function of his, which nobody
-- else ever sees. To be given it, he must be able to create in the schema: for that moment.
create or replace function bridge.execute_as_owner(relation regclass, statement text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    owner constant regrole := (select c.relowner from pg_class as c where c.oid = relation);
    routine constant text := format('bridge_tracking.as_owner_%s(text)', pg_backend_pid());
begin
    if owner = current_user::regrole then
        execute statement;
        return;
    end if;
    execute format('create function %s returns void language plpgsql security definer'
                   ' set search_path = pg_catalog, pg_temp as ''begin execute $1; end''', routine);
    if has_schema_privilege(owner, 'bridge_tracking', 'create') then
        execute format('alter function %s owner to %s', routine, owner);
    else
        perform bridge.execute_briefly('select pg_advisory_xact_lock(hashtext(''bridge.grant_capture''))');
        execute format('grant create on schema bridge_tracking to %2$s; alter function %1$s owner to %2$s;'
                       ' revoke create on schema bridge_tracking from %2$s', routine, owner);
    end if;
    execute format('select %s', replace(routine, '(text)', '($1)')) using statement;
    execute format('drop function %s', routine);
end $$;

revoke execute on function bridge.execute_as_owner(regclass, text) from public;
