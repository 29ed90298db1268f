-- track_update: trigger function; an event for each row that a statement changed. See bridge.enable_tracking.
--
-- Parameters: as of bridge.track_insert
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
--
-- The two transition tables hold the rows in the same order, so old and new are paired by position: that stays right
-- where the key changes, and where cascades change one row twice. A pair whose keys differ is a DELETE of the old key
-- and an INSERT of the new one; all DELETEs come first, because a key may be given up and taken in one statement.
-- Unchanged rows, and rows of which only excluded columns changed, give no event. An old row without a new one (it
-- moved to another partition, where a trigger suppressed it) is a DELETE.
create or replace function bridge.track_update() returns trigger
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
    set enable_nestloop = off           -- nor may one made for a single row pair thousands by a nested loop
    set enable_hashjoin = off           -- a merge join keeps the order, even where it spills to disk
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
    after jsonb;
    column_names text[];
    has_rekeyed boolean;
begin
    select count(*), (select to_jsonb(r) from old_rows as r limit 1), (select to_jsonb(r) from new_rows as r limit 1)
      into changed, before, after
      from (select from old_rows limit 2) as two;
    if changed < 2 then
        if changed = 1 then
            perform bridge.record_change(tg_argv, before, after);
        end if;
        return null;
    end if;

    context := bridge.change_context();
    column_names := array(select jsonb_object_keys(before - excluded));   -- the same for all rows
    with pair as (
        select to_jsonb(o.r) - excluded as old_state, to_jsonb(w.r) - excluded as new_state
          from (select row_number() over () as position, r from old_rows as r) as o
          left join (select row_number() over () as position, r from new_rows as r) as w using (position)
         where (o.r *= w.r) is not true     -- compares bytes: works for types without equality, such as json
         order by position offset 0         -- offset 0: convert each row once
    ), change as (
        select old_state, new_state, bridge.entity_key(old_state, key_columns) as key,
               bridge.entity_key(old_state, key_columns) is distinct from bridge.entity_key(new_state, key_columns)
                   as is_rekeyed,
               array(select name from (select unnest(column_names) as name offset 0) as field  -- 0: no function scan
                      where new_state -> name is distinct from old_state -> name) as fields
          from pair offset 0
    ), event as (
        insert into bridge.history (entity_type, entity_id, entity_type_id, entity_event_type, action,
                                          performed_by, actor_status, previous_state, new_state, changed_fields,
                                          change_summary, headers)
        select entity_type, key, (coalesce(new_state, old_state) ->> type_column)::uuid, entity_event_type, act,
               context.performed_by, context.status, old_state || masked,
               case when not is_rekeyed then new_state || masked end, case when not is_rekeyed then fields end,
               bridge.change_summary(act, entity_type, case when not is_rekeyed then fields end, true), context.headers
          from change, lateral (select case when is_rekeyed then 'DELETE' else 'UPDATE' end as act) as chosen
         where is_rekeyed or fields <> '{}'
        returning id, entity_id, entity_type_id, action, occurred_at, changed_fields,
                  coalesce(new_state, previous_state) as details
    ), activity as (
        insert into bridge.activity_log (id, user_id, entity_id, entity_type, action, occurred_at, actor_status,
                                         ip_address, user_agent, device, geo, meta)
        select id, context.performed_by, entity_id, entity_type, action, occurred_at, context.status,
               (context.origin ->> 'ip_address')::inet, context.origin ->> 'user_agent',
               nullif(context.origin -> 'device', 'null'), nullif(context.origin -> 'geo', 'null'),
               bridge.activity_meta(id, entity_type_id, changed_fields, details)
          from event
         where with_activity
    )
    select exists (select from event where action = 'DELETE') into has_rekeyed;

    if has_rekeyed then
        with event as (
            insert into bridge.history (entity_type, entity_id, entity_type_id, entity_event_type, action,
                                              performed_by, actor_status, new_state, change_summary, headers)
            select entity_type, bridge.entity_key(new_state, key_columns), (new_state ->> type_column)::uuid,
                   entity_event_type, 'INSERT', context.performed_by, context.status, new_state || masked,
                   bridge.change_summary('INSERT', entity_type, null, true), context.headers
              from (select to_jsonb(o.r) as old_state, to_jsonb(w.r) - excluded as new_state
                      from (select row_number() over () as position, r from new_rows as r) as w
                      left join (select row_number() over () as position, r from old_rows as r) as o using (position)
                     order by position offset 0) as pair
             where bridge.entity_key(old_state, key_columns) is distinct from bridge.entity_key(new_state, key_columns)
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
    end if;
    return null;
end $$;

revoke execute on function bridge.track_update() from public;
