-- fn_unlink_entities: remove a link between two entities.
--
-- Parameters: entity1_id, entity2_id, relationship_type   as they were given to fn_link_entities; a contact and an
--             address may come in either order
-- Returns:    nothing
-- Writes:     crm.address_contacts or crm.entity_relationships; bridge.outbox (entity.unlinked)
-- Errors:     P0002 no_data_found (no such entity; no such link), 22023 invalid_parameter_value (both the same)
create or replace function crm.fn_unlink_entities(
    entity1_id        uuid,
    entity2_id        uuid,
    relationship_type varchar
) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    ends record;
begin
    ends := crm.lock_entities(entity1_id, entity2_id);
    if (ends.type1).table_name = 'addresses' and (ends.type2).table_name = 'contacts' then
        select entity2_id, entity1_id into entity1_id, entity2_id;    -- all events of a link have one key
        ends := crm.lock_entities(entity1_id, entity2_id);
    end if;
    if (ends.type1).table_name = 'contacts' and (ends.type2).table_name = 'addresses' then
        delete from crm.address_contacts as l
         where l.contact_id = entity1_id and l.address_id = entity2_id
           and l.relationship_type = fn_unlink_entities.relationship_type;
    else
        delete from crm.entity_relationships as l
         where l.entity1_id = fn_unlink_entities.entity1_id and l.entity2_id = fn_unlink_entities.entity2_id
           and l.relationship_type = fn_unlink_entities.relationship_type;
    end if;
    if not found then
        raise exception '% % and % % are not linked as %', (ends.type1).display_name, entity1_id,
            (ends.type2).display_name, entity2_id, coalesce(relationship_type, 'null') using errcode = 'no_data_found';
    end if;

    perform bridge.publish_event('entity.unlinked', entity1_id::text, jsonb_build_object(
        'entity1_id', entity1_id, 'entity1_type', (ends.type1).display_name,
        'entity2_id', entity2_id, 'entity2_type', (ends.type2).display_name,
        'relationship_type', relationship_type, 'unlinked_at', crm.iso_time(clock_timestamp())), serialize => false);
end $$;

revoke execute on function crm.fn_unlink_entities(uuid, uuid, varchar) from public;
