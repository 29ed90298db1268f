-- lock_entities: lock both ends of a link, in the order of their ids so that two calls cannot deadlock.
--
-- Parameters: entity1_id   locked exclusively, because its id is the key of the link's events
--             entity2_id   locked against deletion only, so that many can be linked to one at the same time
-- Returns:    the types of both
-- Writes:     nothing
-- Errors:     P0002 no_data_found, 22023 invalid_parameter_value where both are the same
create or replace function crm.lock_entities(
    entity1_id uuid,
    entity2_id uuid,
    out type1  crm.entity_types,
    out type2  crm.entity_types
)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if entity1_id = entity2_id then
        raise exception 'entity % cannot be linked to itself', entity1_id using errcode = 'invalid_parameter_value';
    end if;
    if entity1_id < entity2_id then
        type1 := crm.lock_entity(entity1_id, 'exclusive');
        type2 := crm.lock_entity(entity2_id, 'shared');
    else
        type2 := crm.lock_entity(entity2_id, 'shared');
        type1 := crm.lock_entity(entity1_id, 'exclusive');
    end if;
end $$;

revoke execute on function crm.lock_entities(uuid, uuid) from public;
