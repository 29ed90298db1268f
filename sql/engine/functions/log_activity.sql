-- log_activity: write bridge.activity_log for a change that is in bridge.history.
--
-- Parameters: event_id, at, of_type, of_key, action, entity_type_id, changed_fields   as in bridge.history
--             context   of bridge.change_context()
--             details   the row's recorded state: after an INSERT or UPDATE, before a DELETE
-- Returns:    nothing
-- Writes:     bridge.activity_log
-- Errors:     none
create or replace function bridge.log_activity(
    event_id       uuid,
    at             timestamptz,
    of_type        text,
    of_key         text,
    action         text,
    entity_type_id uuid,
    changed_fields text[],
    context        record,
    details        jsonb
) returns void
    language plpgsql
as $$
begin
    insert into bridge.activity_log (id, user_id, entity_id, entity_type, action, occurred_at, actor_status,
                                     ip_address, user_agent, device, geo, meta)
    values (event_id, context.performed_by, of_key, of_type, action, at, context.status,
            context.ip_address, context.user_agent, context.device, context.geo,
            bridge.activity_meta(event_id, entity_type_id, changed_fields, details));
end $$;

revoke execute on function
    bridge.log_activity(uuid, timestamptz, text, text, text, uuid, text[], record, jsonb) from public;
