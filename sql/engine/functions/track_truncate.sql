-- track_truncate: trigger function, before TRUNCATE, while the rows can still be read. See bridge.enable_tracking.
--
-- Parameters: as of bridge.track_insert, and the number of rows up to which each gets a DELETE event of its own
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own. Where the rows cannot be read, only the TRUNCATE event is written
create or replace function bridge.track_truncate() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set jit = off
as $$
declare
    entity_type       constant text    := tg_argv[0];
    entity_event_type constant text    := tg_argv[1];
    key_columns       constant text[]  := tg_argv[2];
    excluded          constant text[]  := tg_argv[3];
    masked            constant jsonb   := tg_argv[4];
    type_column       constant text    := tg_argv[5];
    with_activity     constant boolean := tg_argv[6];
    row_limit         constant bigint  := tg_argv[7];
    context           constant record  := bridge.change_context();
    row_count bigint := row_limit + 1;
    summary text := 'TRUNCATE of ' || entity_type;
begin
    if has_table_privilege(tg_relid, 'select') and not row_security_active(tg_relid) then
        execute format('select count(*) from (select from only %s limit $1) as counted', tg_relid::regclass)
            into row_count using row_limit + 1;
    end if;
    if row_count <= row_limit then
        summary := format('%s: %s rows, each with a DELETE event', summary, row_count);
        execute format($sql$
            insert into bridge.history (entity_type, entity_id, entity_type_id, entity_event_type, action,
                                              performed_by, actor_status, previous_state, change_summary, headers)
            select $1, bridge.entity_key(state, $2), (state ->> $3)::uuid, $4, 'DELETE', $5, $6, state || $7,
                   'DELETE of ' || $1 || ' (TRUNCATE)', $8
              from (select to_jsonb(r) - $9 as state from only %s as r offset 0) as deleted
        $sql$, tg_relid::regclass)
            using entity_type, key_columns, type_column, entity_event_type, context.performed_by, context.status,
                  masked, context.headers, excluded;
    else
        summary := summary || ': rows without events of their own; read the table anew';
    end if;
    insert into bridge.history (entity_type, entity_id, entity_event_type, action, performed_by, actor_status,
                                      change_summary, headers)
    values (entity_type, '*', entity_event_type, 'TRUNCATE', context.performed_by, context.status, summary,
            context.headers);
    if with_activity then
        insert into bridge.activity_log (user_id, entity_id, entity_type, action, actor_status, ip_address, user_agent,
                                         device, geo, meta)
        values (context.performed_by, '*', entity_type, 'TRUNCATE', context.status,
                (context.origin ->> 'ip_address')::inet, context.origin ->> 'user_agent',
                nullif(context.origin -> 'device', 'null'), nullif(context.origin -> 'geo', 'null'),
                jsonb_build_object('details', summary));
    end if;
    return null;
end $$;

revoke execute on function bridge.track_truncate() from public;
