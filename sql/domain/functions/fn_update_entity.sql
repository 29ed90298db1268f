-- fn_update_entity: change what is given of an entity, and nothing else.
--
-- Parameters: entity_id
--             specific_data   an object: columns of the type's table, and status; null empties a column
-- Returns:    true where something changed; if nothing differs, nothing is written and no event is published
-- Writes:     crm.entities; crm.contacts, addresses, opportunities or territories; bridge.outbox (<type>.updated)
-- Errors:     P0002 no_data_found (no such entity), those of crm.check_entity_data, and the tables' constraints
create or replace function crm.fn_update_entity(entity_id uuid, specific_data jsonb) returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
as $$
declare
    entity_type constant crm.entity_types := crm.lock_entity(entity_id, 'exclusive');
    changed text[];
    columns text;
begin
    perform crm.check_entity_data(entity_type, specific_data, is_complete => false);

    execute format('select array(select key from jsonb_object_keys($2 - ''status'') as key'
                   '              where to_jsonb(present) -> key is distinct from to_jsonb(given) -> key order by key)'
                   '  from crm.%1$I as present, jsonb_populate_record(null::crm.%1$I, $2) as given'
                   ' where present.id = $1', entity_type.table_name)
        into changed using entity_id, specific_data;
    if changed <> '{}' then
        select string_agg(quote_ident(key), ', ') into columns from unnest(changed) as key;
        execute format('update crm.%1$I set (%2$s) = (select %2$s from jsonb_populate_record(null::crm.%1$I, $2))'
                       ' where id = $1', entity_type.table_name, columns) using entity_id, specific_data;
    end if;
    update crm.entities as e set status = specific_data ->> 'status'
     where e.id = fn_update_entity.entity_id and e.status <> specific_data ->> 'status';
    if found then
        changed := changed || 'status'::text;
    end if;
    if changed = '{}' then
        return false;
    end if;

    perform bridge.publish_event(entity_type.event_prefix || '.updated', entity_id::text,
                                 crm.entity_payload(entity_id, entity_type.table_name)
                                     || jsonb_build_object('changed_fields', changed), serialize => false);
    return true;
end $$;

revoke execute on function crm.fn_update_entity(uuid, jsonb) from public;
