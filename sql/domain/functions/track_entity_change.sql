-- track_entity_change: trigger function for a table of one's own whose key is `id`: every row that is inserted, changed
-- or deleted goes to bridge.history and bridge.activity_log, without further settings.
--
--     create trigger entity_change_tracker after insert or update or delete on my_table
--         for each row execute function crm.track_entity_change();
--
-- The tables of this application use bridge.enable_tracking, which is several times cheaper, sees TRUNCATE, takes any
-- key, can leave columns out, and is looked after by `bridge doctor`.
--
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
create or replace function crm.track_entity_change() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    tracked bridge.tracked_table;
    change record;
begin
    tracked.relation := tg_relid;
    tracked.entity_type := tg_table_name;
    tracked.entity_event_type := 'ENTITY_CHANGE';
    tracked.key := array(select a.attnum from pg_attribute as a where a.attrelid = tg_relid and a.attname = 'id');
    tracked.excluded := '{}';
    tracked.masked := '{}';
    tracked.home := bridge.tracking_home();
    tracked.columns := '{}';
    tracked.dropped := '{}';
    tracked.activity := true;
    change := bridge.read_change(tracked, tg_op, old, new);
    perform bridge.record_change(tracked, tg_op, tg_relid, change.old_key, change.new_key, change.previous_state,
                                 change.new_state, change.changed_fields, old.ctid, old.xmin, new.ctid, new.xmax);
    return null;
end $$;

revoke execute on function crm.track_entity_change() from public;
select bridge.grant_capture();
