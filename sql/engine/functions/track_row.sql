-- track_row: trigger function; an event for one inserted, changed or deleted row. See bridge.enable_tracking.
--
-- Parameters: as of bridge.track_insert
-- Writes:     bridge.history, bridge.activity_log
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
    set jit = off                       -- a plan made for a bulk statement must not be compiled for single rows
    set plan_cache_mode = force_generic_plan
as $$
begin
    perform bridge.record_change(tg_argv, case when tg_op <> 'INSERT' then to_jsonb(old) end,
                                 case when tg_op <> 'DELETE' then to_jsonb(new) end);
    return null;
end $$;

revoke execute on function bridge.track_row() from public;
