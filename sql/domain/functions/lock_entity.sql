-- lock_entity: find an entity and keep it until the transaction ends.
--
-- Parameters: entity_id
--             mode   'exclusive' before publishing an event with this entity's id as its key: the lock is what makes
--                    such events commit in the order of their seq. 'shared': only see to it that it is not deleted
-- Returns:    its type, a row of crm.entity_types
-- Writes:     nothing
-- Errors:     P0002 no_data_found
create or replace function crm.lock_entity(entity_id uuid, mode text) returns crm.entity_types
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    entity_type crm.entity_types;
begin
    if mode = 'exclusive' then
        select t.* into entity_type
          from crm.entities as e join crm.entity_types as t on t.id = e.entity_type_id
         where e.id = lock_entity.entity_id
           for no key update of e;
    else
        select t.* into entity_type
          from crm.entities as e join crm.entity_types as t on t.id = e.entity_type_id
         where e.id = lock_entity.entity_id
           for key share of e;
    end if;
    if entity_type.id is null then
        raise exception 'there is no entity %', coalesce(entity_id::text, 'null') using errcode = 'no_data_found';
    end if;
    return entity_type;
end $$;

revoke execute on function crm.lock_entity(uuid, text) from public;
