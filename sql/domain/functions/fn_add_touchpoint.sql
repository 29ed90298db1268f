-- fn_add_touchpoint: record that somebody was in contact with an entity.
--
-- Parameters: entity_id
--             channel     EMAIL, CALL, MEETING, VISIT or MESSAGE
--             summary     what it was about, or null
--             direction   OUTBOUND or INBOUND
-- Returns:    the touchpoint's id
-- Writes:     crm.entity_touchpoints; bridge.outbox (touchpoint.added)
-- Errors:     P0002 no_data_found (no such entity), the table's constraints
create or replace function crm.fn_add_touchpoint(
    entity_id uuid,
    channel   text,
    summary   text default null,
    direction text default 'OUTBOUND'
) returns uuid
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    entity_type constant crm.entity_types := crm.lock_entity(entity_id, 'exclusive');
    touchpoint crm.entity_touchpoints;
begin
    insert into crm.entity_touchpoints as t (entity_id, channel, direction, summary)
    values (entity_id, channel, direction, summary)
    returning t.* into touchpoint;
    perform bridge.publish_event('touchpoint.added', entity_id::text, jsonb_build_object(
        'id', touchpoint.id, 'entity_id', entity_id, 'entity_type', entity_type.display_name,
        'channel', channel, 'direction', direction, 'summary', summary,
        'created_at', crm.iso_time(touchpoint.created_at)), serialize => false);
    return touchpoint.id;
end $$;

revoke execute on function crm.fn_add_touchpoint(uuid, text, text, text) from public;
