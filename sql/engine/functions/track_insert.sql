-- track_insert: trigger function; an event for each row that a statement inserted. See bridge.enable_tracking.
--
-- Parameters: the trigger's arguments, in the order of the constants below; bridge.enable_tracking froze them, so that
--             no catalogue is read per statement
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
--
-- id and occurred_at are left to their defaults, seq and shard to bridge.stamp_change(): it numbers the rows in the
-- order of the statement.
create or replace function bridge.track_insert() returns trigger
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
    after jsonb;
begin
    select count(*), (select to_jsonb(r) from new_rows as r limit 1) into changed, after
      from (select from new_rows limit 2) as two;
    if changed < 2 then
        if changed = 1 then
            perform bridge.record_change(tg_argv, null, after);
        end if;
        return null;
    end if;

    context := bridge.change_context();
    with event as (
        insert into bridge.history (entity_type, entity_id, entity_type_id, entity_event_type, action,
                                          performed_by, actor_status, new_state, change_summary, headers)
        select entity_type, bridge.entity_key(state, key_columns), (state ->> type_column)::uuid, entity_event_type,
               'INSERT', context.performed_by, context.status, state || masked,
               bridge.change_summary('INSERT', entity_type), context.headers
          from (select to_jsonb(r) - excluded as state from new_rows as r offset 0) as inserted  -- 0: convert once
        returning id, entity_id, entity_type_id, action, occurred_at, new_state as details
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

revoke execute on function bridge.track_insert() from public;
