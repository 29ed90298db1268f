-- track_entity_change: trigger function for a table of one's own whose key is `id`: every row that is inserted, changed
-- or deleted goes to bridge.history and bridge.activity_log, without further settings.
--
--     create trigger entity_change_tracker after insert or update or delete on my_table
--         for each row execute function crm.track_entity_change();
--
-- The tables of this application use bridge.enable_tracking, which is cheaper for bulk work, sees TRUNCATE, takes any
-- key, and can leave columns out.
--
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
create or replace function crm.track_entity_change() returns trigger
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
    settings text[] := '[0:6]={"",ENTITY_CHANGE,"{id}","{}","{}",entity_type_id,true}';   -- as of bridge.track_row
begin
    settings[0] := tg_table_name;
    perform bridge.record_change(settings, case when tg_op <> 'INSERT' then to_jsonb(old) end,
                                 case when tg_op <> 'DELETE' then to_jsonb(new) end);
    return null;
end $$;

revoke execute on function crm.track_entity_change() from public;
