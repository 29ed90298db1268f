-- lock_entities: lock both ends of a link.
--
-- Parameters: entity1_id   locked exclusively, because its id is the key of the link's events
--             entity2_id   locked against deletion only: many can be linked to one at the same time, and two links in
--                          opposite directions do not wait for each other
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
    type1 := crm.lock_entity(entity1_id, 'exclusive');
    type2 := crm.lock_entity(entity2_id, 'shared');
end $$;

revoke execute on function crm.lock_entities(uuid, uuid) from public;
