-- entity_payload: an entity with its own row as a flat object: the payload of its created and updated events, field by
-- field as in schemas/.
--
-- Parameters: entity_id, table_name (of crm.entity_types)
-- Returns:    jsonb, null where there is no such entity. Amounts are text, so that no reader rounds them
-- Writes:     nothing
-- Errors:     none
create or replace function crm.entity_payload(entity_id uuid, table_name name) returns jsonb
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set datestyle = 'ISO, YMD'
as $$
declare
    payload jsonb;
begin
    case table_name
    when 'contacts' then
        select jsonb_build_object(
                   'id', e.id, 'status', e.status, 'first_name', c.first_name, 'last_name', c.last_name,
                   'email', c.email, 'phone', c.phone, 'company', c.company, 'job_title', c.job_title,
                   'created_at', crm.iso_time(e.created_at),
                   'updated_at', crm.iso_time(greatest(e.updated_at, c.updated_at)))
          into payload
          from crm.entities as e join crm.contacts as c on c.id = e.id where e.id = entity_id;
    when 'addresses' then
        select jsonb_build_object(
                   'id', e.id, 'status', e.status, 'street', a.street, 'city', a.city, 'state', a.state,
                   'postal_code', a.postal_code, 'country', a.country,
                   'created_at', crm.iso_time(e.created_at),
                   'updated_at', crm.iso_time(greatest(e.updated_at, a.updated_at)))
          into payload
          from crm.entities as e join crm.addresses as a on a.id = e.id where e.id = entity_id;
    when 'opportunities' then
        select jsonb_build_object(
                   'id', e.id, 'status', e.status, 'name', o.name, 'stage', o.stage, 'amount', o.amount::text,
                   'currency', o.currency, 'probability', o.probability, 'close_date', o.close_date::text,
                   'created_at', crm.iso_time(e.created_at),
                   'updated_at', crm.iso_time(greatest(e.updated_at, o.updated_at)))
          into payload
          from crm.entities as e join crm.opportunities as o on o.id = e.id where e.id = entity_id;
    when 'territories' then
        select jsonb_build_object(
                   'id', e.id, 'status', e.status, 'name', t.name, 'region', t.region, 'country', t.country,
                   'description', t.description,
                   'created_at', crm.iso_time(e.created_at),
                   'updated_at', crm.iso_time(greatest(e.updated_at, t.updated_at)))
          into payload
          from crm.entities as e join crm.territories as t on t.id = e.id where e.id = entity_id;
    end case;
    return payload;
end $$;

revoke execute on function crm.entity_payload(uuid, name) from public;
