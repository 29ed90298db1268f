-- fn_delete_entity: delete an entity with its own row, its links and its touchpoints.
--
-- Parameters: entity_id
-- Returns:    nothing
-- Writes:     crm.entities and what refers to them; bridge.outbox (entity.unlinked for each link, <type>.deleted)
-- Errors:     P0002 no_data_found
--
-- A link's events have the id of its first entity as their key, so those at the other ends are locked, too: all in one
-- order, so that two who delete linked entities wait for each other. Nobody can link to one that is locked for update;
-- who had linked to it before, and was waited for, is found by a second look.
create or replace function crm.fn_delete_entity(entity_id uuid) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    entity_type crm.entity_types;
begin
    for look in 1 .. 2 loop
        perform from crm.entities as e
          where e.id = fn_delete_entity.entity_id or e.id in (
                    select r.entity1_id from crm.entity_relationships as r
                     where r.entity2_id = fn_delete_entity.entity_id
                    union
                    select a.contact_id from crm.address_contacts as a
                     where a.address_id = fn_delete_entity.entity_id)
          order by e.id
            for update;
    end loop;
    entity_type := crm.lock_entity(entity_id, 'exclusive');
    perform bridge.publish_event('entity.unlinked', l.entity1_id::text, jsonb_build_object(
                'entity1_id', l.entity1_id, 'entity1_type', type1.display_name,
                'entity2_id', l.entity2_id, 'entity2_type', type2.display_name,
                'relationship_type', l.relationship_type, 'unlinked_at', crm.iso_time(clock_timestamp())),
                serialize => false)
       from (select r.entity1_id, r.entity2_id, r.relationship_type from crm.entity_relationships as r
              where r.entity1_id = fn_delete_entity.entity_id
             union all
             select r.entity1_id, r.entity2_id, r.relationship_type from crm.entity_relationships as r
              where r.entity2_id = fn_delete_entity.entity_id
             union all
             select a.contact_id, a.address_id, a.relationship_type from crm.address_contacts as a
              where a.contact_id = fn_delete_entity.entity_id
             union all
             select a.contact_id, a.address_id, a.relationship_type from crm.address_contacts as a
              where a.address_id = fn_delete_entity.entity_id) as l (entity1_id, entity2_id, relationship_type)
       join crm.entities as e1 on e1.id = l.entity1_id
       join crm.entity_types as type1 on type1.id = e1.entity_type_id
       join crm.entities as e2 on e2.id = l.entity2_id
       join crm.entity_types as type2 on type2.id = e2.entity_type_id;
    delete from crm.entities as e where e.id = fn_delete_entity.entity_id;
    perform bridge.publish_event(entity_type.event_prefix || '.deleted', entity_id::text,
                                 jsonb_build_object('id', entity_id, 'deleted_at', crm.iso_time(clock_timestamp())),
                                 serialize => false);
end $$;

revoke execute on function crm.fn_delete_entity(uuid) from public;
