-- fn_create_entity: create an entity together with the row of its own type.
--
-- Parameters: entity_type_id   of crm.entity_types
--             specific_data    an object: columns of the type's table, and status; {"first_name": "Ada", ...}
-- Returns:    the entity's id
-- Writes:     crm.entities; crm.contacts, addresses, opportunities or territories; bridge.outbox (<type>.created)
-- Errors:     P0002 no_data_found (no such type), those of crm.check_entity_data, and the tables' constraints
create or replace function crm.fn_create_entity(entity_type_id uuid, specific_data jsonb) returns uuid
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
as $$
declare
    entity_type crm.entity_types;
    entity_id constant uuid := gen_random_uuid();
    columns text;
begin
    select * into entity_type from crm.entity_types as t where t.id = fn_create_entity.entity_type_id;
    if not found then
        raise exception 'there is no entity type %', coalesce(entity_type_id::text, 'null')
            using errcode = 'no_data_found', hint = 'Types and their ids are in crm.entity_types.';
    end if;
    perform crm.check_entity_data(entity_type, specific_data, is_complete => true);

    insert into crm.entities (id, entity_type_id, status)
    values (entity_id, entity_type.id, coalesce(specific_data ->> 'status', 'ACTIVE'));
    -- Columns that are not given keep their defaults.
    select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(specific_data - 'status') as key;
    execute format('insert into crm.%1$I (id, %2$s) select $1, %2$s from jsonb_populate_record(null::crm.%1$I, $2)',
                   entity_type.table_name, columns) using entity_id, specific_data;

    -- The new row's lock keeps others away from this key until commit.
    perform bridge.publish_event(entity_type.event_prefix || '.created', entity_id::text,
                                 crm.entity_payload(entity_id, entity_type.table_name), serialize => false);
    return entity_id;
end $$;

revoke execute on function crm.fn_create_entity(uuid, jsonb) from public;
