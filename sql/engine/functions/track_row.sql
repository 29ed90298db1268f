-- track_row: trigger function; an event for one inserted, changed or deleted row. See bridge.enable_tracking.
--
-- Parameters: as of bridge.track_insert
-- Writes:     bridge.entity_events, bridge.activity_log
-- Errors:     none of its own
create or replace function bridge.track_row() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'                -- the same JSON whatever the session's settings are
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set jit = off
    set plan_cache_mode = force_generic_plan
as $$
declare
    entity_type       constant text    := tg_argv[0];
    entity_event_type constant text    := tg_argv[1];
    key_columns       constant text[]  := tg_argv[2];
    excluded          constant text[]  := tg_argv[3];
    masked            constant jsonb   := tg_argv[4];
    type_column       constant text    := tg_argv[5];   -- entity_type_id, where the table has it
    with_activity     constant boolean := tg_argv[6];
    actor             constant record  := bridge.current_actor();
    trace             constant jsonb   := bridge.trace_headers();
    context           constant jsonb   := bridge.activity_context();
    old_state jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - excluded end;
    new_state jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - excluded end;
    old_key text := bridge.entity_key(old_state, key_columns);
    new_key text := bridge.entity_key(new_state, key_columns);
    is_update boolean := old_key = new_key;
    fields text[];
begin
    if is_update then
        fields := array(select field.key from jsonb_each(new_state) as field
                         where field.value is distinct from old_state -> field.key);
        if fields = '{}' then
            return null;
        end if;
    end if;
    -- One row of an UPDATE; an INSERT or a DELETE; or, where the key changed, first a DELETE and then an INSERT.
    with change (action, key, before, after, position) as (
        select 'UPDATE', new_key, old_state, new_state, 1 where is_update
        union all select 'DELETE', old_key, old_state, null, 1 where old_state is not null and is_update is not true
        union all select 'INSERT', new_key, null, new_state, 2 where new_state is not null and is_update is not true
    ), event as (
        insert into bridge.entity_events (entity_type, entity_id, entity_type_id, entity_event_type, action,
                                          performed_by, actor_status, previous_state, new_state, changed_fields,
                                          change_summary, headers)
        select entity_type, key, (coalesce(after, before) ->> type_column)::uuid, entity_event_type, action,
               actor.performed_by, actor.status, before || masked, after || masked, fields,
               action || ' of ' || entity_type
                   || coalesce(': ' || array_to_string(fields, ', '), case when tg_op <> action then ' (its key changed)' end, ''),
               trace
          from change
         order by position
        returning id, entity_id, entity_type_id, bridge.entity_events.action, occurred_at, changed_fields,
                  coalesce(bridge.entity_events.new_state, previous_state) as details
    )
    insert into bridge.activity_log (user_id, entity_id, entity_type, action, occurred_at, actor_status,
                                     ip_address, user_agent, device, geo, meta)
    select actor.performed_by, entity_id, entity_type, action, occurred_at, actor.status,
           (context ->> 'ip_address')::inet, context ->> 'user_agent', nullif(context -> 'device', 'null'),
           nullif(context -> 'geo', 'null'),
           jsonb_build_object('event_id', id, 'entity_type_id', entity_type_id, 'changed_fields', changed_fields,
                              'details', details)
      from event
     where with_activity;
    return null;
end $$;

revoke execute on function bridge.track_row() from public;
