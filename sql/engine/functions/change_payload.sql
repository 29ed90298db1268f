-- change_payload: a change as the JSON text that its record is made of: `entity.changed` in schemas/.
--
-- Parameters: change   a row of bridge.history
-- Returns:    an object as text, with the states as text in it
-- Writes:     nothing
-- Errors:     54000 program_limit_exceeded where the text would be longer than a gigabyte
--
-- Without settings, so that the planner inlines it.
create or replace function bridge.change_payload(change bridge.history) returns text
    language sql stable parallel safe
    return pg_catalog.json_build_object(
        'id', change.id, 'seq', change.seq, 'entity_type', change.entity_type, 'entity_id', change.entity_id,
        'entity_type_id', change.entity_type_id, 'entity_event_type', change.entity_event_type,
        'action', change.action, 'performed_by', change.performed_by, 'actor_status', change.actor_status,
        'previous_state', change.previous_state::text, 'new_state', change.new_state::text,
        'changed_fields', change.changed_fields, 'change_summary', change.change_summary,
        'occurred_at', change.occurred_at)::text;
