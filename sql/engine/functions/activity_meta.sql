-- activity_meta: what bridge.activity_log.meta holds for a change of a tracked table.
--
-- Parameters: event_id   of bridge.history; the others as there
--             details    the row: after an INSERT or UPDATE, before a DELETE
-- Returns:    an object
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.activity_meta(
    event_id       uuid,
    entity_type_id uuid,
    changed_fields text[],
    details        jsonb
) returns jsonb
    language sql stable parallel safe
    return jsonb_build_object('event_id', event_id, 'entity_type_id', entity_type_id,
                              'changed_fields', changed_fields, 'details', details);
