-- track_delete: trigger function; an event for each row that a statement deleted. See bridge.enable_tracking.
--
-- Parameters: as of bridge.track_insert
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
create or replace function bridge.track_delete() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'                -- the same JSON whatever the session's settings are
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set jit = off                       -- a plan made for a bulk statement must not be compiled for single rows
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
    context record;
    changed integer;
    before jsonb;
begin
    select count(*), (select to_jsonb(r) from old_rows as r limit 1) into changed, before
      from (select from old_rows limit 2) as two;
    if changed < 2 then
        if changed = 1 then
            perform bridge.record_change(tg_argv, before, null);
        end if;
        return null;
    end if;

    context := bridge.change_context();
    with event as (
        insert into bridge.history (entity_type, entity_id, entity_type_id, entity_event_type, action,
                                          performed_by, actor_status, previous_state, change_summary, headers)
        select entity_type, bridge.entity_key(state, key_columns), (state ->> type_column)::uuid, entity_event_type,
               'DELETE', context.performed_by, context.status, state || masked,
               bridge.change_summary('DELETE', entity_type), context.headers
          from (select to_jsonb(r) - excluded as state from old_rows as r offset 0) as deleted   -- 0: convert once
        returning id, entity_id, entity_type_id, action, occurred_at, previous_state as details
    )
    insert into bridge.activity_log (id, user_id, entity_id, entity_type, action, occurred_at, actor_status,
                                     ip_address, user_agent, device, geo, meta)
    select id, context.performed_by, entity_id, entity_type, action, occurred_at, context.status,
           (context.origin ->> 'ip_address')::inet, context.origin ->> 'user_agent',
           nullif(context.origin -> 'device', 'null'), nullif(context.origin -> 'geo', 'null'),
           bridge.activity_meta(id, entity_type_id, null, details)
      from event
     where with_activity;
    return null;
end $$;

revoke execute on function bridge.track_delete() from public;
