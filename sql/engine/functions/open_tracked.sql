-- open_tracked: have a tracked table ready to be read by its key with the caller's rights, for this transaction.
--
-- Parameters: tracked   a row of bridge.tracked_table, whose table is there
-- Returns:    the name of a view of it: see bridge.pin_table(), whose the caller is to drop
-- Writes:     that view
-- Errors:     those of bridge.lock_for_reading(), in READ COMMITTED; 42501 insufficient_privilege, too, where the texts
--             of its key could be read back only by code of somebody's: a composite type, say, may have fields of a
--             domain
create or replace function bridge.open_tracked(tracked bridge.tracked_table) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    key_type text;
begin
    if bridge.lock_for_reading(tracked.relation) then
        select format_type(y.oid, null) into key_type
          from bridge.tracked_columns(tracked) as c
          join pg_type as y on y.oid = bridge.base_type(c.type)
          join pg_roles as r on r.oid = y.typowner
         where c.use = 'key' and y.oid >= 16384 and y.typtype <> 'e' and not r.rolsuper;
        if found then
            raise exception 'to read a key of % back may run functions of the owner of its type % with the rights of %',
                            tracked.relation, key_type, current_user
                using errcode = 'insufficient_privilege',
                      hint = 'Only the owner of table and type can do it, if he also owns the schema bridge.';
        end if;
    end if;
    return bridge.pin_table(tracked.relation);
end $$;

revoke execute on function bridge.open_tracked(bridge.tracked_table) from public;
