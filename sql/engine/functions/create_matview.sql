-- create_matview: create a materialised view, or create it anew if its definition has changed.
--
-- Parameters: name         qualified
--             definition   its query
-- Returns:    whether it was created; a new one is filled, and has no index yet
-- Writes:     the view; its owner, rights, comments, storage parameters and tablespace stay what they were
-- Errors:     2BP01 dependent_objects_still_exist where other objects depend on the one that would go
--
-- Who refreshes it meanwhile is waited for first, for as long as that takes: nobody queues behind that wait.
create or replace function bridge.create_matview(name text, definition text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    patience constant text := current_setting('lock_timeout');
    former pg_class;
    belongings jsonb;
    grantee oid;
    dependents text;
    statement text;
begin
    perform set_config('lock_timeout', '0', true);
    perform pg_advisory_xact_lock(hashtextextended('bridge.refresh_views ' || name, 0));
    perform set_config('lock_timeout', patience, true);
    select * into former from pg_class as c where c.oid = to_regclass(name);
    if found then
        if bridge.has_definition(former.oid, definition) then
            return false;
        end if;
        dependents := bridge.matview_dependents(name, definition);
        if dependents is not null then
            raise exception '% has a new definition, and these depend on the present one: %', name, dependents
                using errcode = 'dependent_objects_still_exist',
                      hint = 'Keep their definitions, drop them, run bridge migrate, and create them again';
        end if;
        belongings := (select jsonb_agg(b) from bridge.matview_belongings(former.oid) as b);
        execute format('drop materialized view %s', former.oid::regclass);
    end if;
    execute format('create materialized view %s %s %s as %s', name,
                   'with (' || array_to_string(former.reloptions, ', ') || ')',
                   'tablespace ' || quote_ident((select t.spcname from pg_tablespace as t
                                                  where t.oid = former.reltablespace)),
                   definition);
    if former.oid is not null then
        for grantee in    -- what ALTER DEFAULT PRIVILEGES gave to it may have been taken away from the former one
            select distinct a.grantee
              from pg_class as c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as a
             where c.oid = name::regclass loop
            execute format('revoke all on %s from %s', name,
                           case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end);
        end loop;
        for statement in
            select b ->> 'statement' from jsonb_array_elements(belongings) with ordinality as e (b, place)
             where b ->> 'column_name' is null
                or exists (select from pg_attribute as a
                            where a.attrelid = name::regclass and a.attname = b ->> 'column_name')
             order by e.place loop
            execute statement;
        end loop;
    end if;
    return true;
end $$;

revoke execute on function bridge.create_matview(text, text) from public;
