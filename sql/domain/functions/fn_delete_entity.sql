-- fn_delete_entity: delete an entity with its own row, its links and its touchpoints.
--
-- Parameters: entity_id
-- Returns:    nothing
-- Writes:     crm.entities and what refers to them; bridge.outbox (<type>.deleted)
-- Errors:     P0002 no_data_found
create or replace function crm.fn_delete_entity(entity_id uuid) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    entity_type constant crm.entity_types := crm.lock_entity(entity_id, 'exclusive');
begin
    delete from crm.entities as e where e.id = fn_delete_entity.entity_id;
    perform bridge.publish_event(entity_type.event_prefix || '.deleted', entity_id::text,
                                 jsonb_build_object('id', entity_id, 'deleted_at', crm.iso_time(clock_timestamp())),
                                 serialize => false);
end $$;

revoke execute on function crm.fn_delete_entity(uuid) from public;
