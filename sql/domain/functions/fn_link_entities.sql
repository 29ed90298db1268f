-- fn_link_entities: link two entities.
--
-- Parameters: entity1_id, entity2_id
--             relationship_type   1 to 50 characters, for example RESIDENCE, DECISION_MAKER, LOCATED_IN
-- Returns:    nothing
-- Writes:     crm.address_contacts for a contact and an address, in whichever order they are given (the contact is
--             the first in events), otherwise crm.entity_relationships; bridge.outbox (entity.linked)
-- Errors:     P0002 no_data_found (no such entity), 23505 unique_violation (they are linked), 22023
--             invalid_parameter_value (relationship_type; both the same)
create or replace function crm.fn_link_entities(
    entity1_id        uuid,
    entity2_id        uuid,
    relationship_type varchar
) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    ends record;
begin
    if coalesce(length(relationship_type), 0) not between 1 and 50 then
        raise exception 'relationship_type must have 1 to 50 characters, not %', coalesce(length(relationship_type), 0)
            using errcode = 'invalid_parameter_value';
    end if;
    ends := crm.lock_entities(entity1_id, entity2_id);
    if (ends.type1).table_name = 'addresses' and (ends.type2).table_name = 'contacts' then
        select entity2_id, entity1_id into entity1_id, entity2_id;    -- all events of a link have one key
        ends := crm.lock_entities(entity1_id, entity2_id);
    end if;

    if (ends.type1).table_name = 'contacts' and (ends.type2).table_name = 'addresses' then
        insert into crm.address_contacts (address_id, contact_id, relationship_type)
        values (entity2_id, entity1_id, relationship_type) on conflict do nothing;
    else
        insert into crm.entity_relationships (entity1_id, entity2_id, relationship_type)
        values (entity1_id, entity2_id, relationship_type) on conflict do nothing;
    end if;
    if not found then
        raise exception '% % and % % are already linked as %', (ends.type1).display_name, entity1_id,
            (ends.type2).display_name, entity2_id, coalesce(
                (select l.relationship_type from crm.address_contacts as l
                  where (l.address_id, l.contact_id) = (entity2_id, entity1_id)),
                relationship_type) using errcode = 'unique_violation';
    end if;

    perform bridge.publish_event('entity.linked', entity1_id::text, jsonb_build_object(
        'entity1_id', entity1_id, 'entity1_type', (ends.type1).display_name,
        'entity2_id', entity2_id, 'entity2_type', (ends.type2).display_name,
        'relationship_type', relationship_type, 'linked_at', crm.iso_time(clock_timestamp())), serialize => false);
end $$;

revoke execute on function crm.fn_link_entities(uuid, uuid, varchar) from public;
