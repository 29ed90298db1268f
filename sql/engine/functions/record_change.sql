-- record_change: write the event of one changed row. The tracking triggers call it for rows, and for statements that
-- changed just one row.
--
-- Parameters: arguments   tg_argv, which counts from 0; in the order of the constants below
--             before, after   the row as JSON; null for INSERT and DELETE
-- Returns:    nothing. A row of which nothing, or only excluded columns, changed gives no event. Where the key changed,
--             there are two: a DELETE of the old key and an INSERT of the new one
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
create or replace function bridge.record_change(arguments text[], before jsonb, after jsonb) returns void
    language plpgsql
as $$
declare
    entity_type       constant text    := arguments[0];
    entity_event_type constant text    := arguments[1];
    key_columns       constant text[]  := arguments[2];
    excluded          constant text[]  := arguments[3];
    masked            constant jsonb   := arguments[4];
    type_column       constant text    := arguments[5];   -- entity_type_id, where the table has it
    with_activity     constant boolean := arguments[6];
    old_state jsonb := before - excluded;
    new_state jsonb := after - excluded;
    old_key text := bridge.entity_key(old_state, key_columns);
    new_key text := bridge.entity_key(new_state, key_columns);
    entity_type_id uuid := coalesce(new_state, old_state) ->> type_column;
    context record;
    actions text[];
    action text;
    fields text[];
    event_id uuid;
    occurred_at timestamptz;
    entity_id text;
    details jsonb;
begin
    if old_key = new_key then
        fields := array(select field.key from jsonb_each(new_state) as field
                         where field.value is distinct from old_state -> field.key);
        if fields = '{}' then
            return;
        end if;
        actions := '{UPDATE}';
    else
        actions := case when after is null then '{DELETE}' when before is null then '{INSERT}'
                        else '{DELETE,INSERT}' end;
    end if;
    context := bridge.change_context();
    old_state := old_state || masked;
    new_state := new_state || masked;
    -- seq and shard are set by bridge.stamp_change(); the others are set here, because RETURNING would cost more.
    foreach action in array actions loop
        event_id := bridge.new_event_id();
        occurred_at := clock_timestamp();
        entity_id := case action when 'DELETE' then old_key else new_key end;
        insert into bridge.history (id, entity_type, entity_id, entity_type_id, entity_event_type, action,
                                          performed_by, actor_status, previous_state, new_state, changed_fields,
                                          change_summary, headers, occurred_at)
        values (event_id, entity_type, entity_id, entity_type_id, entity_event_type, action,
                context.performed_by, context.status, case when action <> 'INSERT' then old_state end,
                case when action <> 'DELETE' then new_state end, fields,
                bridge.change_summary(action, entity_type, fields, before is not null and after is not null),
                context.headers, occurred_at);
        if with_activity then
            details := case action when 'DELETE' then old_state else new_state end;
            insert into bridge.activity_log (id, user_id, entity_id, entity_type, action, occurred_at, actor_status,
                                             ip_address, user_agent, device, geo, meta)
            values (event_id, context.performed_by, entity_id, entity_type, action, occurred_at, context.status,
                    (context.origin ->> 'ip_address')::inet, context.origin ->> 'user_agent',
                    nullif(context.origin -> 'device', 'null'), nullif(context.origin -> 'geo', 'null'),
                    bridge.activity_meta(event_id, entity_type_id, fields, details));
        end if;
    end loop;
end $$;

revoke execute on function bridge.record_change(text[], jsonb, jsonb) from public;
